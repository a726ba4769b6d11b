// SPDX-License-Identifier: Apache-2.0
//
// A log that a page follows: one stream per project (the API has one per project), one buffer, one signal
// that says "there is more", raised at most once per animation frame.
import { signal } from "@preact/signals";
import { Follow } from "../lib/follow";
import { LogBuffer } from "../lib/logbuffer";
import { get, projectUrl } from "./api";
import type { LogLine } from "./types";

const TAIL = 1_000;
const OLDER = 1_000;

export type LogState = "connecting" | "live" | "broken";

export class LogFollow {
  readonly buffer = new LogBuffer();
  readonly version = signal(0);
  readonly state = signal<LogState>("connecting");
  readonly atStart = signal(false);
  /** While paused, lines wait here; the view stands still. */
  readonly paused = signal(false);
  readonly waiting = signal(0);
  private held: LogLine[] = [];
  private queue: LogLine[] = [];
  private scheduled = false;
  private readonly follows: Follow[];
  private lastTime = "";

  constructor(
    private readonly projects: readonly string[],
    private readonly service: string,
    private readonly replica = "",
  ) {
    this.follows = projects.map(
      (project) =>
        new Follow({
          url: () => this.url(project),
          onMessage: (message) => {
            if (message.event === "log" || message.event === "message") this.receive(message.data);
          },
          onState: (state) => {
            this.state.value = state === "live" ? "live" : this.lastTime ? "broken" : "connecting";
          },
        }),
    );
  }

  /** Only this service, only this replica of it. */
  private name(params: URLSearchParams): void {
    if (this.service) params.set("service", this.service);
    if (this.service && this.replica) params.set("replica", this.replica);
  }

  private url(project: string): string {
    const params = new URLSearchParams({ follow: "1" });

    this.name(params);
    // After a break: from the last line on; what comes twice is known by its offset.
    if (this.lastTime) params.set("since", this.lastTime);
    else params.set("tail", String(TAIL));
    return projectUrl(project, `/logs?${params}`);
  }

  private receive(data: string): void {
    try {
      this.queue.push(JSON.parse(data) as LogLine);
    } catch {
      return;
    }
    if (this.scheduled) return;
    this.scheduled = true;
    if (document.hidden) setTimeout(() => this.drain(), 250);
    else requestAnimationFrame(() => this.drain());
  }

  private drain(): void {
    const lines = this.queue;

    this.queue = [];
    this.scheduled = false;
    this.lastTime = lines[lines.length - 1]?.time ?? this.lastTime;
    if (this.paused.peek()) {
      // A pause of a day must not fill the memory: beyond this the oldest of the held lines go.
      this.held = this.held.concat(lines).slice(-20_000);
      this.waiting.value = this.held.length;
      return;
    }
    this.buffer.push(lines);
    this.version.value += 1;
  }

  pause(): void {
    this.paused.value = true;
  }

  resume(): void {
    this.paused.value = false;
    this.buffer.push(this.held);
    this.held = [];
    this.waiting.value = 0;
    this.version.value += 1;
  }

  filter(text: string, stream: string): void {
    this.buffer.setFilter({ text, stream });
    this.version.value += 1;
  }

  /** Lines before the first one held. Returns how many came. */
  async older(): Promise<number> {
    const first = this.buffer.lines[0]?.time;
    const pages = await Promise.all(this.projects.map((project) => this.page(project, { until: first ?? "", tail: String(OLDER) })));
    const lines = pages.flat().sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
    const added = this.buffer.prepend(lines);

    if (added === 0) this.atStart.value = true;
    this.version.value += 1;
    return added;
  }

  /** Searches everything that is stored, not only what this page holds. */
  async history(text: string): Promise<LogLine[]> {
    const pages = await Promise.all(this.projects.map((project) => this.page(project, { q: text, tail: "5000" })));

    return pages.flat().sort((a, b) => (a.time < b.time ? -1 : 1));
  }

  private async page(project: string, extra: Record<string, string>): Promise<LogLine[]> {
    const params = new URLSearchParams(Object.entries(extra).filter(([, value]) => value));

    this.name(params);
    return (await get<{ items: LogLine[] }>(projectUrl(project, `/logs?${params}`))).items;
  }

  close(): void {
    this.follows.forEach((follow) => follow.close());
  }
}
