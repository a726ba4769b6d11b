// SPDX-License-Identifier: Apache-2.0
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { Empty } from "../components/Empty";
import { EventList } from "../components/EventList";
import { t } from "../i18n";
import { integer } from "../lib/format";
import { query, setQuery } from "../lib/router";
import { events } from "../store/store";
import type { EventRow } from "../store/types";

const BAD = new Set(["warning", "error", "critical"]);
const PAGE = 200;

function matches(row: EventRow, needle: string, bad: boolean): boolean {
  if (bad && !BAD.has(row.severity)) return false;
  const text = `${row.kind} ${row.service ?? ""} ${row.message} ${row.actor ?? ""} ${row.cause ?? ""}`;

  return text.toLowerCase().includes(needle);
}

export function EventsPage(): JSX.Element {
  const words = t.value.events;
  const needle = query.value.get("q") ?? "";
  const bad = query.value.get("problems") === "1";
  const shown = useSignal(PAGE);
  const found = events.value.filter((row) => matches(row, needle.toLowerCase(), bad));

  return (
    <div>
      <h1>{words.title}</h1>
      <div class="toolbar" role="search">
        <input
          class="field"
          type="search"
          data-search
          placeholder={words.filter}
          aria-label={words.filter}
          value={needle}
          onInput={(event) => setQuery("q", event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
        />
        <button type="button" class="button" aria-pressed={bad} onClick={() => setQuery("problems", bad ? "" : "1")}>
          {words.onlyProblems}
        </button>
        <span class="dim end" role="status">
          {words.shown(integer(found.length), integer(events.value.length))}
        </span>
      </div>
      {events.value.length === 0 ? (
        <Empty title={words.none} hint={words.noneHint} command="muelle events" />
      ) : found.length === 0 ? (
        <p class="empty">{words.noMatch}</p>
      ) : (
        <EventList rows={found.slice(0, shown.value)} />
      )}
      {found.length > shown.value && (
        <button type="button" class="button" onClick={() => (shown.value += PAGE)}>
          {t.value.action.more}
        </button>
      )}
    </div>
  );
}
