// SPDX-License-Identifier: Apache-2.0
//
// Times as people say them, with the exact one on hover. They age by the one clock of the page.
import type { JSX } from "preact";
import { ago, duration, exact } from "../lib/format";
import { now } from "../store/store";

type Props = { at: string | null | undefined };

const parse = (at: string | null | undefined): number => (at ? Date.parse(at) : NaN);

/** "4 minutes ago" */
export function Ago({ at }: Props): JSX.Element {
  const time = parse(at);
  if (Number.isNaN(time)) return <span class="dim">–</span>;

  return (
    <time dateTime={at!} title={exact(time)}>
      {ago(time, now.value)}
    </time>
  );
}

/** "3 h 20 min": how long it has lasted. */
export function Since({ at }: Props): JSX.Element {
  const time = parse(at);
  if (Number.isNaN(time)) return <span class="dim">–</span>;

  return (
    <time dateTime={at!} title={exact(time)}>
      {duration(now.value - time)}
    </time>
  );
}
