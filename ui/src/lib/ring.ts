// SPDX-License-Identifier: Apache-2.0
//
// The last N samples of one service or replica, one per second, in typed arrays: a tab that stays open
// for a week holds as much as one that was opened ten minutes ago.

export const FIGURES = ["cpu", "memory", "requests", "errors", "p50", "p99"] as const;
export type Figure = (typeof FIGURES)[number];

export const RING_SECONDS = 600;

export class Ring {
  private readonly times = new Float64Array(RING_SECONDS);
  private readonly values = new Map<Figure, Float64Array>();
  private head = 0;
  length = 0;

  constructor() {
    for (const figure of FIGURES) {
      this.values.set(figure, new Float64Array(RING_SECONDS));
    }
  }

  /**
   * Adds one sample, unless a later one is there: what is sent again after a reconnection. When the clock was set back
   * by more than the ring holds, it begins anew. A figure that is absent is a gap (NaN), never a zero.
   */
  push(time: number, sample: Partial<Record<Figure, number | null | undefined>>): void {
    const newest = this.length ? this.times[(this.head - 1 + RING_SECONDS) % RING_SECONDS]! : -Infinity;
    if (time < newest - RING_SECONDS) this.length = 0;
    else if (time <= newest) return;
    this.times[this.head] = time;
    for (const figure of FIGURES) {
      this.column(figure)[this.head] = sample[figure] ?? NaN;
    }
    this.head = (this.head + 1) % RING_SECONDS;
    this.length = Math.min(this.length + 1, RING_SECONDS);
  }

  private column(figure: Figure): Float64Array {
    return this.values.get(figure)!;
  }

  private unroll(source: Float64Array, count: number): number[] {
    const wanted = Math.min(count, this.length);
    const from = (this.head - wanted + RING_SECONDS) % RING_SECONDS;

    return Array.from({ length: wanted }, (_, i) => source[(from + i) % RING_SECONDS]!);
  }

  /** The last `count` seconds, oldest first. */
  last(figure: Figure, count: number = RING_SECONDS): number[] {
    return this.unroll(this.column(figure), count);
  }

  lastTimes(count: number = RING_SECONDS): number[] {
    return this.unroll(this.times, count);
  }

  latest(figure: Figure): number | null {
    const value = this.length ? this.column(figure)[(this.head - 1 + RING_SECONDS) % RING_SECONDS]! : NaN;

    return Number.isNaN(value) ? null : value;
  }
}
