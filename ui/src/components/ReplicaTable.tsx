// SPDX-License-Identifier: Apache-2.0
//
// The replicas of one service, each with what a person would ask about it at night: what did the last
// probe say, why did it end.
import { Fragment, type JSX } from "preact";
import { t } from "../i18n";
import { said } from "../i18n/said";
import { query, setQuery } from "../lib/router";
import { replicasOf } from "../store/store";
import type { Replica } from "../store/types";
import { Figure } from "./Figure";
import { Health } from "./Health";
import { ReplicaHistory } from "./ReplicaHistory";
import { StateMark } from "./StateMark";
import { Since } from "./Time";

function probeText({ probe }: Replica): string {
  if (!probe) return "";
  // The first line: a probe may answer a whole page.
  const body = probe.body?.trim().split("\n")[0];

  const said = [probe.status ?? "", body].filter(Boolean).join(" · ");
  return said && `${t.value.table.probe}: ${said}`;
}

function exitText({ exit }: Replica): string {
  if (exit === null || exit === undefined) return "";
  if (typeof exit === "object") {
    const { code, signal, reason } = exit as { code?: number; signal?: number | string; reason?: string };
    return reason ?? (signal ? `signal ${signal}` : code !== undefined ? `exit ${code}` : "");
  }
  return typeof exit === "number" ? `exit ${exit}` : String(exit);
}

/** The columns of the table: the row below one spans them all. */
const COLUMNS = 10;

const whyOf = (replica: Replica): string => said(replica.reason ?? "") || exitText(replica) || probeText(replica);

function Row({ replica, of, open }: { replica: Replica; of: string; open: boolean }): JSX.Element {
  const why = whyOf(replica);
  const name = `${replica.service}-${replica.replica}`;

  return (
    <tr data-replica={replica.replica} class={open ? "chosen" : ""}>
      <td>
        <StateMark state={replica.state} />
      </td>
      <td>
        <button
          type="button"
          class="opener mono"
          aria-expanded={open}
          title={t.value.service.historyOf(name)}
          onClick={() => setQuery("replica", open ? "" : String(replica.replica))}
        >
          {name}
        </button>
      </td>
      <td class="desk">
        <Health health={replica.health} state={replica.state} />
      </td>
      <td class="num mono">{replica.pid ?? "–"}</td>
      <td class="num mono desk">{replica.port ?? "–"}</td>
      <td class="num desk">
        <Figure of={`${of}/${replica.replica}`} figure="cpu" fallback={replica.cpu_percent} />
      </td>
      <td class="num desk">
        <Figure of={`${of}/${replica.replica}`} figure="memory" fallback={replica.memory_bytes} />
      </td>
      <td class="num">{replica.restarts}</td>
      <td class="num desk">{replica.pid === null ? "–" : <Since at={replica.started_at} />}</td>
      <td class="wide desk" title={why}>
        {why}
      </td>
    </tr>
  );
}

export function ReplicaTable({ of }: { of: string }): JSX.Element {
  const { table, service } = t.value;
  const replicas = [...replicasOf(of).value.values()].sort((a, b) => Number(a.replica) - Number(b.replica));
  // In the URL, so that one replica can be linked to.
  const open = query.value.get("replica") ?? "";
  if (replicas.length === 0) return <p class="empty">{service.noReplicas}</p>;

  return (
    <div class="scroller">
      <table class="table" aria-label={table.replicas}>
        <thead>
          <tr>
            <th scope="col">{table.state}</th>
            <th scope="col">{table.replica}</th>
            <th scope="col" class="desk">{table.health}</th>
            <th scope="col" class="num">{table.pid}</th>
            <th scope="col" class="num desk">{table.port}</th>
            <th scope="col" class="num desk">{table.cpu}</th>
            <th scope="col" class="num desk">{table.memory}</th>
            <th scope="col" class="num">{table.restarts}</th>
            <th scope="col" class="num desk">{table.up}</th>
            <th scope="col" class="desk">{table.reason}</th>
          </tr>
        </thead>
        <tbody>
          {replicas.map((replica) => (
            <Fragment key={replica.replica}>
              <Row replica={replica} of={of} open={open === String(replica.replica)} />
              {open === String(replica.replica) && (
                <tr class="below">
                  <td colSpan={COLUMNS}>
                    <ReplicaHistory replica={replica} why={whyOf(replica)} />
                  </td>
                </tr>
              )}
            </Fragment>
          ))}
        </tbody>
      </table>
    </div>
  );
}
