// SPDX-License-Identifier: Apache-2.0
//
// Every sentence that the C code can say of a service has a Spanish one. The formats are read from src/, so that a new
// one without Spanish fails here, by name, and not on somebody's screen.
import test from "node:test";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { spanish } from "../src/i18n/said";

declare const UI_ROOT: string;
const SRC = join(UI_ROOT, "../src");

/** Calls whose texts reach the dashboard, and where they stand. */
const SPEAKERS: ReadonlyArray<readonly [file: RegExp, call: RegExp]> = [
  [/\.c$/, /\bevent_message\s*\(/g],
  [/^run\/.*\.c$/, /\bsnprintf\s*\(\s*(?:replica|service)->reason\s*,/g],
  [/^run\/health\.c$/, /\bsnprintf\s*\(\s*how\s*,/g],
  [/^run\/driver_process\.c$/, /\bsnprintf\s*\(\s*text\s*,/g],
  [/^run\/driver\w*\.c$/, /\bproblem_set\s*\(\s*problem\s*,\s*"service\.[\w-]+"\s*,/g],
  [/^run\/reason\.c$/, /\bbuf_(?:printf|add_cstr)\s*\(\s*out\s*,/g],
];

/** Pieces of a sentence: where they occur. A new piece has to be added here, with a sentence that it makes. */
const PIECES: Record<string, string> = {
  "%lld ms": "exited 1 after 5 ms",
  "%lld s": "exited 1 after 5 s",
  "%lld min": "exited 1 after 5 min",
  "%lld h %lld min": "exited 1 after 5 h 5 min",
  " after ": "exited 1 after 5 s",
  ", last line: ": "exited 1, last line: x",
  ", core dumped": "killed by signal 11 (segmentation fault, core dumped)",
  "unhealthy: %s; ": "unhealthy: no answer; stopped by signal 15 (terminated)",
  killed: "killed after 5 s: it did not stop within 5 s",
  ": it did not stop within ": "killed after 5 s: it did not stop within 5 s",
  ", which has failed": "waits for x to be healthy, which has failed",
  " (looked in %s)": "command not found: x (looked in /x)",
  " (no shell reads it: put variables under 'environment')": "command not found: x (no shell reads it: put variables under 'environment')",
  "Service %s is %s by %s": "Service x is stopped by x", // its verbs: below
  "Project %s %s: %s": "Project x applied: 4 new",
  "%s: %llu.": "Requests ended because their body came too slowly (x): 5.", // src/see/defence.c
  applied: "Project x applied: 4 new",
  changed: "Project x changed: 4 new",
  "waits for %s to be %s%s": "waits for x to be started",
};

/** Words that are the same in Spanish, or the name of a thing or key. */
const SAME = new Set(["edge", "keeper", "bytes", "variables", "environment"]);

/** The call's text up to its closing bracket; brackets in strings do not count. */
function callAt(text: string, from: number): string {
  let depth = 1;
  let at = from;
  for (; at < text.length && depth > 0; at += 1) {
    if (text[at] === '"') at += /^"(?:[^"\\]|\\.)*"/.exec(text.slice(at))![0].length - 1;
    else if (text[at] === "(") depth += 1;
    else if (text[at] === ")") depth -= 1;
  }
  return text.slice(from, at);
}

/** "%u" and STR_FMT become 5, "%s" becomes x; neighbouring literals are one. */
function literals(call: string): string[] {
  const joined = call.replace(/\bSTR_FMT\b/g, '"%s"').replace(/\bPRI[ud](?:32|64)\b/g, '"u"').replace(/"\s*"/g, "");

  return [...joined.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((match) => match[1]!.replace(/\\(.)/g, "$1"));
}

function sayings(): Map<string, string> {
  const found = new Map<string, string>();
  const files = readdirSync(SRC, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((room) => readdirSync(join(SRC, room.name)).map((name) => `${room.name}/${name}`));
  for (const file of files) {
    const calls = SPEAKERS.filter(([where]) => where.test(file)).map(([, call]) => call);
    if (calls.length === 0) continue;
    const text = readFileSync(join(SRC, file), "utf8");
    for (const call of calls) {
      for (const hit of text.matchAll(call)) {
        for (const one of literals(callAt(text, hit.index! + hit[0].length))) found.set(one, file);
      }
    }
  }
  return found;
}

const filled = (format: string): string => format.replace(/%%/g, "%").replace(/%\.?\d*s/g, "x").replace(/%(?:ll|z)?[du]/g, "5");
/** As the event list does: the name before the sentence is shown apart. */
const withoutName = (text: string): string => text.replace(/^x-5 /, "");
const words = (text: string): string[] => text.match(/[a-z]{3,}/gi) ?? [];

const all = sayings();

test("the sentences are found at all", () => {
  for (const known of ["%s-%u is ready", "exited %d", "probe GET %s %s%s%s", "timed out", "needs an engine driver; none is configured"]) {
    assert.ok(all.has(known), known);
  }
});

test("every sentence that the program can say of a service has its Spanish", () => {
  const missing: string[] = [];
  for (const [format, file] of all) {
    if (words(format.replace(/%\w+/g, "")).length === 0) continue;
    const sentence = PIECES[format] ?? withoutName(filled(format));
    const said = spanish(sentence);
    const left = words(format.replace(/%(?:ll|z)?\.?\d*\w/g, " ")).filter(
      (word) => !SAME.has(word) && !/^(GET|OCSP|gRPC|x|ms|min|pid|SIG\w+)$/.test(word) && new RegExp(`\\b${word}\\b`).test(said),
    );
    if (said === sentence) missing.push(`src/${file} says "${format}": no Spanish in i18n/said.ts`);
    else if (left.length) missing.push(`src/${file} says "${format}": "${said}" is half English`);
  }
  assert.deepEqual(missing, []);
});

test("names of signals, conditions, actions and changes have their Spanish", () => {
  const read = (file: string): string => readFileSync(join(SRC, file), "utf8");
  const table = (text: string, from: string, entry: RegExp): string[] => [...text.slice(text.indexOf(from)).split("};")[0]!.matchAll(entry)].map((match) => match[1]!);
  const changed = (english: string, word: string): void => {
    assert.doesNotMatch(spanish(english), new RegExp(`\\b${word}\\b`), `${english} -> ${spanish(english)}`);
  };
  const signals = table(read("run/reason.c"), "signal_names[]", /\{SIG\w+, "([^"]+)"\}/g);
  const verbs = table(read("run/act.c"), "verbs[]", /\{"service\.\w+", "([^"]+)"\}/g);
  const counts = table(read("run/apply.c"), "words[]", /\{PLAN_\w+, "([^"]+)"\}/g);
  const conditions = [...read("run/graph.c").split("graph_condition_name")[1]!.split("\n}")[0]!.matchAll(/return "(\w+)"/g)].map((match) => match[1]!);

  assert.ok(signals.length > 10 && verbs.length === 7 && counts.length === 7 && conditions.length === 3, `${signals} ${verbs} ${counts} ${conditions}`);
  for (const signal of signals) changed(`killed by signal 5 (${signal}) after 5 s`, signal);
  for (const verb of verbs) changed(`Service x is ${verb}${verb === "scaled" ? " to 5" : ""} by ana`, verb);
  for (const count of counts) changed(`Project x applied: 5 ${count}`, count);
  for (const condition of conditions) changed(`waits for x to be ${condition}`, condition);
});
