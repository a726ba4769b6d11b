// SPDX-License-Identifier: Apache-2.0
//
// A small project that lives: traffic that breathes, a worker that crashes, logs that flow. It answers in
// the shapes of docs/architecture.md, so that the dashboard can be worked on without muelle.
import { EventEmitter } from "node:events";

const SHAPES = [
  { name: "redis", command: "redis-server --port $PORT", desired: 1, cpu: 0.4, memory: 9.6e6, rps: 0, depends: [] },
  { name: "postgres", command: "postgres -D data", desired: 1, cpu: 0.9, memory: 41e6, rps: 0, depends: [] },
  { name: "web", command: "node server.js", desired: 2, cpu: 6, memory: 58e6, rps: 42, depends: ["redis"], host: "hello.localhost" },
  { name: "checkout", command: "python3 checkout.py", desired: 3, cpu: 9, memory: 36e6, rps: 11, depends: ["postgres", "redis"], host: "hello.localhost", path: "/checkout" },
  { name: "site", command: "http-server public", desired: 1, cpu: 0.3, memory: 31e6, rps: 7, depends: [], host: "site.localhost" },
  { name: "worker", command: "node worker.js", desired: 1, cpu: 3, memory: 44e6, rps: 0, depends: ["redis"] },
  { name: "migrate", command: "node migrate.js", desired: 1, cpu: 0, memory: 0, rps: 0, depends: ["postgres"], once: true },
];
const PATHS = ["/", "/api/visits", "/api/cart", "/checkout", "/static/app.css", "/healthz"];
const LOGS_MAX = 30_000;

