// SPDX-License-Identifier: Apache-2.0
//
// A Redis client in a page: RESP2 over one connection, pipelined, reconnecting. What is asked while there
// is no connection fails at once, so that a health check says the truth.
//
//   +text\r\n   -error\r\n   :number\r\n   $length\r\nbytes\r\n ($-1: null)   *count\r\n…
import { connect } from "node:net";

const CRLF = Buffer.from("\r\n");
const BACKOFF_MAX_MS = 2_000;
const PENDING_MAX = 10_000;

/** Reads one reply at `at`. Returns {value, end}, or null when more bytes are needed. */
export function parse(buffer, at = 0) {
  const line = buffer.indexOf(CRLF, at);
  if (line < 0) return null;
  const text = buffer.toString("utf8", at + 1, line);
  const end = line + 2;

  switch (String.fromCharCode(buffer[at])) {
    case "+":
      return { value: text, end };
    case "-":
      return { value: new Error(text), end };
    case ":":
      return { value: Number(text), end };
    case "$": {
      const length = Number(text);
      if (length < 0) return { value: null, end };
      if (buffer.length < end + length + 2) return null;
      return { value: buffer.toString("utf8", end, end + length), end: end + length + 2 };
    }
    case "*":
      return parseArray(buffer, Number(text), end);
    default:
      throw new Error(`redis: unexpected reply ${JSON.stringify(text)}`);
  }
}

function parseArray(buffer, count, at) {
  if (count < 0) return { value: null, end: at };
  const value = [];
  for (let i = 0; i < count; i += 1) {
    const item = parse(buffer, at);
    if (!item) return null;
    value.push(item.value);
    at = item.end;
  }
  return { value, end: at };
}

export const encode = (words) =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`).join("")}`;

export class Redis {
  constructor({ host, port }) {
    this.where = { host, port };
    this.pending = [];
    this.rest = Buffer.alloc(0);
    this.backoff = 50;
    this.closed = false;
    this.open();
  }

  open() {
    this.socket = connect(this.where);
    this.socket.setNoDelay(true);
    this.socket.on("connect", () => (this.backoff = 50));
    this.socket.on("data", (chunk) => this.receive(chunk));
    this.socket.on("error", (error) => (this.cause = error));
    this.socket.on("close", () => this.lost());
  }

  receive(chunk) {
    this.rest = this.rest.length ? Buffer.concat([this.rest, chunk]) : chunk;
    let at = 0;
    for (let reply = parse(this.rest, at); reply; reply = parse(this.rest, at)) {
      at = reply.end;
      const { resolve, reject } = this.pending.shift();
      if (reply.value instanceof Error) reject(reply.value);
      else resolve(reply.value);
    }
    this.rest = this.rest.subarray(at);
  }

  lost() {
    const error = new Error(`redis at ${this.where.host}:${this.where.port} is gone: ${this.cause?.code ?? "closed"}`);
    this.pending.splice(0).forEach(({ reject }) => reject(error));
    this.rest = Buffer.alloc(0);
    if (this.closed) return;
    setTimeout(() => this.open(), this.backoff);
    this.backoff = Math.min(this.backoff * 2, BACKOFF_MAX_MS);
  }

  /** call("INCR", "visits") → 12 */
  call(...words) {
    return new Promise((resolve, reject) => {
      if (this.socket.readyState !== "open") return reject(new Error("redis does not answer"));
      if (this.pending.length >= PENDING_MAX) return reject(new Error("redis: too many requests wait"));
      this.pending.push({ resolve, reject });
      this.socket.write(encode(words));
    });
  }

  close() {
    this.closed = true;
    this.socket.end();
  }
}

/** Where muelle says that Redis is; REDIS_PORT for whoever runs this without muelle. */
export const fromEnvironment = (env = process.env) =>
  new Redis({ host: env.MUELLE_HOST_REDIS ?? "127.0.0.1", port: Number(env.MUELLE_PORT_REDIS ?? env.REDIS_PORT ?? 6379) });
