// SPDX-License-Identifier: Apache-2.0
import test from "node:test";
import assert from "node:assert/strict";
import { SseParser } from "../src/lib/sse";

const STREAM =
  ': comment\n\nid: 7\nevent: service\ndata: {"a":1}\n\ndata: first\r\ndata:second\r\n\r\nevent: ping\ndata: {}\n\nid\ndata: ñ€😀\n\nevent: lost\n\n';
const EXPECTED = [
  { event: "service", data: '{"a":1}', id: "7" },
  { event: "message", data: "first\nsecond", id: "7" },
  { event: "ping", data: "{}", id: "7" },
  { event: "message", data: "ñ€😀", id: "" },
];

test("a stream is read as the standard says", () => {
  assert.deepEqual(new SseParser().feed(STREAM), EXPECTED);
});

test("whole = split at every place", () => {
  for (let at = 0; at <= STREAM.length; at += 1) {
    const parser = new SseParser();
    assert.deepEqual([...parser.feed(STREAM.slice(0, at)), ...parser.feed(STREAM.slice(at))], EXPECTED, `split at ${at}`);
  }
});

test("a line without an end is refused before it fills the memory", () => {
  const parser = new SseParser();
  assert.throws(() => {
    for (let i = 0; i < 20; i += 1) parser.feed("x".repeat(1024 * 1024));
  }, /longer/);
});
