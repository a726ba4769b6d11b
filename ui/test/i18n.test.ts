// SPDX-License-Identifier: Apache-2.0
import test from "node:test";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { en } from "../src/i18n/en";
import { spanish } from "../src/i18n/said";
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
  const computed = /^(state|working|probe|health\.count|events\.severity|action|done|confirm|palette\.(restart|start|stop))\b/;
  const unused = [...left.keys()].filter((key) => !computed.test(key) && !new RegExp(`\\.${key.split(".").pop()}\\b`).test(all));

  assert.deepEqual(unused, []);
});

test("what muelle says of services is said in Spanish; what it quotes is not touched", () => {
  const cases: ReadonlyArray<readonly [english: string, spanish: string]> = [
    ["is ready", "está lista"],
    ["starts again (restart 3)", "arranca de nuevo (reinicio 3)"],
    ["exited 1 after 3 s, last line: is ready", "terminó con 1 tras 3 s, última línea: is ready"],
    ["killed by signal 11 (segmentation fault, core dumped) after 2 h 5 min", "matado por la señal 11 (violación de segmento, con volcado de memoria) tras 2 h 5 min"],
    ["is unhealthy: nothing answers on port 80: Connection refused", "no está sana: nada responde en el puerto 80: Connection refused"],
    ["could not start: not executable: ./run", "no pudo arrancar: no es ejecutable: ./run"],
    ["command not found: nod (looked in /bin)", "orden no encontrada: nod (buscada en /bin)"],
    [
      "command not found: A=b (no shell reads it: put variables under 'environment')",
      "orden no encontrada: A=b (no la lee ningún intérprete: ponga las variables en 'environment')",
    ],
    ["Project hello applied: 4 new, 1 removed", "Proyecto hello aplicado: 4 nuevos, 1 quitados"],
    ["Service web is scaled to 3 by ana", "El servicio web lo escala a 3 ana"],
    ["something else", "something else"],
  ];
  for (const [english, wanted] of cases) assert.equal(spanish(english), wanted);
});
