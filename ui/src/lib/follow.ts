// SPDX-License-Identifier: Apache-2.0
//
// Keeps one stream open: reconnects with back-off and jitter, gives up a silent connection, stops at a
// refusal. The main stream and the log streams differ only in what they do with a message.
//
//   connecting -> live -> (broken, silent) -> waiting -> connecting …      401 -> denied (until retry())
import { DeniedError, readSse, type SseMessage } from "./sse";

export type FollowState = "connecting" | "live" | "waiting" | "denied";

export interface FollowOptions {
  /** Asked at each attempt, so that a log stream can continue after its last line. */
  url: () => string;
  onMessage: (message: SseMessage) => void;
  onState: (state: FollowState, retryAt: number) => void;
}

const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 15_000;
/** The server pings more often than this; a longer silence is a dead connection. */
const SILENCE_MAX_MS = 40_000;

export class Follow {
  private abort: AbortController | null = null;
  private timer = 0;
  private watchdog = 0;
  private failures = 0;
  private lastId: string | null = null;
  private closed = false;

  constructor(private readonly options: FollowOptions) {
    void this.run();
  }

  close(): void {
    this.closed = true;
    this.abort?.abort();
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
  }

  /** Tries now: the person pressed "retry", the network came back, or a session was opened. */
  retry(): void {
    if (this.closed) return;
    clearTimeout(this.timer);
    this.failures = 0;
    this.abort?.abort();
    void this.run();
  }

  private alive(abort: AbortController): void {
    clearTimeout(this.watchdog);
    this.watchdog = window.setTimeout(() => abort.abort(), SILENCE_MAX_MS);
    if (this.failures >= 0) {
      this.failures = -1;
      this.options.onState("live", 0);
    }
  }

  private async run(): Promise<void> {
    const abort = new AbortController();

    this.abort = abort;
    this.failures = Math.max(this.failures, 0);
    this.options.onState("connecting", 0);
    try {
      await readSse(this.options.url(), {
        signal: abort.signal,
        lastId: this.lastId,
        onAlive: () => this.alive(abort),
        onMessage: (message) => {
          this.lastId = message.id ?? this.lastId;
          this.options.onMessage(message);
        },
      });
    } catch (error) {
      if (error instanceof DeniedError && this.abort === abort) {
        this.options.onState("denied", 0);
        return;
      }
    }
    // Someone else took over (retry) or nobody wants it any more (close).
    if (!this.closed && this.abort === abort) this.later();
  }

  private later(): void {
    clearTimeout(this.watchdog);
    this.failures = Math.max(this.failures, 0) + 1;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (this.failures - 1));
    const wait = ceiling * (0.5 + Math.random() / 2);

    this.options.onState("waiting", Date.now() + wait);
    this.timer = window.setTimeout(() => void this.run(), wait);
  }
}
