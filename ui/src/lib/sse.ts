// SPDX-License-Identifier: Apache-2.0
//
// A parser for text/event-stream, over fetch instead of EventSource: EventSource hides the status (a 401
// must show the login page, not retry for ever) and cannot send Accept and Last-Event-ID as we choose.
//
//   bytes -> SseParser.feed(text) -> messages; any split of the input gives the same messages.

export interface SseMessage {
  event: string;
  data: string;
  id: string | null;
}

const BUFFER_MAX = 8 * 1024 * 1024;

export class SseParser {
  private rest = "";
  private event = "";
  private data: string[] = [];
  private id: string | null = null;

  feed(text: string): SseMessage[] {
    const messages: SseMessage[] = [];
    const lines = (this.rest + text).split("\n");

    this.rest = lines.pop() ?? "";
    if (this.rest.length > BUFFER_MAX) {
      throw new Error("sse: a line is longer than 8 MB");
    }
    for (const line of lines) {
      this.line(line.endsWith("\r") ? line.slice(0, -1) : line, messages);
    }
    return messages;
  }

  private line(line: string, messages: SseMessage[]): void {
    if (line === "") {
      if (this.data.length) {
        messages.push({ event: this.event || "message", data: this.data.join("\n"), id: this.id });
      }
      this.event = "";
      this.data = [];
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);

    if (field === "event") this.event = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id") this.id = value;
  }
}

export class DeniedError extends Error {}

export interface SseOptions {
  signal: AbortSignal;
  lastId?: string | null;
  /** Called for every chunk, also for comments: the sign of life that the watchdog wants. */
  onAlive: () => void;
  onMessage: (message: SseMessage) => void;
}

/** Reads one stream to its end. Throws DeniedError on 401/403, Error on anything else that broke. */
export async function readSse(url: string, options: SseOptions): Promise<void> {
  const headers: Record<string, string> = { Accept: "text/event-stream" };
  if (options.lastId) headers["Last-Event-ID"] = options.lastId;

  const response = await fetch(url, { headers, signal: options.signal, cache: "no-store" });
  if (response.status === 401 || response.status === 403) throw new DeniedError(String(response.status));
  if (!response.ok || !response.body) throw new Error(`stream answered ${response.status}`);

  const parser = new SseParser();
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  options.onAlive();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    options.onAlive();
    parser.feed(decoder.decode(value, { stream: true })).forEach(options.onMessage);
  }
}
