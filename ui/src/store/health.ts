// SPDX-License-Identifier: Apache-2.0
//
// "Is it all right?" in one sentence: how many are in which state, and the worst one's reason.
import { computed } from "@preact/signals";
import type { Messages } from "../i18n/en";
import { said } from "../i18n/said";
import { clockShort } from "../lib/format";
import { allServices, events, known } from "./store";
import type { Service, State } from "./types";

export type Tone = "good" | "busy" | "warn" | "bad" | "idle";
type Group = keyof Messages["health"]["count"];

const GROUP: Record<State, Group> = {
  running: "running",
  completed: "completed",
  pending: "starting",
  starting: "starting",
  unhealthy: "degraded",
  stopping: "stopped",
  stopped: "stopped",
  crashed: "crashed",
};

/** In the order in which a sentence names them; the later, the worse. */
const ORDER: Group[] = ["running", "completed", "stopped", "starting", "degraded", "crashed"];

/** A service that runs with too few ready replicas is degraded, whatever its state says. */
export function groupOf(service: Service): Group {
  const group = GROUP[service.state] ?? "starting";
  const { desired, ready } = service.replicas;

  return group === "running" && ready < desired ? "degraded" : group;
}

export interface Health {
  tone: Tone;
  counts: Partial<Record<Group, number>>;
  total: number;
  worst: Service | null;
}

export function healthOf(services: readonly Service[]): Health {
  const counts: Partial<Record<Group, number>> = {};
  let worst: Service | null = null;

  for (const service of services) {
    const group = groupOf(service);
    counts[group] = (counts[group] ?? 0) + 1;
    const rank = ORDER.indexOf(group);
    if (rank >= ORDER.indexOf("degraded") && (!worst || rank > ORDER.indexOf(groupOf(worst)))) worst = service;
  }
  const tone: Tone = counts.crashed
    ? "bad"
    : counts.degraded
      ? "warn"
      : counts.starting
        ? "busy"
        : services.length
          ? "good"
          : "idle";
  return { tone, counts, total: services.length, worst };
}

/** `since`: when the worst service went wrong, as a clock shows it; empty when nobody knows. */
export function sentence(health: Health, t: Messages, since = ""): string {
  const { counts, total, worst } = health;

  if (total === 0) return t.health.none;
  if ((counts.running ?? 0) === total) return t.health.allRunning(total);
  const parts = ORDER.filter((group) => counts[group]).map((group) => t.health.count[group](counts[group]!));
  const text = parts.join(", ");
  if (!worst) return `${text}.`;
  return `${text}: ${worstText(worst, t, since)}.`;
}

/** Verbs follow the name as they are; anything else stands in brackets behind it. */
const VERB = /^(exited|killed|stopped|ended) /;

/** The last line that a program wrote stands in its row and in its event: a headline has room for the reason. */
function worstText(worst: Service, t: Messages, since: string): string {
  const { ready, desired } = worst.replicas;
  const reason = (worst.reason ?? "").replace(/, last line: .*$/s, "").replace(/\.$/, "");
  const state = worst.state === "running" ? t.table.ready(ready, desired) : t.state[worst.state];
  const why = VERB.test(reason)
    ? t.health.because(worst.name, said(reason))
    : reason || worst.state !== "unhealthy"
      ? t.health.bracket(worst.name, said(reason) || state)
      : t.health.because(worst.name, t.health.failingProbe);

  return since ? `${why} ${t.health.since(since)}` : why;
}

export const health = computed<Health>(() => healthOf(allServices.value));
const BAD = new Set(["warning", "error", "critical"]);

/** The newest event that says something is wrong with the worst service dates it. */
const worstSince = computed<number | null>(() => {
  const worst = health.value.worst;
  const row = worst && events.value.find((one) => one.service === worst.name && BAD.has(one.severity));

  return row ? Date.parse(row.time) : null;
});

export function healthSentence(t: Messages): string {
  if (!known.value) return t.health.loading;
  return sentence(health.value, t, worstSince.value === null ? "" : clockShort(worstSince.value));
}
