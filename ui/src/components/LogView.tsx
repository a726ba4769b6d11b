// SPDX-License-Identifier: Apache-2.0
//
// A live log: search, stream, pause, history. Used by the page of all logs and by each service's page.
import type { ComponentChildren, JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { t } from "../i18n";
import { integer } from "../lib/format";
import type { LogLine } from "../store/types";
import { copy } from "../store/actions";
import { setCurrentLog } from "../store/logcontrol";
import { LogFollow } from "../store/logs";
import { Empty } from "./Empty";
import { HistoryView } from "./HistoryView";
import { VirtualLog } from "./VirtualLog";

interface Props {
  projects: readonly string[];
  service: string;
  /** Only this one of its replicas. */
  replica?: string;
  search?: string;
  onSearch?: (text: string) => void;
  /** More controls, before the counter. */
  children?: ComponentChildren;
}

export function LogView({ projects, service, replica = "", search = "", onSearch, children }: Props): JSX.Element {
  const words = t.value.logs;
  const text = useSignal(search);
  const stream = useSignal("");
  const chosen = useSignal<number | null>(null);
  const found = useSignal<LogLine[] | null>(null);
  const log = useMemo(() => new LogFollow(projects, service, replica), [projects.join(), service, replica]);

  useEffect(() => {
    setCurrentLog(log);
    log.filter(text.peek(), stream.peek());
    chosen.value = null;
    return () => {
      setCurrentLog(null);
      log.close();
    };
  }, [log]);

  const filter = (needle: string, of: string): void => {
    text.value = needle;
    stream.value = of;
    found.value = null;
    log.filter(needle, of);
    onSearch?.(needle);
  };
  const searchHistory = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (text.value) found.value = await log.history(text.value).catch(() => []);
  };

  log.version.value;
  const { buffer } = log;
  const line = chosen.value === null ? undefined : buffer.lines[chosen.value - buffer.base];
  const held = integer(buffer.lines.length);
  const counter = buffer.filtered ? words.shown(integer(buffer.count), held) : words.lines(held);

  return (
    <div>
      <form class="toolbar" role="search" onSubmit={(event) => void searchHistory(event)}>
        <input
          class="field"
          type="search"
          data-search
          value={text.value}
          placeholder={words.search}
          aria-label={words.search}
          onInput={(event) => filter(event.currentTarget.value, stream.value)}
          onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
        />
        {children}
        <select
          class="field desk-only"
          aria-label={words.stream}
          value={stream.value}
          onChange={(event) => filter(text.value, event.currentTarget.value)}
        >
          <option value="">{words.allStreams}</option>
          <option value="stdout">stdout</option>
          <option value="stderr">stderr</option>
        </select>
        <button
          type="button"
          class="button"
          aria-pressed={log.paused.value}
          onClick={() => (log.paused.value ? log.resume() : log.pause())}
        >
          {log.paused.value ? words.resume : words.pause}
        </button>
        {text.value && !found.value && <button class="button bare">{words.searchAll}</button>}
        {found.value && (
          <button type="button" class="button bare" onClick={() => (found.value = null)}>
            {words.backToLive}
          </button>
        )}
        <span class="dim end" role="status">
          {log.state.value === "broken" ? words.broken : counter}
          {buffer.dropped > 0 && ` · ${words.dropped(integer(buffer.dropped))}`}
        </span>
      </form>
      {found.value ? (
        <HistoryView lines={found.value} needle={text.value.toLowerCase()} />
      ) : buffer.lines.length === 0 ? (
        <Empty
          title={log.state.value === "connecting" ? words.connecting : words.empty}
          hint={words.emptyHint}
          command={`muelle logs -f ${service}`.trim()}
        />
      ) : (
        <VirtualLog log={log} needle={text.value.toLowerCase()} chosen={chosen.value} onChoose={(seq) => (chosen.value = seq)} />
      )}
      {line && (
        <div class="log-detail">
          <pre>{line.message}</pre>
          <button type="button" class="button" onClick={() => void copy(line.message)}>
            {words.copyLine}
          </button>
        </div>
      )}
    </div>
  );
}
