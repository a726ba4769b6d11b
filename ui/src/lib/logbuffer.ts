// SPDX-License-Identifier: Apache-2.0
//
// The lines that a log page holds, and which of them match a search. Bounded: the oldest go in one piece
// of SLACK, so that dropping costs nothing per line. Pure: no DOM, no clock.
//
// Invariants:
//   1. matches[] holds sequence numbers, ascending; sequence - base is the index in lines[].
//   2. Adding n lines tests n lines: a search is never run again over what was already searched.
import { replicaName, type LogLine } from "../store/types";

export const LINES_MAX = 20_000;
const SLACK = 2_000;

/** Terminal colours and titles say nothing here. */
const ANSI = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\))/g;

export interface ShownLine extends LogLine {
  seq: number;
}

export interface LogFilter {
  text: string;
  stream: string;
}

const keyOf = (line: LogLine): string => `${line.project ?? ""}/${line.service}/${line.replica}/${line.stream}`;

/** Where a line stands in its stream: by time, and by its place in the output where times are equal. */
interface Place {
  time: string;
  offset: number;
}

const isAfter = (line: LogLine, place: Place | undefined): boolean =>
  !place || line.time > place.time || (line.time === place.time && (line.offset ?? Infinity) > place.offset);

export class LogBuffer {
  lines: ShownLine[] = [];
  matches: number[] = [];
  /** Sequence of lines[0]. */
  base = 0;
  dropped = 0;
  private filter: LogFilter = { text: "", stream: "" };
  private needle = "";
  private readonly seen = new Map<string, Place>();

  get filtered(): boolean {
    return this.needle !== "" || this.filter.stream !== "";
  }

  get count(): number {
    return this.filtered ? this.matches.length : this.lines.length;
  }

  at(index: number): ShownLine | undefined {
    return this.filtered ? this.lines[this.matches[index]! - this.base] : this.lines[index];
  }

  private test(line: ShownLine): boolean {
    return (
      (this.filter.stream === "" || line.stream === this.filter.stream) &&
      (this.needle === "" ||
        line.message.toLowerCase().includes(this.needle) ||
        replicaName(line.service, line.replica).toLowerCase().includes(this.needle))
    );
  }

  setFilter(filter: LogFilter): void {
    this.filter = filter;
    this.needle = filter.text.toLowerCase();
    this.matches = this.filtered ? this.lines.filter((line) => this.test(line)).map((line) => line.seq) : [];
  }

  /** Appends; a line that came before (a stream that was opened again repeats some) is skipped. */
  push(incoming: readonly LogLine[]): number {
    let added = 0;

    for (const line of incoming) {
      const key = keyOf(line);
      if (!isAfter(line, this.seen.get(key))) continue;
      this.seen.set(key, { time: line.time, offset: line.offset ?? -1 });
      const shown = { ...line, message: line.message.replace(ANSI, ""), seq: this.base + this.lines.length };
      this.lines.push(shown);
      if (this.filtered && this.test(shown)) this.matches.push(shown.seq);
      added += 1;
    }
    this.trim();
    return added;
  }

  private trim(): void {
    if (this.lines.length <= LINES_MAX + SLACK) return;
    const excess = this.lines.length - LINES_MAX;

    this.lines = this.lines.slice(excess);
    this.base += excess;
    this.dropped += excess;
    const first = this.matches.findIndex((seq) => seq >= this.base);
    this.matches = first < 0 ? [] : this.matches.slice(first);
  }

  /** The history before the first line; what is already here is skipped. */
  prepend(older: readonly LogLine[]): number {
    const first = this.lines[0]?.time;
    const place = (line: LogLine): string => `${keyOf(line)}@${line.time}+${line.offset ?? ""}`;
    const known = new Set(this.lines.slice(0, 2_000).map(place));
    const fresh = older.filter((line) => (!first || line.time <= first) && !known.has(place(line)));

    this.base -= fresh.length;
    const shown = fresh.map((line, i) => ({ ...line, message: line.message.replace(ANSI, ""), seq: this.base + i }));
    this.lines = [...shown, ...this.lines];
    this.setFilter(this.filter);
    return fresh.length;
  }
}
