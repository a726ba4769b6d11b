// SPDX-License-Identifier: Apache-2.0
//
// A word-sized chart of the last minute: shape, not scale; the number stands beside it. Own SVG, because
// forty canvases of a chart library cost more than forty paths.
import type { JSX } from "preact";
import { t } from "../i18n";
import type { Figure } from "../lib/ring";
import { ringOf, tick } from "../store/store";

const SECONDS = 60;
const WIDTH = 72;
const HEIGHT = 20;
const PAD = 2;

interface Props {
  of: string;
  figure: Figure;
  label: string;
  text: string;
  /** What counts as "nothing much": keeps noise of 0.1 % from looking like a storm. */
  floor: number;
  /** A baseline at zero (traffic, CPU), or at the lowest value (memory, which never is near zero). */
  fromZero?: boolean;
}

interface Drawn {
  line: string;
  area: string;
  /** Where the line ends now; null while there is no figure (no latency without requests). */
  dot: { x: number; y: number } | null;
}

export function draw(values: readonly number[], floor: number, fromZero: boolean): Drawn | null {
  const real = values.filter((value) => !Number.isNaN(value));
  if (real.length < 2) return null;
  const low = fromZero ? 0 : Math.min(...real);
  const high = Math.max(...real);
  // Without a zero to compare with, a tenth of the value is the least that counts as a change.
  const span = Math.max(high - low, floor, fromZero ? 0 : high / 10);
  const x = (i: number): number => WIDTH - PAD - ((values.length - 1 - i) * (WIDTH - 2 * PAD)) / (SECONDS - 1);
  const y = (value: number): number => HEIGHT - PAD - ((value - low) / span) * (HEIGHT - 2 * PAD);
  let line = "";
  let pen = false;
  values.forEach((value, i) => {
    if (Number.isNaN(value)) {
      pen = false;
      return;
    }
    line += `${pen ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = true;
  });
  const last = values.length - 1;
  const first = values.findIndex((value) => !Number.isNaN(value));
  return {
    line,
    area: line.lastIndexOf("M") > 0 ? "" : `${line}V${HEIGHT}H${x(first).toFixed(1)}Z`,
    dot: Number.isNaN(values[last]!) ? null : { x: x(last), y: y(values[last]!) },
  };
}

export function Sparkline({ of, figure, label, text, floor, fromZero = true }: Props): JSX.Element {
  tick.value; // redraw with every sample
  const drawn = draw(ringOf(of).last(figure, SECONDS), floor, fromZero);

  return (
    <svg
      class="spark"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={t.value.figure.sparkline(label, text)}
    >
      {drawn && (
        <g>
          <path class="area" d={drawn.area} />
          <path class="line" d={drawn.line} />
          {drawn.dot && <circle class="dot" cx={drawn.dot.x} cy={drawn.dot.y} r="1.75" />}
        </g>
      )}
    </svg>
  );
}
