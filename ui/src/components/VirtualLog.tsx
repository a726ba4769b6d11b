// SPDX-License-Identifier: Apache-2.0
//
// The list of log lines: only the rows on screen exist. All rows have one height, so line n is at n * ROW
// and scrolling 20,000 lines costs what scrolling 40 costs.
//
//   following: at the end, new lines push the view down; scrolling up lets go, scrolling to the end takes hold.
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import type { LogFollow } from "../store/logs";
import { LogRow } from "./LogRow";

/** --log-row in theme.css. */
export const ROW = 20;
const OVERSCAN = 12;
const NEAR_TOP = ROW * 4;

interface Props {
  log: LogFollow;
  needle: string;
  chosen: number | null;
  onChoose: (seq: number | null) => void;
}

export function VirtualLog({ log, needle, chosen, onChoose }: Props): JSX.Element {
  const scroller = useRef<HTMLDivElement>(null);
  const space = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(600);
  const following = useSignal(true);
  const before = useRef({ dropped: 0, base: 0 });
  const loading = useRef(false);
  log.version.value;
  const { buffer } = log;
  const count = buffer.count;

  // Rows dropped or added above: move by as much, so that what someone reads stays where it is.
  useLayoutEffect(() => {
    const view = scroller.current!;
    const moved = buffer.base - before.current.base;
    before.current = { dropped: buffer.dropped, base: buffer.base };
    // Set by hand, in this order: the space must have its new height before the view can scroll to it.
    view.parentElement!.style.setProperty("--log-lines", String(count));
    space.current!.style.height = `${count * ROW}px`;
    if (following.peek()) view.scrollTop = count * ROW;
    else if (moved !== 0 && !buffer.filtered) view.scrollTop -= moved * ROW;
    top.value = view.scrollTop;
  });

  useEffect(() => {
    const resize = new ResizeObserver(([entry]) => {
      height.value = entry!.contentRect.height;
      if (following.peek()) scroller.current!.scrollTop = scroller.current!.scrollHeight;
    });
    resize.observe(scroller.current!);
    return () => resize.disconnect();
  }, []);

  const onScroll = (): void => {
    const view = scroller.current;
    if (!view) return;
    top.value = view.scrollTop;
    following.value = view.scrollTop + view.clientHeight >= view.scrollHeight - ROW;
    if (view.scrollTop < NEAR_TOP && !following.value && !buffer.filtered && !log.atStart.value && !loading.current) {
      loading.current = true;
      void log.older().catch(() => undefined).finally(() => (loading.current = false));
    }
  };
  const jump = (): void => {
    following.value = true;
    scroller.current!.scrollTop = scroller.current!.scrollHeight;
  };

  const first = Math.max(0, Math.floor(top.value / ROW) - OVERSCAN);
  const last = Math.min(count, Math.ceil((top.value + height.value) / ROW) + OVERSCAN);
  // A row that leaves gives its elements to the one that comes: scrolling changes texts, it makes nothing.
  const slots = Math.ceil(height.value / ROW) + 2 * OVERSCAN + 2;
  const rows: JSX.Element[] = [];
  for (let i = first; i < last; i += 1) {
    const line = buffer.at(i);
    if (line) rows.push(<LogRow key={i % slots} line={line} top={i * ROW} needle={needle} chosen={chosen === line.seq} onChoose={onChoose} />);
  }

  return (
    <div class="log">
      <div class="log-scroll" ref={scroller} onScroll={onScroll} tabIndex={0} role="log" aria-label={t.value.logs.list} aria-live="off">
        {log.atStart.value && <p class="log-note dim">{t.value.logs.start}</p>}
        {count === 0 && <p class="log-note dim">{t.value.logs.noMatch}</p>}
        <div class="log-space" ref={space}>
          {rows}
        </div>
      </div>
      {(!following.value || log.waiting.value > 0) && count > 0 && (
        <button type="button" class="button log-more" onClick={() => (log.paused.value ? log.resume() : jump())}>
          {log.waiting.value > 0 ? t.value.logs.newLines(log.waiting.value) : `${t.value.logs.follow} ↓`}
        </button>
      )}
    </div>
  );
}
