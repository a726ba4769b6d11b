// SPDX-License-Identifier: Apache-2.0
//
// The one store: what the event stream said last. Components read signals; only stream.ts writes here.
//
// Invariants:
//   1. Nothing here is fetched by a timer; everything arrives by the stream or by a person's action.
//   2. A signal changes only when its object did: a row redraws alone.
//   3. Every collection has a maximum.
import { computed, signal, type Signal } from "@preact/signals";
import { Ring } from "../lib/ring";
import { dependencyName, serviceKey, type EventRow, type Instance, type Replica, type Service } from "./types";

export type Link = "connecting" | "live" | "waiting" | "denied";

export const EVENTS_MAX = 5_000;

export const link = signal<Link>("connecting");
export const retryAt = signal(0);
/** When the last byte of the stream arrived: what is shown is as old as this. */
export const heardAt = signal(0);
export const now = signal(Date.now());

export const instance = signal<Instance | null>(null);
export const events = signal<EventRow[]>([]);
/** Grows by one with each sample of figures; whoever draws a ring reads it. */
export const tick = signal(0);

const serviceSignals = new Map<string, Signal<Service>>();
const serviceNames = signal<readonly string[]>([]);
const replicaSignals = new Map<string, Signal<ReadonlyMap<string, Replica>>>();
const rings = new Map<string, Ring>();

/** True once the stream has said what there is: before, an empty list means "not known yet". */
export const known = computed(() => instance.value !== null);

/** The page shows old data: dim it and say how old. Not while the very first connection is being made. */
export const stale = computed(
  () => link.value === "waiting" || (link.value === "connecting" && heardAt.value > 0),
);

export function putService(service: Service): void {
  const key = serviceKey(service.project, service.name);
  const existing = serviceSignals.get(key);

  if (existing) {
    existing.value = service;
    return;
  }
  serviceSignals.set(key, signal(service));
  serviceNames.value = [...serviceNames.value, key];
}

export function removeService(key: string): void {
  serviceSignals.delete(key);
  replicaSignals.delete(key);
  for (const name of rings.keys()) {
    if (name === key || name.startsWith(key + "/")) rings.delete(name);
  }
  serviceNames.value = serviceNames.value.filter((name) => name !== key);
}

export function removeProject(project: string): void {
  const about = instance.peek();

  for (const key of serviceNames.peek()) {
    if (key.startsWith(`${project}/`)) removeService(key);
  }
  if (about) instance.value = { ...about, projects: about.projects.filter((name) => name !== project) };
}

export function replicasOf(key: string): Signal<ReadonlyMap<string, Replica>> {
  let found = replicaSignals.get(key);

  if (!found) {
    found = signal<ReadonlyMap<string, Replica>>(new Map());
    replicaSignals.set(key, found);
  }
  return found;
}

export function putReplica(replica: Replica): void {
  const of = replicasOf(serviceKey(replica.project, replica.service));

  of.value = new Map(of.value).set(String(replica.replica), replica);
}

export function removeReplica(key: string, replica: number | string): void {
  const of = replicasOf(key);
  const rest = new Map(of.value);

  rest.delete(String(replica));
  rings.delete(`${key}/${replica}`);
  of.value = rest;
}

/** Newest first. Events come back after a reconnect (Last-Event-ID) and from the history: each is kept once. */
export function mergeEvents(rows: EventRow[]): void {
  const bySeq = new Map(events.peek().map((row) => [row.seq, row]));

  for (const row of rows) bySeq.set(row.seq, row);
  events.value = [...bySeq.values()].sort((a, b) => b.seq - a.seq).slice(0, EVENTS_MAX);
}

export function putEvent(row: EventRow): void {
  const newest = events.peek()[0];

  // The common case without the sort: the next in sequence.
  if (!newest || row.seq > newest.seq) events.value = [row, ...events.peek()].slice(0, EVENTS_MAX);
  else mergeEvents([row]);
}

export function ringOf(key: string): Ring {
  let ring = rings.get(key);

  if (!ring) {
    ring = new Ring();
    rings.set(key, ring);
  }
  return ring;
}

/** Forgets what a new stream will say again: services that went away while we were not listening. */
export function keepOnly(seen: ReadonlySet<string>): void {
  for (const key of serviceNames.peek()) {
    if (!seen.has(key)) removeService(key);
  }
}

export function serviceSignal(key: string): Signal<Service> | null {
  // Read the names too, so that a page for a service that comes later wakes up.
  return serviceNames.value.includes(key) ? (serviceSignals.get(key) ?? null) : null;
}

/** Distance from what nothing depends on: dependencies stand above what needs them. */
function depths(all: ReadonlyMap<string, Service>): Map<string, number> {
  const depth = new Map<string, number>();
  const visit = (key: string, path: ReadonlySet<string>): number => {
    const service = all.get(key);
    const cached = depth.get(key);
    if (!service || path.has(key)) return -1;
    if (cached !== undefined) return cached;
    const inner = new Set(path).add(key);
    const below = (service.depends_on ?? []).map((d) => visit(serviceKey(service.project, dependencyName(d)), inner));
    const own = Math.max(-1, ...below) + 1;
    depth.set(key, own);
    return own;
  };
  for (const key of all.keys()) visit(key, new Set());
  return depth;
}

/** Keys by project, then dependency, then name. Recomputed when a service comes, goes or is redescribed. */
export const serviceKeys = computed<readonly string[]>(() => {
  const all = new Map(serviceNames.value.map((key) => [key, serviceSignals.get(key)!.value]));
  const depth = depths(all);
  const order = (a: string, b: string): number => {
    const [left, right] = [all.get(a)!, all.get(b)!];
    return (
      left.project.localeCompare(right.project) ||
      depth.get(a)! - depth.get(b)! ||
      left.name.localeCompare(right.name)
    );
  };
  const sorted = [...all.keys()].sort(order);
  const before = lastOrder;
  // The same array for the same order: lists that read this do not redraw at every change of state.
  lastOrder = before.length === sorted.length && before.every((key, i) => key === sorted[i]) ? before : sorted;
  return lastOrder;
});
let lastOrder: readonly string[] = [];

export const allServices = computed<Service[]>(() => serviceKeys.value.map((key) => serviceSignals.get(key)!.value));

export const projects = computed<string[]>(() => {
  const named = new Set(instance.value?.projects ?? []);
  for (const service of allServices.value) named.add(service.project);
  return [...named];
});
