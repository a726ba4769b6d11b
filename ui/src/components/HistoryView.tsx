// SPDX-License-Identifier: Apache-2.0
//
// Lines found in the stored history: at most some thousands, in the same rows as the live log.
import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { integer } from "../lib/format";
import type { LogLine } from "../store/types";
import { LogRow } from "./LogRow";
import { ROW } from "./VirtualLog";

const WINDOW = 80;

export function HistoryView({ lines, needle }: { lines: readonly LogLine[]; needle: string }): JSX.Element {
  const top = useSignal(0);
  const space = useRef<HTMLDivElement>(null);
  const first = Math.max(0, Math.floor(top.value / ROW) - 12);

  useEffect(() => {
    space.current!.style.height = `${lines.length * ROW}px`;
  }, [lines]);

  return (
    <div>
      <p class="dim" role="status">
        {t.value.logs.history(integer(lines.length))}
      </p>
      <div class="log">
        <div
          class="log-scroll"
          tabIndex={0}
          role="log"
          aria-live="off"
          aria-label={t.value.logs.list}
          onScroll={(event) => (top.value = event.currentTarget.scrollTop)}
        >
          <div class="log-space" ref={space}>
            {lines.slice(first, first + WINDOW).map((line, i) => (
              <LogRow
                key={first + i}
                line={{ ...line, seq: first + i }}
                top={(first + i) * ROW}
                needle={needle}
                chosen={false}
                onChoose={() => undefined}
              />
            ))}
          </div>
        </div>
      </div>
    </div>
  );
}
