// SPDX-License-Identifier: Apache-2.0
//
// The one event stream, and how its messages change the store. Messages are applied once per animation
// frame: a burst of a thousand changes costs one redraw.
import { batch } from "@preact/signals";
import { Follow, type FollowState } from "../lib/follow";
import type { SseMessage } from "../lib/sse";
import type { Figure } from "../lib/ring";
import { getAll } from "./api";
import * as store from "./store";
import { totalsBefore } from "./totals";
import { serviceKey, type EventRow, type Figures, type Instance, type Replica, type Service } from "./types";

/** Without a service: the whole project; without a replica (or with 0): the whole service. */
interface Removed {
  project: string;
  service?: string | null;
  replica?: number | string | null;
}
type Sampled = Figures & { project: string; service: string; replica?: number | string | null };
interface Metrics {
  time?: string;
  items: Sampled[];
}

type Column = Array<number | null>;
interface History {
  project: string;
  service: string;
  time: number[];
  cpu_percent: Column;
  memory_bytes: Column;
  requests_per_s: Column;
  errors_per_s: Column;
  p50_ms: Column;
  p99_ms: Column;
}

/** The first replay ends with a ping: what was not named until then is gone. */
let replay: Set<string> | null = null;

function endReplay(): void {
  if (replay) {
    store.keepOnly(replay);
    totalsBefore([...replay]);
    store.tick.value += 1;
  }
  replay = null;
}

const sample = (from: Figures): Partial<Record<Figure, number | null | undefined>> => ({
  cpu: from.cpu_percent,
  memory: from.memory_bytes,
  requests: from.requests_per_s,
  errors: from.errors_per_s,
  p50: from.p50_ms,
  p99: from.p99_ms,
});

function applyMetrics(metrics: Metrics): void {
  const time = (metrics.time ? Date.parse(metrics.time) : Date.now()) / 1000;

  for (const row of metrics.items) {
    const key = serviceKey(row.project, row.service);
    store.ringOf(row.replica ? `${key}/${row.replica}` : key).push(time, sample(row));
  }
  store.tick.value += 1;
}

/** What was measured before this page was opened, so that no chart begins empty. */
function applyHistory(history: History): void {
  const ring = store.ringOf(serviceKey(history.project, history.service));

  history.time.forEach((time, i) =>
    ring.push(time, {
      cpu: history.cpu_percent[i],
      memory: history.memory_bytes[i],
      requests: history.requests_per_s[i],
      errors: history.errors_per_s[i],
      p50: history.p50_ms[i],
      p99: history.p99_ms[i],
    }),
  );
}

const handlers: Record<string, (data: never) => void> = {
  hello: (data: Instance) => {
    store.instance.value = data;
    replay = new Set();
    void loadEvents();
  },
  service: (data: Service) => {
    replay?.add(serviceKey(data.project, data.name));
    store.putService(data);
  },
  replica: (data: Replica) => store.putReplica(data),
  removed: (data: Removed) => {
    const key = data.service ? serviceKey(data.project, data.service) : "";
    if (data.replica) store.removeReplica(key, data.replica);
    else if (key) store.removeService(key);
    else store.removeProject(data.project);
  },
  event: (data: EventRow) => store.putEvent(data),
  history: (data: History) => applyHistory(data),
  metrics: (data: Metrics) => {
    endReplay();
    applyMetrics(data);
  },
  ping: () => endReplay(),
};

let queue: SseMessage[] = [];
let scheduled = false;

function drain(): void {
  const messages = queue;

  queue = [];
  scheduled = false;
  batch(() => {
    store.heardAt.value = Date.now();
    for (const message of messages) {
      try {
        handlers[message.event]?.(JSON.parse(message.data || "null") as never);
      } catch (error) {
        console.warn("stream: message not understood", message.event, error);
      }
    }
  });
}

/** A hidden tab gets no animation frames, but must still empty its queue. */
function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  if (document.hidden) setTimeout(drain, 250);
  else requestAnimationFrame(drain);
}

function onState(state: FollowState, at: number): void {
  store.link.value = state;
  store.retryAt.value = at;
}

let eventsLoaded = false;

/** What happened before this page was opened; the stream only tells what happens from now on. */
async function loadEvents(): Promise<void> {
  if (eventsLoaded) return;
  eventsLoaded = true;
  try {
    const rows = await getAll<EventRow>("/api/v1/events?tail=1000", store.EVENTS_MAX);
    store.mergeEvents(rows);
  } catch {
    eventsLoaded = false;
  }
}

let follow: Follow | null = null;

export function openStream(): void {
  follow?.close();
  follow = new Follow({
    url: () => "/api/v1/stream",
    onState,
    onMessage: (message) => {
      queue.push(message);
      schedule();
    },
  });
  window.addEventListener("online", () => follow?.retry());
}

export function retryStream(): void {
  follow?.retry();
}
