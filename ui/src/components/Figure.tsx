// SPDX-License-Identifier: Apache-2.0
//
// A number with its sparkline, as table cells use it.
import type { JSX } from "preact";
import type { Figure as Name } from "../lib/ring";
import { t } from "../i18n";
import { bytes, percent, perSecond } from "../lib/format";
import { ringOf, tick } from "../store/store";
import { Sparkline } from "./Sparkline";

type Shown = "cpu" | "memory" | "requests";

const FORMAT: Record<Shown, (value: number | null) => string> = { cpu: percent, memory: bytes, requests: perSecond };
const FLOOR: Record<Shown, number> = { cpu: 5, memory: 4e6, requests: 2 };

interface Props {
  of: string;
  figure: Name & Shown;
  /** What the object itself says, until the first sample comes. */
  fallback?: number | null | undefined;
  spark?: boolean;
}

export function Figure({ of, figure, fallback = null, spark = true }: Props): JSX.Element {
  tick.value;
  const text = FORMAT[figure](ringOf(of).latest(figure) ?? fallback);
  const label = figure === "cpu" ? t.value.figure.cpu : figure === "memory" ? t.value.figure.memory : t.value.figure.requests;

  return (
    <span class="with-spark">
      {spark && (
        <Sparkline of={of} figure={figure} label={label} text={text} floor={FLOOR[figure]} fromZero={figure !== "memory"} />
      )}
      <span class="value">{text}</span>
    </span>
  );
}
