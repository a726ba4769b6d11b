// SPDX-License-Identifier: Apache-2.0
//
// uPlot, in our colours. A module of its own, so that the library is loaded when the first chart is drawn.
// Canvas cannot use custom properties: colours are read from the page and read again when the theme turns.
import uPlot from "uplot";

export interface SeriesLook {
  label: string;
  color: string;
  dash?: number[];
  fill?: string;
}

export interface PlotMark {
  time: number;
  bad: boolean;
}

export interface PlotOptions {
  series: SeriesLook[];
  format: (value: number) => string;
  /** `fine`: the ticks are less than a minute apart. */
  clock: (seconds: number, fine: boolean) => string;
  /** The axis never shows less than this, so that noise does not look like news. */
  floor: number;
  marks: () => PlotMark[];
  onCursor: (index: number | null) => void;
}

const HEIGHT = 132;

/** The value of a custom property, as CSS resolves it now. */
export const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Starts, restarts and crashes as vertical lines: what changed when the curve did. */
function drawMarks(plot: uPlot, marks: PlotMark[]): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;

  const drawn = new Set<string>();

  ctx.save();
  for (const mark of marks) {
    const x = Math.round(plot.valToPos(mark.time, "x", true));
    // Three replicas that start together are one line.
    const place = `${Math.round(x / (4 * ratio))} ${mark.bad}`;
    if (x < bbox.left || x > bbox.left + bbox.width || drawn.has(place)) continue;
    drawn.add(place);
    ctx.strokeStyle = ctx.fillStyle = css(mark.bad ? "--bad" : "--ink-3");
    ctx.lineWidth = ratio;
    ctx.setLineDash(mark.bad ? [] : [3 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (mark.bad) ctx.fillRect(x - 3 * ratio, bbox.top, 6 * ratio, 6 * ratio);
  }
  ctx.restore();
}

/** A label in the last 30 px would be cut by the edge. */
const fits = (plot: uPlot, time: number): boolean => plot.valToPos(time, "x") < plot.bbox.width / devicePixelRatio - 30;

export function makePlot(target: HTMLElement, options: PlotOptions): uPlot {
  const font = `11px ${css("--mono")}`;
  const axis = { stroke: css("--ink-3"), font, ticks: { show: false }, grid: { stroke: css("--line"), width: 1 } };

  return new uPlot(
    {
      width: Math.max(target.clientWidth, 100),
      height: HEIGHT,
      legend: { show: false },
      padding: [8, 4, 0, 0],
      cursor: { sync: { key: "muelle" }, drag: { x: true, y: false }, points: { size: 6 }, y: false },
      scales: { y: { range: (_, __, max) => [0, Math.max(max ?? 0, options.floor) * 1.08] } },
      axes: [
        { ...axis, grid: { show: false }, size: 24, space: 80, values: (plot, times, _, __, step) => times.map((time) => (fits(plot, time) ? options.clock(time, step < 60) : "")) },
        { ...axis, size: 56, space: 32, values: (_, values) => values.map(options.format) },
      ],
      series: [
        {},
        ...options.series.map((look) => ({
          label: look.label,
          stroke: css(look.color),
          width: 1.5,
          ...(look.dash ? { dash: look.dash } : {}),
          ...(look.fill ? { fill: css(look.fill) } : {}),
          points: { show: false },
          spanGaps: false,
        })),
      ],
      hooks: {
        drawAxes: [(plot) => drawMarks(plot, options.marks())],
        setCursor: [(plot) => options.onCursor(plot.cursor.idx ?? null)],
      },
    },
    [[], ...options.series.map(() => [])],
    target,
  );
}
