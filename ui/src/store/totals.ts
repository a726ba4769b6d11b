// SPDX-License-Identifier: Apache-2.0
//
// The figures of the whole project. Sums are made here, once per sample; p99 is the slowest service's, because
// percentiles cannot be added.
import { effect } from "@preact/signals";
import { FIGURES, type Figure } from "../lib/ring";
import { ringOf, serviceKeys, tick } from "./store";

/** The ring of the sum; no service's key can be empty. */
export const TOTAL = "";

export type Sums = Partial<Record<Figure, number | null>>;

/** Adds what one service says of a moment; unknown is not zero. */
export function addTo(sums: Sums, figure: Figure, value: number | null | undefined): void {
  if (value === null || value === undefined || Number.isNaN(value)) return;
  const before = sums[figure];
  sums[figure] = before === null || before === undefined ? value : /^p\d/.test(figure) ? Math.max(before, value) : before + value;
}

/** What was measured before the page was opened: services are sampled together, so their times are the same. */
export function totalsBefore(keys: readonly string[]): void {
  const moments = new Map<number, Sums>();

  for (const key of keys) {
    const ring = ringOf(key);
    const times = ring.lastTimes();
    for (const figure of FIGURES) {
      const values = ring.last(figure);
      times.forEach((time, i) => {
        const second = Math.round(time);
        const sums = moments.get(second) ?? {};
        moments.set(second, sums);
        addTo(sums, figure, values[i]);
      });
    }
  }
  const total = ringOf(TOTAL);
  for (const second of [...moments.keys()].sort((a, b) => a - b)) total.push(second, moments.get(second)!);
}

/** Started once, with the page: the sum has a history wherever the person is. */
export function installTotals(): void {
  effect(() => {
    if (tick.value === 0) return;
    const sums: Sums = {};
    let newest = 0;
    for (const key of serviceKeys.peek()) {
      const ring = ringOf(key);
      newest = Math.max(newest, ring.lastTimes(1)[0] ?? 0);
      for (const figure of FIGURES) addTo(sums, figure, ring.latest(figure));
    }
    if (newest > 0) ringOf(TOTAL).push(newest, sums);
  });
}
