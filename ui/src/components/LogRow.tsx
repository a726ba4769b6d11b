// SPDX-License-Identifier: Apache-2.0
//
// One line of a log. Placed by transform-free absolute position: set on the element, never as a style
// attribute (the page's policy allows none).
import type { JSX } from "preact";
import { memo } from "./memo";
import { logTime } from "../lib/format";
import type { ShownLine } from "../lib/logbuffer";
import { replicaName } from "../store/types";

interface Props {
  line: ShownLine;
  top: number;
  needle: string;
  chosen: boolean;
  onChoose: (seq: number | null) => void;
}

/** The message in pieces, with what was searched for marked. */
export function marked(text: string, needle: string): (string | JSX.Element)[] {
  if (!needle) return [text];
  const low = text.toLowerCase();
  const parts: (string | JSX.Element)[] = [];
  let at = 0;
  for (let hit = low.indexOf(needle); hit >= 0; hit = low.indexOf(needle, at)) {
    parts.push(text.slice(at, hit), <mark>{text.slice(hit, hit + needle.length)}</mark>);
    at = hit + needle.length;
  }
  return [...parts, text.slice(at)];
}

/** "sys" is what muelle itself has to say in between. */
const STREAMS: Record<string, string> = { stdout: "out", stderr: "err", system: "sys" };

/** A line of a megabyte would stall the page; the whole of it is in the detail below and in `muelle logs`. */
const SHOWN_MAX = 2_000;

export const LogRow = memo(function LogRow({ line, top, needle, chosen, onChoose }: Props): JSX.Element {
  const error = line.stream === "stderr";

  return (
    <div class={`log-row ${chosen ? "chosen" : ""}`} style={{ top: `${top}px` }} onClick={() => onChoose(chosen ? null : line.seq)}>
      <span class="when">{logTime(line.time)}</span>
      <span class="from">{replicaName(line.service, line.replica)}</span>
      <span class={`stream ${error ? "err" : ""}`}>{STREAMS[line.stream] ?? line.stream}</span>
      <span class="message">{marked(line.message.slice(0, SHOWN_MAX), needle)}</span>
    </div>
  );
});
