// SPDX-License-Identifier: Apache-2.0
import test from "node:test";
import assert from "node:assert/strict";
import { keepOnly, now, putReplica, putService, ringOf } from "../src/store/store";
import { TOTAL, totalsBefore } from "../src/store/totals";
import { replicasWanted, type Replica, type Service, type State } from "../src/store/types";
import { acceptWork, beginWork, installWorking, isOver, workingOn, type Working } from "../src/store/working";

const service = (state: State, desired: number, running = desired, ready = running): Service => ({
  name: "web", project: "p", state, health: null, reason: null, replicas: { desired, configured: 2, running, ready },
  restarts: 0, cpu_percent: null, memory_bytes: null, started_at: null,
});
const replica = (number: number, pid: number | null): Replica => ({
  project: "p", service: "web", replica: number, state: "running", health: null, pid, port: null, restarts: 0, started_at: null,
});
const work = (verb: Working["verb"], replicas = 2): Working => ({ verb, replicas, since: 0, pids: new Set([1, 2]), accepted: true });

test("a stopped service says how many it comes back with", () => {
  assert.equal(replicasWanted(service("stopped", 0)), 2);
  assert.equal(replicasWanted(service("running", 3)), 3);
});

test("a start is over when all are ready, or when it went wrong", () => {
  assert.ok(!isOver(work("start"), service("stopped", 0), []));
  assert.ok(!isOver(work("start"), service("starting", 2, 2, 1), [3, 4]));
  for (const state of ["running", "crashed", "unhealthy", "completed"] as const) assert.ok(isOver(work("start"), service(state, 2), [3, 4]), state);
});

test("a restart is over when no process of before is left and the new ones are ready", () => {
  assert.ok(!isOver(work("restart"), service("running", 2), [1, 2]));
  assert.ok(!isOver(work("restart"), service("running", 2), [3, 2]));
  assert.ok(!isOver(work("restart"), service("running", 2), [3]), "the second has no process yet");
  assert.ok(isOver(work("restart"), service("running", 2), [3, 4]));
  assert.ok(isOver(work("restart"), service("crashed", 2, 0), []));
});

test("a stop and a scaling are over when there are as many as asked for", () => {
  assert.ok(!isOver(work("stop"), service("stopping", 0, 1), [1]));
  assert.ok(isOver(work("stop"), service("stopped", 0), []));
  assert.ok(!isOver(work("scale", 3), service("running", 2), [1, 2]));
  assert.ok(!isOver(work("scale", 3), service("running", 3, 3, 2), [1, 2, 3]));
  assert.ok(isOver(work("scale", 3), service("running", 3), [1, 2, 3]));
});

test("what is under way waits for the answer, follows the stream, and ends after a minute at the latest", () => {
  installWorking();
  putService(service("running", 1));
  putReplica(replica(1, 7));
  beginWork("p/web", "stop", 0);
  putService(service("stopped", 0));
  assert.ok(workingOn("p/web"), "the order is not taken yet: this state is an old one");
  acceptWork("p/web");
  assert.equal(workingOn("p/web"), null);
  beginWork("p/web", "start", 1);
  acceptWork("p/web");
  assert.equal(workingOn("p/web")?.verb, "start");
  now.value = Date.now() + 61_000;
  assert.equal(workingOn("p/web"), null);
  now.value = Date.now();
  beginWork("p/web", "start", 1);
  keepOnly(new Set());
  assert.equal(workingOn("p/web"), null, "a service that is gone");
});

test("the sums of the project begin with what was measured before; unknown is not zero", () => {
  for (const [key, cpu] of [["p/a", 1], ["p/b", 2]] as const) {
    for (let time = 10; time < 13; time += 1) ringOf(key).push(time, { cpu: time === 11 ? null : cpu, p99: cpu * time });
  }
  totalsBefore(["p/a", "p/b"]);
  assert.deepEqual(ringOf(TOTAL).lastTimes(), [10, 11, 12]);
  assert.deepEqual(ringOf(TOTAL).last("cpu"), [3, NaN, 3]);
  assert.deepEqual(ringOf(TOTAL).last("p99"), [20, 22, 24]);
  assert.deepEqual(ringOf(TOTAL).last("memory"), [NaN, NaN, NaN]);
});
