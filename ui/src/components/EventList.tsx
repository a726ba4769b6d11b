// SPDX-License-Identifier: Apache-2.0
//
// Events as sentences: when, how bad, what, who or what caused it.
import type { JSX } from "preact";
import { t } from "../i18n";
import { servicePath } from "../lib/router";
import { replicaName, type EventRow } from "../store/types";
import { Link } from "./Link";
import { Mark } from "./StateMark";
import { Ago } from "./Time";

type Severity = "info" | "notice" | "warning" | "error" | "critical";

const MARKS: Record<Severity, "note" | "unhealthy" | "bad"> = {
  info: "note",
  notice: "note",
  warning: "unhealthy",
  error: "bad",
  critical: "bad",
};

function Row({ row, withService }: { row: EventRow; withService: boolean }): JSX.Element {
  const { events } = t.value;
  const severity = (row.severity in MARKS ? row.severity : "info") as Severity;
  const where = row.service && row.replica ? replicaName(row.service, row.replica) : row.service;
  const who = [row.actor && events.by(row.actor), row.cause && events.cause(row.cause)].filter(Boolean).join(", ");

  return (
    <li data-seq={row.seq} data-severity={severity}>
      <span class="when dim">
        <Ago at={row.time} />
      </span>
      <Mark shape={MARKS[severity]} label={events.severity[severity]} />
      <span class="what">
        {withService && where && (
          <b>
            {row.project && row.service ? (
              <Link to={servicePath(row.project, row.service)} class="plain">
                {where}
              </Link>
            ) : (
              where
            )}{" "}
          </b>
        )}
        {row.message} {who && <span class="who">{who}</span>}
      </span>
      <span class="kind">{row.kind}</span>
    </li>
  );
}

export function EventList({ rows, withService = true }: { rows: readonly EventRow[]; withService?: boolean }): JSX.Element {
  return (
    <ol class="events">
      {rows.map((row) => (
        <Row key={row.seq} row={row} withService={withService} />
      ))}
    </ol>
  );
}
