// SPDX-License-Identifier: Apache-2.0
import test from "node:test";
import assert from "node:assert/strict";
import { LINES_MAX, LogBuffer } from "../src/lib/logbuffer";
import type { LogLine } from "../src/store/types";

const line = (n: number, more: Partial<LogLine> = {}): LogLine => ({
  time: new Date(1e12 + n).toISOString(), service: "web", replica: 1, stream: "stdout", message: `line ${n}`, offset: n, ...more,
});
const shown = (buffer: LogBuffer): string[] => Array.from({ length: buffer.count }, (_, i) => buffer.at(i)!.message);

test("what is shown is what a plain filter over all lines shows, in any order of filter and lines", () => {
  let state = 42;
  const random = (below: number): number => (state = (state * 1103515245 + 12345) % 2 ** 31) % below;
  for (let round = 0; round < 50; round += 1) {
    const buffer = new LogBuffer();
    const model: LogLine[] = [];
    let filter = { text: "", stream: "" };
    for (let step = 0; step < 40; step += 1) {
      if (random(4) === 0) {
        filter = { text: ["", "1", "LINE 2", "zz"][random(4)]!, stream: ["", "stderr"][random(2)]! };
        buffer.setFilter(filter);
      } else {
        const added = Array.from({ length: random(5) }, (_, i) =>
          line(model.length + i + 1, { stream: random(3) ? "stdout" : "stderr" }),
        );
        buffer.push(added);
        model.push(...added);
      }
      const expected = model
        .filter((one) => (!filter.stream || one.stream === filter.stream) && one.message.includes(filter.text.toLowerCase()))
        .map((one) => one.message);
      assert.deepEqual(shown(buffer), expected);
    }
  }
});

test("lines that come again after a reconnect are shown once", () => {
  const buffer = new LogBuffer();
  buffer.push([line(1), line(2), line(3)]);
  assert.equal(buffer.push([line(2), line(3), line(4)]), 1);
  assert.deepEqual(shown(buffer), ["line 1", "line 2", "line 3", "line 4"]);
});

test("a program that starts again writes from offset 0, and its lines are shown", () => {
  const buffer = new LogBuffer();
  buffer.push([line(1, { offset: 900 }), line(2, { offset: 10 })]);
  assert.equal(buffer.count, 2);
  // Two lines of one moment differ by their place.
  buffer.push([line(3, { offset: 20 }), line(3, { offset: 30, message: "same moment" }), line(3, { offset: 30, message: "same moment" })]);
  assert.deepEqual(shown(buffer), ["line 1", "line 2", "line 3", "same moment"]);
});

test("the buffer is bounded, and a search keeps pointing at the right lines when old ones go", () => {
  const buffer = new LogBuffer();
  buffer.setFilter({ text: "7", stream: "" });
  for (let n = 1; n <= LINES_MAX * 2; n += 500) buffer.push(Array.from({ length: 500 }, (_, i) => line(n + i)));
  assert.ok(buffer.lines.length <= LINES_MAX + 2_000);
  assert.equal(buffer.dropped + buffer.lines.length, LINES_MAX * 2);
  for (let i = 0; i < buffer.count; i += 1) assert.match(buffer.at(i)!.message, /7/);
});

test("older lines go before, without doubling the one that is there", () => {
  const buffer = new LogBuffer();
  buffer.push([line(10), line(11)]);
  assert.equal(buffer.prepend([line(8), line(9), line(10)]), 2);
  assert.deepEqual(shown(buffer), ["line 8", "line 9", "line 10", "line 11"]);
  buffer.setFilter({ text: "9", stream: "" });
  assert.deepEqual(shown(buffer), ["line 9"]);
});

test("terminal colours are taken out", () => {
  const buffer = new LogBuffer();
  buffer.push([line(1, { message: "\u001b[31mred\u001b[0m \u001b]0;title\u0007plain" })]);
  assert.deepEqual(shown(buffer), ["red plain"]);
});
