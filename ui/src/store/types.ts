// SPDX-License-Identifier: Apache-2.0
//
// What the API answers (docs/architecture.md), as the dashboard reads it. Fields that an older or newer
// muelle may leave out are optional: a page must draw with what it has.

export type State =
  | "pending"
  | "starting"
  | "running"
  | "unhealthy"
  | "stopping"
  | "stopped"
  | "crashed"
  | "completed";

export interface Instance {
  id: string;
  version: string;
  state_dir?: string;
  run_dir?: string;
  started_at?: string;
  keeper?: { pid: number };
  core?: { pid: number };
  edge?: { pid: number; threads: number };
  projects: string[];
}

export interface Override {
  field: string;
  value: unknown;
  actor?: string;
  time?: string;
}

export type Dependency = string | { service: string; condition?: string };

export interface Service {
  name: string;
  project: string;
  tenant?: string;
  state: State;
  health: string | null;
  reason: string | null;
  /** `desired` is 0 while it is stopped; `configured` is what it comes back with. */
  replicas: { desired: number; configured?: number; running: number; ready: number };
  restarts: number;
  cpu_percent: number | null;
  memory_bytes: number | null;
  pids?: number;
  ports?: unknown[];
  urls?: string[];
  depends_on?: Dependency[];
  generation?: number;
  origin?: string;
  overrides?: Override[];
  started_at: string | null;
  spec?: unknown;
}

export interface Replica {
  project: string;
  service: string;
  replica: number | string;
  state: State;
  health: string | null;
  pid: number | null;
  port: number | null;
  restarts: number;
  started_at: string | null;
  exit?: unknown;
  retry_at?: string | null;
  reason?: string | null;
  cpu_percent?: number | null;
  memory_bytes?: number | null;
  probe?: { status?: number | string | null; body?: string | null; time?: string | null } | null;
}

export interface EventRow {
  seq: number;
  time: string;
  kind: string;
  severity: string;
  project?: string | null;
  service?: string | null;
  replica?: number | string | null;
  actor?: string | null;
  cause?: string | null;
  message: string;
  data?: unknown;
}

export interface Figures {
  cpu_percent?: number | null;
  memory_bytes?: number | null;
  requests_per_s?: number | null;
  errors_per_s?: number | null;
  p50_ms?: number | null;
  p99_ms?: number | null;
}

export interface Endpoint {
  replica: number | string;
  address: string;
  ready: boolean;
  weight?: number;
  requests?: number;
  errors?: number;
  in_flight?: number;
}

export interface Route {
  host: string | null;
  path: string | null;
  service: string;
  balance?: string;
  strip_prefix?: boolean | string | null;
  listen?: string;
  endpoints: Endpoint[];
}

export interface LogLine {
  time: string;
  project?: string;
  service: string;
  replica: number | string;
  stream: string;
  message: string;
  offset?: number;
}

/** RFC 9457, with muelle's own members. */
export interface Problem {
  title: string;
  status?: number;
  detail?: string;
  code?: string;
  hint?: string;
}

export const serviceKey = (project: string, name: string): string => `${project}/${name}`;

/** How many there should be, also of a service that is stopped: "0 of 2". */
export const replicasWanted = ({ replicas }: Service): number => replicas.desired || (replicas.configured ?? 0);

export const replicaKey = (project: string, service: string, replica: number | string): string =>
  `${project}/${service}/${replica}`;

/** "web-1". Log lines carry the whole name already, other rows only the number. */
export const replicaName = (service: string, replica: number | string): string =>
  typeof replica === "string" && replica.startsWith(service) ? replica : `${service}-${replica}`;

export const dependencyName = (dependency: Dependency): string =>
  typeof dependency === "string" ? dependency : dependency.service;
