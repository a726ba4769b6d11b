// SPDX-License-Identifier: Apache-2.0
//
// The five figures of the whole project, in one line.
import type { JSX } from "preact";
import { t } from "../i18n";
import { bytes, millis, percent, perSecond } from "../lib/format";
import type { Figure } from "../lib/ring";
import { ringOf, tick } from "../store/store";
import { TOTAL } from "../store/totals";
import { Sparkline } from "./Sparkline";

interface One {
  figure: Exclude<Figure, "p50">;
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
