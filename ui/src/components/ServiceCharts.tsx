// SPDX-License-Identifier: Apache-2.0
//
// Traffic, errors, latency, saturation of one service; its crashes and changes are marked in each chart.
import type { JSX } from "preact";
import { t } from "../i18n";
import { bytes, millis, percent, perSecond } from "../lib/format";
import { events, ringOf, tick } from "../store/store";
import type { Service } from "../store/types";
import { Chart } from "./Chart";
import type { PlotMark } from "./plot";

const BAD = new Set(["error", "critical"]);

/** What belongs on a time axis: starts, crashes, scaling, applied configurations; not every probe. */
export function marksOf(service: Service): PlotMark[] {
  return events
    .peek()
    .filter((row) => row.project === service.project && (row.service === service.name || !row.service))
    .filter((row) => BAD.has(row.severity) || /\.(starting|restart|scale|applied)$/.test(row.kind))
    .slice(0, 50)
    .map((row) => ({ time: Date.parse(row.time) / 1000, bad: BAD.has(row.severity) }));
}

interface Common {
  of: string;
  marks: () => PlotMark[];
}

/** What goes through the gateway; a service without routes has none of it. */
function Requests(common: Common): JSX.Element {
  const { figure } = t.value;

  return (
    <>
      <Chart
        {...common}
        title={figure.requests}
        series={[{ figure: "requests", label: figure.requests, color: "--accent", fill: "--accent-area" }]}
        format={perSecond}
        floor={2}
      />
      <Chart
        {...common}
        title={figure.errors}
        series={[{ figure: "errors", label: figure.errors, color: "--bad", fill: "--bad-soft" }]}
        format={perSecond}
        floor={1}
      />
      <Chart
        {...common}
        title={figure.latency}
        series={[
          { figure: "p50", label: figure.p50, color: "--accent" },
          { figure: "p99", label: figure.p99, color: "--ink-2", dash: [4, 3] },
        ]}
        format={millis}
        floor={1}
      />
    </>
  );
}

export function ServiceCharts({ of, service }: { of: string; service: Service }): JSX.Element {
  const { figure } = t.value;
  const marks = (): PlotMark[] => marksOf(service);
  const common = { of, marks };
  tick.value;
  if (ringOf(of).length < 2) return <p class="empty">{figure.collecting}</p>;

  const routed = !!service.urls?.length || ringOf(of).last("requests").some((rate) => rate > 0);

  return (
    <div class={`charts ${routed ? "" : "cost-only"}`}>
      {routed && <Requests {...common} />}
      <Chart
        {...common}
        title={figure.cpu}
        series={[{ figure: "cpu", label: figure.cpu, color: "--accent", fill: "--accent-area" }]}
        format={percent}
        floor={5}
      />
      <Chart
        {...common}
        title={figure.memory}
        series={[{ figure: "memory", label: figure.memory, color: "--accent", fill: "--accent-area" }]}
        format={bytes}
        floor={4e6}
      />
    </div>
  );
}
