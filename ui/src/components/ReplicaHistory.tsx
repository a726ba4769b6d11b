// SPDX-License-Identifier: Apache-2.0
//
// One replica: what it is now, and every start, probe and end of it that is still known, newest first.
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { t } from "../i18n";
import { getAll } from "../store/api";
import { events, mergeEvents } from "../store/store";
import { replicaName, type EventRow, type Replica } from "../store/types";
import { Empty } from "./Empty";
import { EventList } from "./EventList";
import { Health } from "./Health";
import { Link } from "./Link";
import { Since } from "./Time";

const PAGE = 10;
/** The page holds the newest events of all; those of one service reach further back. */
const LOADED_MAX = 1_000;

/** In full what the row may have cut; on a phone also what it has no columns for. */
function Facts({ replica, why }: { replica: Replica; why: string }): JSX.Element {
  const { table } = t.value;

  return (
    <dl class="facts">
      <div class="phone-only">
        <dt>{table.up}</dt>
        <dd>{replica.pid === null ? "–" : <Since at={replica.started_at} />}</dd>
      </div>
      <div class="phone-only">
        <dt>{table.port}</dt>
        <dd class="mono">{replica.port ?? "–"}</dd>
      </div>
      <div class="phone-only">
        <dt>{table.health}</dt>
        <dd>
          <Health health={replica.health} state={replica.state} />
        </dd>
      </div>
      {why && (
        <div>
          <dt>{table.reason}</dt>
          <dd>{why}</dd>
        </div>
      )}
    </dl>
  );
}

export function ReplicaHistory({ replica, why }: { replica: Replica; why: string }): JSX.Element {
  const { project, service } = replica;
  const words = t.value.service;
  const shown = useSignal(PAGE);
  const name = replicaName(service, replica.replica);
  const logs = `/logs?${new URLSearchParams({ service, replica: String(replica.replica) })}`;

  useEffect(() => {
    const url = `/api/v1/events?${new URLSearchParams({ project, service, tail: String(LOADED_MAX) })}`;
    getAll<EventRow>(url, LOADED_MAX).then(mergeEvents, () => undefined);
  }, [project, service]);
  const rows = events.value.filter(
    (row) => row.project === project && row.service === service && String(row.replica ?? "") === String(replica.replica),
  );

  return (
    <div class="replica-history" role="region" aria-label={words.historyOf(name)}>
      <Facts replica={replica} why={why} />
      {rows.length ? (
        <EventList rows={rows.slice(0, shown.value)} withService={false} />
      ) : (
        <Empty hint={words.noEvents} />
      )}
      <p class="toolbar">
        {rows.length > shown.value && (
          <button type="button" class="button" onClick={() => (shown.value += PAGE * 5)}>
            {t.value.action.more}
          </button>
        )}
        <Link to={logs}>{words.logsOf(name)}</Link>
      </p>
    </div>
  );
}
