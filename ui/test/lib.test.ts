// SPDX-License-Identifier: Apache-2.0
import test from "node:test";
import assert from "node:assert/strict";
import { draw } from "../src/components/Sparkline";
import { ago, bytes, clock, clockShort, duration, exact, integer, millis, percent } from "../src/lib/format";
import { lang } from "../src/lib/prefs";
import { Ring, RING_SECONDS } from "../src/lib/ring";
import { parse, servicePath } from "../src/lib/router";
import { yamlText } from "../src/lib/yaml";
import { healthOf, sentence } from "../src/store/health";
import { en } from "../src/i18n/en";
import { search, type Command } from "../src/store/palette";
import { keepOnly, putService, serviceKeys } from "../src/store/store";
import type { Service } from "../src/store/types";

const service = (name: string, more: Partial<Service> = {}): Service => ({
  name, project: "p", state: "running", health: "healthy", reason: null, replicas: { desired: 1, running: 1, ready: 1 },
  restarts: 0, cpu_percent: 0, memory_bytes: 0, started_at: null, ...more,
});

test("a ring takes no sample that is older than what it has", () => {
  const ring = new Ring();
  for (const time of [5, 6, 4, 6, 7]) ring.push(time, { cpu: time });
  assert.deepEqual(ring.lastTimes(), [5, 6, 7]);
});

test("a ring keeps the last ten minutes in order, gaps as gaps", () => {
  const ring = new Ring();
  for (let i = 0; i < RING_SECONDS + 25; i += 1) ring.push(i, { cpu: i % 7 === 0 ? null : i });
  const times = ring.lastTimes();
  assert.equal(times.length, RING_SECONDS);
  assert.equal(times[0], 25);
  assert.deepEqual(ring.lastTimes(3), [RING_SECONDS + 22, RING_SECONDS + 23, RING_SECONDS + 24]);
  ring.last("cpu").forEach((value, i) => assert.ok(times[i]! % 7 === 0 ? Number.isNaN(value) : value === times[i]));
  assert.equal(new Ring().latest("cpu"), null);
});

test("numbers have the units and the format of the language", () => {
  lang.value = "en";
  assert.deepEqual([bytes(0), bytes(1500), bytes(41_234_567), bytes(3.2e9), bytes(null)], ["0 B", "2 kB", "41.2 MB", "3.2 GB", "–"]);
  assert.deepEqual([percent(0), percent(0.04), percent(3.14), percent(97.6)], ["0 %", "0 %", "3.1 %", "98 %"]);
  assert.deepEqual([millis(0.42), millis(23.4), millis(1500)], ["0.42 ms", "23.4 ms", "1.50 s"]);
  assert.deepEqual([duration(4_000), duration(61_000), duration(12_000_000), duration(2e8)], ["4 s", "1 min 1 s", "3 h 20 min", "2 d 7 h"]);
  assert.equal(ago(0, 180_000), "3 min. ago");
  lang.value = "es";
  assert.deepEqual([bytes(41_234_567), integer(1_234_567)], ["41,2 MB", "1.234.567"]);
  assert.equal(ago(0, 180_000), "hace 3 min");
  lang.value = "en";
});

test("clocks have two digits and no hour 24, and dates their words, in the language", () => {
  const night = new Date(2026, 2, 5, 0, 7, 9).getTime();
  for (const [language, month] of [["en", "March"], ["es", "marzo"]] as const) {
    lang.value = language;
    assert.deepEqual([clock(night), clockShort(night)], ["00:07:09", "00:07"]);
    assert.match(exact(night), new RegExp(month));
  }
  lang.value = "en";
});

test("paths and pages agree, for every legal name", () => {
  for (const name of ["web", "a.b", "x_y-1", "9"]) {
    assert.deepEqual(parse(servicePath("shop", name)), { name: "service", project: "shop", service: name });
    // The server answers index.html only when the last segment has no dot.
    assert.ok(!servicePath("shop", name).split("/").pop()!.includes("."));
  }
  assert.deepEqual(parse("/"), { name: "overview" });
  assert.deepEqual(parse("/nothing/here"), { name: "missing" });
});

test("configuration reads as YAML and quotes what would be misread", () => {
  const text = yamlText({ a: 1, list: ["x", { k: "v", n: null }], empty: {}, odd: "yes", port: "8080", cmd: "a: b", deep: [[1, 2]] });
  assert.equal(
    text,
    'a: 1\nlist:\n  - x\n  - k: v\n    n: null\nempty: {}\nodd: "yes"\nport: "8080"\ncmd: "a: b"\ndeep:\n  - \n    - 1\n    - 2\n'.replace("- \n", "- \n"),
  );
});

test("the sentence names the worst and why", () => {
  const all = [service("a"), service("b"), service("c", { state: "crashed", reason: "exited 1 after 3 s" }), service("d", { state: "unhealthy" })];
  assert.equal(sentence(healthOf(all), en), "2 running, 1 degraded, 1 crashed: c exited 1 after 3 s.");
  assert.equal(sentence(healthOf(all.slice(0, 2)), en), "All 2 services are running.");
  assert.equal(sentence(healthOf([]), en), "No services yet.");
  const short = service("e", { replicas: { desired: 3, running: 3, ready: 1 } });
  assert.equal(sentence(healthOf([short]), en), "1 degraded: e (1 of 3 ready).");
  assert.equal(sentence(healthOf([all[3]!]), en, "14:02"), "1 degraded: d is failing its probe since 14:02.");
  const long = service("f", { state: "crashed", reason: "exited 1 after 2 min, last line: Error: no: more" });
  assert.equal(sentence(healthOf([long]), en), "1 crashed: f exited 1 after 2 min.");
});

test("services stand by dependency, also with a cycle in it", () => {
  putService(service("web", { depends_on: ["db", { service: "cache" }] }));
  putService(service("cache"));
  putService(service("db", { depends_on: ["cache"] }));
  putService(service("x", { depends_on: ["y"] }));
  putService(service("y", { depends_on: ["x"] }));
  assert.deepEqual(serviceKeys.value.filter((key) => !/[xy]$/.test(key)), ["p/cache", "p/db", "p/web"]);
  assert.equal(serviceKeys.value.length, 5);
  keepOnly(new Set(["p/db"]));
  assert.deepEqual(serviceKeys.value, ["p/db"]);
});

test("a sparkline breaks at gaps and never leaves its box", () => {
  assert.equal(draw([1], 1, true), null);
  assert.equal(draw([1, 2, NaN], 1, true)!.dot, null, "no dot where there is no figure now");
  const drawn = draw([1, NaN, 2, 500, 3], 1, true)!;
  assert.equal(drawn.line.match(/M/g)!.length, 2);
  for (const [, y] of drawn.line.matchAll(/ ([\d.]+)/g)) assert.ok(Number(y) >= 0 && Number(y) <= 20);
});

test("the palette finds by words in any order, without accents, the harmless first", () => {
  const command = (label: string, line: string): Command => ({ label, line, run: () => undefined });
  const all = [command("Ir a web", "muelle ps web"), command("Parar web", "muelle stop web"), command("Configuración", "muelle config")];
  assert.deepEqual(search(all, "web").map((c) => c.line), ["muelle ps web", "muelle stop web"]);
  assert.deepEqual(search(all, "web stop").map((c) => c.line), ["muelle stop web"]);
  assert.deepEqual(search(all, "configuracion").map((c) => c.line), ["muelle config"]);
  assert.equal(search(all, "").length, 3);
});
