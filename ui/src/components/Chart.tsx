// SPDX-License-Identifier: Apache-2.0
//
// One chart over the last ten minutes of a ring. The caption holds the value under the cursor, else the
// newest, so that the chart can be read without a mouse.
import type { JSX } from "preact";
import { effect, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type uPlot from "uplot";
import { t } from "../i18n";
import { clock, clockShort } from "../lib/format";
import { dark, lang } from "../lib/prefs";
import type { Figure } from "../lib/ring";
import { ringOf, tick } from "../store/store";
import type { PlotMark, SeriesLook } from "./plot";

export interface ChartSeries extends SeriesLook {
  figure: Figure;
}

interface Props {
  of: string;
  title: string;
  series: ChartSeries[];
  format: (value: number | null) => string;
  floor: number;
  marks: () => PlotMark[];
}

/** Gaps are null for uPlot. */
const holes = (values: number[]): (number | null)[] => values.map((value) => (Number.isNaN(value) ? null : value));

function dataOf({ of, series }: Props): uPlot.AlignedData {
  const ring = ringOf(of);

  return [ring.lastTimes(), ...series.map((one) => holes(ring.last(one.figure)))] as uPlot.AlignedData;
}

/** While someone has zoomed in (drag; a double click goes back), the window stands still. */
function isZoomed(plot: uPlot): boolean {
  const times = plot.data[0];
  const { min, max } = plot.scales["x"]!;
  if (times.length < 2 || min === undefined || max === undefined) return false;

  return min > times[0]! + 0.5 || max < times[times.length - 1]! - 0.5;
}

export function Chart(props: Props): JSX.Element {
  const target = useRef<HTMLDivElement>(null);
  const cursor = useSignal<number | null>(null);
  const { of, title, series, format } = props;

  useEffect(() => {
    let plot: uPlot | null = null;
    let stop = (): void => {};
    let gone = false;
    const resize = new ResizeObserver(() => plot?.setSize({ width: target.current!.clientWidth, height: plot.height }));
    const build = async (): Promise<void> => {
      const { makePlot } = await import("./plot");
      if (gone) return;
      stop = effect(() => {
        // A new theme or language needs new axes; a new sample only new data (the effect below).
        dark.value;
        lang.value;
        plot?.destroy();
        plot = makePlot(target.current!, {
          ...props,
          format: (value) => format(value).replace(/[.,]0+(?=\D)/, ""),
          clock: (seconds, fine) => (fine ? clock : clockShort)(seconds * 1000),
          onCursor: (index) => (cursor.value = index),
        });
        plot.setData(dataOf(props));
      });
      resize.observe(target.current!);
    };
    void build();
    const feed = effect(() => {
      tick.value;
      if (plot) plot.setData(dataOf(props), !isZoomed(plot));
    });
    return () => {
      gone = true;
      feed();
      stop();
      resize.disconnect();
      plot?.destroy();
    };
  }, [of]);

  tick.value;
  const ring = ringOf(of);
  const at = (figure: Figure): number | null => {
    const value = cursor.value === null ? ring.latest(figure) : (ring.last(figure)[cursor.value] ?? NaN);
    return value === null || Number.isNaN(value) ? null : value;
  };

  return (
    <figure class="chart">
      <figcaption>
        {title}
        {series.map((one) => (
          <span key={one.figure} class="value">
            {series.length > 1 && <span class="dim">{one.label} </span>}
            {format(at(one.figure))}
          </span>
        ))}
      </figcaption>
      <div class="plot" ref={target} role="img" aria-label={t.value.figure.chart(title)} />
    </figure>
  );
}
