// SPDX-License-Identifier: Apache-2.0
//
// A state as shape, colour and word: never colour alone.
import type { JSX } from "preact";
import { t } from "../i18n";
import type { State } from "../store/types";

type Shape = State | "good" | "busy" | "warn" | "bad" | "idle" | "note";

const SHAPES: Record<State, JSX.Element> = {
  // full disc: it runs
  running: <circle cx="6" cy="6" r="5" fill="currentColor" />,
  // disc with a tick: it did what it had to
  completed: (
    <path d="M6 1a5 5 0 1 1 0 10A5 5 0 0 1 6 1zm2.6 3-3.2 3.2L3.6 5.5l-1 1 2.8 2.7 4.2-4.2z" fill="currentColor" />
  ),
  // dashed ring: waits for others
  pending: <circle cx="6" cy="6" r="4.2" fill="none" stroke="currentColor" stroke-width="1.6" stroke-dasharray="2 1.6" />,
  // half disc: on its way up
  starting: (
    <g>
      <circle cx="6" cy="6" r="4.2" fill="none" stroke="currentColor" stroke-width="1.6" />
      <path d="M6 1.8a4.2 4.2 0 0 1 0 8.4z" fill="currentColor" />
    </g>
  ),
  // triangle: runs, but its probe fails
  unhealthy: <path d="M6 .8 11.6 11H.4z" fill="currentColor" />,
  // ring with a bar: on its way down
  stopping: (
    <g>
      <circle cx="6" cy="6" r="4.2" fill="none" stroke="currentColor" stroke-width="1.6" />
      <path d="M4 6h4" stroke="currentColor" stroke-width="1.8" />
    </g>
  ),
  // hollow square: off
  stopped: <rect x="1.8" y="1.8" width="8.4" height="8.4" rx="1" fill="none" stroke="currentColor" stroke-width="1.6" />,
  // full diamond with a cross cut out: it died
  crashed: (
    <path
      d="M6 0l6 6-6 6-6-6zM4.4 3.5l-.9.9L5.1 6 3.5 7.6l.9.9L6 6.9l1.6 1.6.9-.9L6.9 6l1.6-1.6-.9-.9L6 5.1z"
      fill="currentColor"
    />
  ),
};

const TONES: Record<State, string> = {
  running: "good",
  completed: "good",
  pending: "busy",
  starting: "busy",
  unhealthy: "busy",
  stopping: "busy",
  stopped: "idle",
  crashed: "bad",
};

/** Something that happened and is no state: a small dot. */
const NOTE = <circle cx="6" cy="6" r="2" fill="currentColor" />;

const AS_STATE: Record<"good" | "busy" | "warn" | "bad" | "idle", State> = {
  good: "running",
  busy: "starting",
  warn: "unhealthy",
  bad: "crashed",
  idle: "stopped",
};

const stateOf = (shape: Shape): State => (shape in AS_STATE ? AS_STATE[shape as "good"] : (shape as State));

/** The shape alone; whoever uses it has the word beside it or says it for screen readers. */
export function Mark({ shape, label }: { shape: Shape; label?: string }): JSX.Element {
  const state = stateOf(shape);

  return (
    <span
      class={`mark ${TONES[state] ?? "idle"}`}
      title={label}
      role={label ? "img" : undefined}
      aria-label={label}
      aria-hidden={label ? undefined : true}
    >
      <svg viewBox="0 0 12 12">{shape === "note" ? NOTE : (SHAPES[state] ?? SHAPES.pending)}</svg>
    </span>
  );
}

/** What is well has a coloured shape and a plain word: colour in words is kept for what needs a look. */
const QUIET: ReadonlySet<State> = new Set(["running", "completed", "stopped"]);

export function StateMark({ state }: { state: State }): JSX.Element {
  return (
    <span class={`state ${QUIET.has(state) ? "" : TONES[state]}`} data-state={state}>
      <Mark shape={state} />
      {t.value.state[state] ?? state}
    </span>
  );
}
