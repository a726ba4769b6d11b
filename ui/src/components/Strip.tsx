// SPDX-License-Identifier: Apache-2.0
//
// The five figures of the whole project, in one line. Sums are made here, once per sample; p99 is the
// slowest service's, because percentiles cannot be added.
import type { JSX } from "preact";
import { effect } from "@preact/signals";
import { t } from "../i18n";
import { bytes, millis, percent, perSecond } from "../lib/format";
import type { Figure } from "../lib/ring";
import { ringOf, serviceKeys, tick } from "../store/store";
import { Sparkline } from "./Sparkline";

/** The ring of the sum; no service's key can be empty. */
export const TOTAL = "";

type Totals = Record<Exclude<Figure, "p50">, number | null>;

function totals(keys: readonly string[]): Totals {
  const latest = (figure: Figure): number[] =>
    keys.map((key) => ringOf(key).latest(figure)).filter((value): value is number => value !== null);
  const sum = (values: number[]): number | null => (values.length ? values.reduce((a, b) => a + b, 0) : null);
  const slowest = latest("p99");

  return {
    requests: sum(latest("requests")),
    errors: sum(latest("errors")),
    p99: slowest.length ? Math.max(...slowest) : null,
    cpu: sum(latest("cpu")),
    memory: sum(latest("memory")),
  };
}

/** Started once, with the page: the sum has a history wherever the person is. */
export function installTotals(): void {
  effect(() => {
    if (tick.value > 0) ringOf(TOTAL).push(Date.now() / 1000, totals(serviceKeys.peek()));
  });
}

interface One {
  figure: keyof Totals;
  label: string;
  format: (value: number | null) => string;
  floor: number;
}

export function Strip(): JSX.Element {
  const { figure } = t.value;
  const all: One[] = [
    { figure: "requests", label: figure.requests, format: perSecond, floor: 2 },
    { figure: "errors", label: figure.errors, format: perSecond, floor: 1 },
    { figure: "p99", label: figure.latencyP99, format: millis, floor: 1 },
    { figure: "cpu", label: figure.cpu, format: percent, floor: 5 },
    { figure: "memory", label: figure.memory, format: bytes, floor: 4e6 },
  ];
  tick.value;

  return (
    <dl class="strip" aria-label={figure.total}>
      {all.map((one) => {
        const text = one.format(ringOf(TOTAL).latest(one.figure));
        return (
          <div key={one.figure}>
            <dt>{one.label}</dt>
            <dd>
              {text}
              <Sparkline of={TOTAL} figure={one.figure} label={one.label} text={text} floor={one.floor} fromZero={one.figure !== "memory"} />
            </dd>
          </div>
        );
      })}
    </dl>
  );
}
