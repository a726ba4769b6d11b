// SPDX-License-Identifier: Apache-2.0
//
// What a person asked for and has not happened yet: from the press of the button until the stream says that it is
// done, that it went wrong, or for WORKING_MS. After that the state of the service speaks for itself.
import { effect, signal, untracked } from "@preact/signals";
import { now, replicasOf, serviceSignal } from "./store";
import type { Service } from "./types";
import type { Verb } from "./ui";

export interface Working {
  verb: Verb;
  replicas: number;
  since: number;
  /** The processes before; a restart is over when none of them is left. */
  pids: ReadonlySet<number>;
  /** The server has taken the order: before, what the stream says is about the time before it. */
  accepted: boolean;
}

const WORKING_MS = 60_000;
const all = signal<ReadonlyMap<string, Working>>(new Map());

const pidsOf = (key: string): number[] =>
  [...replicasOf(key).value.values()].map((replica) => replica.pid).filter((pid): pid is number => pid !== null);

function set(key: string, working: Working | null): void {
  const next = new Map(all.peek());

  if (working) next.set(key, working);
  else next.delete(key);
  all.value = next;
}

export function beginWork(key: string, verb: Verb, replicas: number): void {
  untracked(() => set(key, { verb, replicas, since: Date.now(), pids: new Set(pidsOf(key)), accepted: false }));
}

export function acceptWork(key: string): void {
  const working = all.peek().get(key);

  if (working) set(key, { ...working, accepted: true });
}

export const endWork = (key: string): void => set(key, null);

export const workingOn = (key: string): Working | null => all.value.get(key) ?? null;

/** True when the stream has said how it ended, well or not. */
export function isOver(working: Working, service: Service, pids: readonly number[]): boolean {
  const { desired, running, ready } = service.replicas;
  const up = service.state === "completed" || (desired > 0 && running === desired && ready === desired);

  switch (working.verb) {
    case "stop":
      return service.state === "stopped" && running === 0;
    case "scale":
      return desired === working.replicas && running === desired && ready === desired;
    case "restart":
      // "unhealthy" of the old process says nothing of the new one.
      return !pids.some((pid) => working.pids.has(pid)) && ((up && pids.length >= desired) || service.state === "crashed");
    case "start":
      return up || service.state === "crashed" || service.state === "unhealthy";
    default:
      return true;
  }
}

/** Started once, with the page. */
export function installWorking(): void {
  effect(() => {
    for (const [key, working] of all.value) {
      const service = serviceSignal(key)?.value;
      const late = now.value - working.since > WORKING_MS;
      if (!service || late || (working.accepted && isOver(working, service, pidsOf(key)))) endWork(key);
    }
  });
}
