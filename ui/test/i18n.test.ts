// SPDX-License-Identifier: Apache-2.0
import test from "node:test";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { en } from "../src/i18n/en";
import { es } from "../src/i18n/es";

declare const UI_ROOT: string;

type Tree = { [key: string]: unknown };

function leaves(tree: Tree, prefix = ""): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === "object" && value !== null) {
      for (const [inner, leaf] of leaves(value as Tree, `${prefix}${key}.`)) found.set(inner, leaf);
    } else found.set(prefix + key, value);
  }
  return found;
}

const [left, right] = [leaves(en), leaves(es)];

test("both languages have the same texts, none empty, of the same kind", () => {
  assert.deepEqual([...left.keys()].sort(), [...right.keys()].sort());
  for (const [key, value] of left) {
    assert.equal(typeof right.get(key), typeof value, key);
    if (typeof value === "string") assert.ok(value.trim() && String(right.get(key)).trim(), key);
    if (typeof value === "function") assert.equal((right.get(key) as () => string).length, value.length, key);
  }
});

test("texts made from values name every value, in both languages", () => {
  const used = (text: string, mark: string): boolean => text.includes(mark);
  for (const all of [left, right]) {
    for (const [key, value] of all) {
      if (typeof value !== "function" || key === "confirm.stopWhat" || key === "confirm.restartWhat") continue;
      const marks = Array.from({ length: value.length }, (_, i) => (["⟨a⟩", "⟨b⟩", "⟨c⟩"] as const)[i]!);
      const text = (value as (...args: string[]) => string)(...marks);
      for (const mark of marks) assert.ok(used(text, mark), `${key}: ${text}`);
    }
  }
});

test("every text is used: a text that nobody shows is one that nobody checks", () => {
  const sources: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory() && entry.name !== "i18n") walk(join(folder, entry.name));
      else if (/\.tsx?$/.test(entry.name)) sources.push(readFileSync(join(folder, entry.name), "utf8"));
    }
  };
  walk(join(UI_ROOT, "src"));
  const all = sources.join("\n");
  // Reached by a computed name: states, severities, counts, verbs.
  const computed = /^(state|probe|health\.count|events\.severity|action|done|confirm|palette\.(restart|start|stop))\b/;
  const unused = [...left.keys()].filter((key) => !computed.test(key) && !new RegExp(`\\.${key.split(".").pop()}\\b`).test(all));

  assert.deepEqual(unused, []);
});