/** The same numbers at every run: screenshots and tests do not flicker. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export class World extends EventEmitter {
  constructor({ project = "hello", busy = 1 } = {}) {
    super();
    this.setMaxListeners(0);
    this.random = generator(7);
    this.project = project;
    this.busy = busy;
    this.startedAt = new Date(Date.now() - 4 * 3600e3 - 12 * 60e3).toISOString();
    this.sequence = 0;
    this.events = [];
    this.logs = [];
    this.offsets = new Map();
    this.pid = 41_200;
    this.services = new Map(SHAPES.map((shape) => [shape.name, this.makeService(shape)]));
    this.seed();
  }

  makeService(shape) {
    const service = { shape, state: shape.once ? "completed" : "running", restarts: 0, generation: 3, overrides: [], reason: null, level: 1 };
    service.replicas = Array.from({ length: shape.once ? 0 : shape.desired }, (_, i) => this.makeReplica(i + 1, shape));
    service.desired = shape.desired;
    return service;
  }

  makeReplica(number, shape) {
    const started = new Date(Date.now() - (shape.name === "worker" ? 9e5 : 15e6)).toISOString();
    return { replica: number, state: "running", health: shape.host ? "healthy" : null, pid: ++this.pid, port: 20_000 + (this.pid % 900), restarts: 0, started_at: started, exit: null, reason: null };
  }

  serviceView(name, single = false) {
    const s = this.services.get(name);
    const ready = s.replicas.filter((r) => r.state === "running").length;
    const view = {
      name, project: this.project, tenant: "default", state: s.state,
      health: s.shape.host ? (s.state === "unhealthy" ? "unhealthy" : "healthy") : null,
      reason: s.reason,
      replicas: { desired: s.state === "stopped" ? 0 : s.shape.once ? 1 : s.desired, configured: s.shape.once ? 1 : s.desired, running: s.replicas.length, ready: s.shape.once ? 1 : ready },
      restarts: s.restarts, cpu_percent: s.shape.cpu, memory_bytes: s.shape.memory * ready, pids: ready,
      ports: s.replicas.map((r) => r.port),
      urls: s.shape.host ? [`http://${s.shape.host}:8080${s.shape.path ?? "/"}`] : [],
      depends_on: s.shape.depends.map((service) => ({ service, condition: "service_healthy" })),
      generation: s.generation, origin: "file", overrides: s.overrides,
      started_at: s.replicas[0]?.started_at ?? null,
    };
    if (single) view.spec = this.specOf(s);
    return view;
  }

  specOf({ shape, desired }) {
    return {
      command: shape.command.split(" "), working_dir: `/srv/${this.project}/${shape.name}`,
      deploy: { replicas: desired, restart_policy: { condition: "any", delay: "100ms" } },
      environment: { NODE_ENV: "production", REDIS_URL: "********" },
      ...(shape.host ? { healthcheck: { http: "/healthz", interval: "2s", timeout: "1s", retries: 3 }, routes: [{ host: shape.host, path: shape.path ?? "/", balance: "round_robin" }] } : {}),
      depends_on: Object.fromEntries(shape.depends.map((d) => [d, { condition: "service_healthy" }])),
      stop_grace_period: "10s", stop_signal: "SIGTERM",
    };
  }

  replicaView(name, r) {
    const { shape } = this.services.get(name);
    return {
      project: this.project, service: name, ...r, cpu_percent: shape.cpu, memory_bytes: shape.memory,
      probe: shape.host ? { status: r.health === "unhealthy" ? 503 : 200, body: r.health === "unhealthy" ? "database: timeout" : "ok", time: new Date().toISOString() } : null,
    };
  }

  instance() {
    return {
      id: "0192f3a4c1de", version: "0.1.0", state_dir: "/srv/hello/.muelle", run_dir: "/run/muelle/0192f3a4c1de", started_at: this.startedAt,
      keeper: { pid: 41_001 }, core: { pid: 41_004 }, edge: { pid: 41_006, threads: 2 }, projects: [this.project],
    };
  }

  addEvent(kind, severity, message, more = {}, time = Date.now()) {
    const row = { seq: ++this.sequence, time: new Date(time).toISOString(), kind, severity, tenant: "default", project: this.project, service: null, replica: null, actor: null, cause: null, message, data: null, ...more };
    this.events.push(row);
    this.emit("message", "event", row, row.seq);
  }

  addLog(service, replica, stream, message, time = Date.now()) {
    const key = `${service}/${replica}/${stream}`;
    const offset = (this.offsets.get(key) ?? 0) + message.length + 1;
    this.offsets.set(key, offset);
    const line = { time: new Date(time).toISOString(), project: this.project, service, replica: `${service}-${replica}`, stream, message, offset };
    this.logs.push(line);
    if (this.logs.length > LOGS_MAX) this.logs.splice(0, 2_000);
    this.emit("log", line);
  }

  seed() {
    const now = Date.now();
    this.addEvent("project.applied", "info", "Project hello applied: 0 new, 1 restarted, 0 scaled, 0 updated, 0 removed, 6 unchanged", { actor: "ana", cause: "api: POST /api/v1/projects" }, now - 41e5);
    this.addEvent("replica.ready", "info", "web-1 is ready", { service: "web", replica: 1, actor: "muelle", cause: "supervision" }, now - 40.9e5);
    this.addEvent("replica.ready", "info", "web-2 is ready", { service: "web", replica: 2, actor: "muelle", cause: "supervision" }, now - 40.8e5);
    this.addEvent("service.scale", "info", "checkout scaled from 2 to 3", { service: "checkout", actor: "ana" }, now - 26e5);
    this.services.get("checkout").overrides = [{ field: "deploy.replicas", value: 3, actor: "ana", time: new Date(now - 26e5).toISOString() }];
    this.crash("worker", now - 9e5);
    const worker = this.services.get("worker");
    Object.assign(worker, { state: "running", reason: null });
    Object.assign(worker.replicas[0], { state: "running", exit: null, reason: null });
    this.addEvent("replica.starting", "info", "worker-1 starts", { service: "worker", replica: 1, actor: "muelle", cause: "supervision" }, now - 8.99e5);
    for (let i = 12_000; i > 0; i -= 1) this.someLog(now - i * 300);
  }

  someLog(time = Date.now()) {
    const r = this.random;
    const pick = (list) => list[Math.floor(r() * list.length)];
    const kind = r();
    if (kind < 0.55) {
      const status = r() < 0.03 ? 502 : r() < 0.08 ? 404 : 200;
      const where = pick(["web", "web", "checkout"]);
      const replica = 1 + Math.floor(r() * Math.max(1, this.services.get(where).replicas.length));
      this.addLog(where, replica, status === 502 ? "stderr" : "stdout", `${pick(["GET", "GET", "POST"])} ${pick(PATHS)} ${status} ${(r() * 40).toFixed(1)}ms request_id=${Math.floor(r() * 1e9).toString(16)}`, time);
    } else if (kind < 0.7) this.addLog("site", 1, "stdout", `127.0.0.1 "GET ${pick(PATHS)}" ${(r() * 3).toFixed(2)} ms`, time);
    else if (kind < 0.85) this.addLog("worker", 1, "stdout", `job ${Math.floor(r() * 9e5)} done in ${Math.floor(r() * 400)} ms`, time);
    else if (kind < 0.95) this.addLog("redis", 1, "stdout", `1:M * ${Math.floor(r() * 100)} changes in 60 seconds. Saving...`, time);
    else this.addLog("postgres", 1, "stderr", `LOG:  checkpoint complete: wrote ${Math.floor(r() * 90)} buffers (0.${Math.floor(r() * 9)}%)`, time);
  }

  publish(name) {
    this.emit("message", "service", this.serviceView(name));
    for (const r of this.services.get(name).replicas) this.emit("message", "replica", this.replicaView(name, r));
  }

  crash(name, time = Date.now()) {
    const s = this.services.get(name);
    const replica = s.replicas[0];
    if (!replica) return;
    this.addLog(name, replica.replica, "stderr", "Error: lost connection to queue", time);
    Object.assign(replica, { state: "crashed", restarts: replica.restarts + 1, exit: { code: 1 }, reason: "exited 1 after 14 min, last line: Error: lost connection to queue" });
    Object.assign(s, { state: "crashed", restarts: s.restarts + 1, reason: replica.reason });
    this.addEvent("replica.crashed", "error", `${name}-${replica.replica} ${replica.reason}`, { service: name, replica: replica.replica, actor: "muelle", cause: "supervision" }, time);
    this.publish(name);
  }

  recover(name, cause, actor = null) {
    const s = this.services.get(name);
    s.state = "running";
    s.reason = null;
    s.shape.once || (s.replicas = Array.from({ length: s.desired }, (_, i) => ({ ...(s.replicas[i] ?? this.makeReplica(i + 1, s.shape)), state: "running", health: s.shape.host ? "healthy" : null, pid: ++this.pid, started_at: new Date().toISOString(), exit: null, reason: null })));
    this.addEvent("replica.ready", "info", `${name}-1 is ready`, { service: name, replica: 1, cause, actor: actor ?? "muelle" });
    this.publish(name);
  }

  act(name, verb, body) {
    const s = this.services.get(name);
    const actor = "you";
    if (verb === "stop") {
      for (const r of s.replicas) this.emit("message", "removed", { project: this.project, service: name, replica: r.replica });
      Object.assign(s, { state: "stopped", replicas: [], reason: "stopped by you" });
      this.addEvent("service.stop", "info", `${name} is stopped`, { service: name, actor });
    } else if (verb === "scale") {
      const before = s.desired;
      for (const r of s.replicas.slice(body.replicas)) this.emit("message", "removed", { project: this.project, service: name, replica: r.replica });
      s.desired = body.replicas;
      s.replicas = Array.from({ length: s.desired }, (_, i) => s.replicas[i] ?? { ...this.makeReplica(i + 1, s.shape), started_at: new Date().toISOString() });
      s.overrides = s.desired === s.shape.desired && name !== "checkout" ? [] : [{ field: "deploy.replicas", value: s.desired, actor, time: new Date().toISOString() }];
      s.state = s.desired ? "running" : "stopped";
      this.addEvent("service.scale", "info", `${name} scaled from ${before} to ${s.desired}`, { service: name, actor });
    } else if (verb === "reset") {
      s.overrides = [];
      this.addEvent("service.reset", "info", `${name} follows its file again`, { service: name, actor });
    } else {
      s.state = "starting";
      this.addEvent(`service.${verb}`, "info", `${name}: ${verb} asked for`, { service: name, actor });
      setTimeout(() => this.recover(name, verb, actor), 700).unref();
    }
    this.publish(name);
    return this.serviceView(name);
  }

  figures(name, now) {
    const s = this.services.get(name);
    const alive = s.replicas.filter((r) => r.state === "running").length;
    const wave = 1 + 0.35 * Math.sin(now / 17e3 + name.length) + 0.25 * Math.sin(now / 4.3e3 + name.length * 2) + (this.random() - 0.5) * 0.3;
    const rate = alive ? s.shape.rps * wave * this.busy : 0;
    const errors = s.shape.rps && this.random() < 0.12 ? rate * 0.04 : 0;
    return {
      cpu_percent: alive ? Math.max(0, s.shape.cpu * wave) : 0,
      memory_bytes: alive * s.shape.memory * (1 + 0.04 * Math.sin(now / 60e3 + name.length)),
      requests_per_s: rate, errors_per_s: errors,
      p50_ms: rate ? 2.1 + wave : null, p99_ms: rate ? 9 + 14 * wave * (0.6 + this.random()) : null,
    };
  }

  metrics(now = Date.now()) {
    const items = [];
    for (const [name, s] of this.services) {
      if (s.shape.once) continue;
      const all = this.figures(name, now);
      items.push({ project: this.project, service: name, replica: 0, ...all });
      for (const r of s.replicas) {
        items.push({ project: this.project, service: name, replica: r.replica, cpu_percent: (all.cpu_percent / s.replicas.length) * (0.8 + 0.4 * this.random()), memory_bytes: all.memory_bytes / s.replicas.length });
      }
    }
    return { time: new Date(now).toISOString(), items };
  }

  /** The last minutes of one service, in columns: what charts begin with. */
  history(name, now = Date.now()) {
    const seconds = Array.from({ length: 300 }, (_, i) => Math.floor(now / 1000) - 300 + i);
    const rows = seconds.map((second) => this.figures(name, second * 1000));
    const column = (field) => rows.map((row) => row[field]);
    return {
      project: this.project, service: name, time: seconds,
      ...Object.fromEntries(["cpu_percent", "memory_bytes", "requests_per_s", "errors_per_s", "p50_ms", "p99_ms"].map((field) => [field, column(field)])),
    };
  }

  routes() {
    return [...this.services].filter(([, s]) => s.shape.host).map(([name, s]) => ({
      host: s.shape.host, path: s.shape.path ?? "/", service: name, balance: name === "checkout" ? "least_conn" : "round_robin", strip_prefix: null,
      endpoints: s.replicas.map((r) => ({ replica: r.replica, address: `127.0.0.1:${r.port}`, ready: r.state === "running", weight: 1, requests: 12_000 + r.port, errors: r.port % 7, in_flight: r.port % 3 })),
    }));
  }

  live() {
    const timers = [
      setInterval(() => this.emit("message", "metrics", this.metrics()), 1000),
      setInterval(() => this.someLog(), 120 / this.busy),
      setInterval(() => {
        if (this.services.get("worker").state !== "running") return;
        this.crash("worker");
        setTimeout(() => this.services.get("worker").state === "crashed" && this.recover("worker", "supervision"), 6000).unref();
      }, 40_000),
    ];
    timers.forEach((timer) => timer.unref());
  }
}
