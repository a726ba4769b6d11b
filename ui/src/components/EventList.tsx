// SPDX-License-Identifier: Apache-2.0
//
// Events as sentences: when, how bad, what, who or what caused it.
import type { JSX } from "preact";
import { t } from "../i18n";
import { said } from "../i18n/said";
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

/** Causes that the message tells already. */
const TOLD = new Set(["supervision", "down", "output", "logs", "keeper lost", "edge lost"]);

/** What muelle does by itself needs no "by muelle because of supervision"; a person's action names the person. */
function whoText(row: EventRow): string {
  const { actor, cause } = row;
  const { events } = t.value;
  const quiet = !cause || TOLD.has(cause) || cause.startsWith("api:");

  // Messages of actions name the person themselves.
  const by = actor && actor !== "muelle" && !row.message.includes(actor) && events.by(actor);

  return [by, !quiet && events.cause(cause)].filter(Boolean).join(", ");
}

function Row({ row, withService }: { row: EventRow; withService: boolean }): JSX.Element {
  const { events } = t.value;
  const severity = (row.severity in MARKS ? row.severity : "info") as Severity;
  // Most messages are sentences that begin with the name; the others get it before them.
  const where = row.service && row.replica ? replicaName(row.service, row.replica) : row.service;
  const named = !!where && row.message.startsWith(`${where} `);
  const text = said(named ? row.message.slice(where.length + 1) : row.message);

  return (
    <li data-seq={row.seq} data-severity={severity}>
      <span class="when dim">
        <Ago at={row.time} />
      </span>
      <Mark shape={MARKS[severity]} label={events.severity[severity]} />
      <span class="what">
        {(named || (withService && !row.message.includes(row.service ?? ""))) && where && (
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
        {text} <span class="who">{whoText(row)}</span>
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
