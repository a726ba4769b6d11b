// SPDX-License-Identifier: Apache-2.0
//
// Takes jobs from the queue in Redis, one at a time, and invents one itself when there is none. After about
// CRASH_AFTER_JOBS jobs (0: never) it dies, on purpose: so that restarts, back-off and exit reasons can be seen.
import { setTimeout as sleep } from "node:timers/promises";
import { fromEnvironment } from "../lib/redis.mjs";

const redis = fromEnvironment();
const limit = Number(process.env.CRASH_AFTER_JOBS ?? "60");
// Not at the same job each time: real crashes are not that polite.
const last = limit > 0 ? Math.ceil(limit * (0.5 + Math.random())) : Infinity;
let running = true;
let done = 0;

process.on("SIGTERM", () => {
  console.log(`worker stops after ${done} jobs`);
  running = false;
});

async function work(job) {
  const started = Date.now();

  await sleep(20 + Math.random() * 180);
  const total = await redis.call("INCR", "done");
  const waited = job ? `, waited ${started - job.asked} ms` : "";
  console.log(`job ${total} done in ${Date.now() - started} ms${waited}`);
}

async function next() {
  const text = await redis.call("RPOP", "jobs");
  return text ? JSON.parse(text) : null;
}

console.log(`worker starts; it will ${last === Infinity ? "not crash" : `crash after ${last} jobs`}`);
await sleep(100);
while (running) {
  let job;
  try {
    job = await next();
    await work(job);
  } catch (error) {
    // Redis restarts too; a worker that dies with it would only add noise.
    console.error(`waiting for redis: ${error.message}`);
    await sleep(500);
    continue;
  }
  done += 1;
  if (done >= last) {
    console.error(`worker: lost the will to work after ${done} jobs (on purpose)`);
    process.exit(1);
  }
  if (!job) await sleep(800);
}
redis.close();
