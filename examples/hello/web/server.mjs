// SPDX-License-Identifier: Apache-2.0
//
// The web application of examples/hello. Counts visits and keeps a queue of jobs, both in Redis, so that
// its two replicas agree.
//
//   GET  /             a page that shows the counters as they change
//   GET  /api/counters {"visits", "queued", "done", "replica"}
//   POST /api/jobs     puts a job in the queue
//   GET  /events       the counters as server-sent events, one a second
//   GET  /healthz      200 while Redis answers, else 503 with the reason
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { fromEnvironment } from "../lib/redis.mjs";

const port = Number(process.env.PORT ?? "3000");
const replica = `${process.env.MUELLE_SERVICE ?? "web"}-${process.env.MUELLE_REPLICA ?? "1"}`;
const page = readFileSync(new URL("./page.html", import.meta.url), "utf8");
const redis = fromEnvironment();
const QUEUE_MAX = 1_000;

function send(res, status, body, type = "application/json") {
  const text = typeof body === "string" ? body : JSON.stringify(body);

  res.writeHead(status, { "Content-Type": `${type}; charset=utf-8`, "Cache-Control": "no-store" });
  res.end(text);
}

async function counters() {
  const [visits, queued, done] = await Promise.all([
    redis.call("GET", "visits"),
    redis.call("LLEN", "jobs"),
    redis.call("GET", "done"),
  ]);

  return { visits: Number(visits ?? 0), queued, done: Number(done ?? 0), replica };
}

async function addJob(res) {
  const queued = await redis.call("LPUSH", "jobs", JSON.stringify({ asked: Date.now(), by: replica }));

  // A queue that nobody empties must not fill the machine.
  if (queued > QUEUE_MAX) await redis.call("LTRIM", "jobs", 0, QUEUE_MAX - 1);
  console.log(`job queued, ${Math.min(queued, QUEUE_MAX)} wait`);
  send(res, 202, { queued: Math.min(queued, QUEUE_MAX) });
}

function stream(req, res) {
  res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  const tick = async () => {
    try {
      res.write(`data: ${JSON.stringify(await counters())}\n\n`);
    } catch (error) {
      res.write(`event: problem\ndata: ${JSON.stringify({ detail: error.message })}\n\n`);
    }
  };
  const timer = setInterval(tick, 1000);

  void tick();
  req.on("close", () => clearInterval(timer));
}

/** The reason in plain words: muelle shows it to whoever asks why this replica is unhealthy. */
async function health(res) {
  try {
    await redis.call("PING");
    send(res, 200, "ok\n", "text/plain");
  } catch (error) {
    send(res, 503, `${error.message}\n`, "text/plain");
  }
}

async function handle(req, res) {
  const { pathname } = new URL(req.url, "http://web");

  if (req.method === "GET" && pathname === "/healthz") {
    return health(res);
  }
  if (req.method === "GET" && pathname === "/") {
    const visits = await redis.call("INCR", "visits");
    console.log(`visit ${visits} from ${req.headers["x-forwarded-for"] ?? req.socket.remoteAddress}`);
    return send(res, 200, page, "text/html");
  }
  if (req.method === "GET" && pathname === "/api/counters") return send(res, 200, await counters());
  if (req.method === "POST" && pathname === "/api/jobs") return addJob(res);
  if (req.method === "GET" && pathname === "/events") return stream(req, res);
  return send(res, 404, { title: "Not found", detail: `nothing is served at ${pathname}` });
}

const server = createServer((req, res) => {
  handle(req, res).catch((error) => {
    console.error(`${req.method} ${req.url}: ${error.message}`);
    if (res.headersSent) res.end();
    else send(res, 503, { title: "Redis does not answer", detail: error.message });
  });
});

// Longer than the gateway keeps an idle connection, so that it never writes to one we just closed.
server.keepAliveTimeout = 75_000;
server.listen(port, process.env.HOST ?? "127.0.0.1", () => console.log(`${replica} serves on ${port}`));

process.on("SIGTERM", () => {
  console.log(`${replica} stops`);
  server.close(() => process.exit(0));
  server.closeIdleConnections();
  redis.close();
  // Event streams never end by themselves.
  setTimeout(() => server.closeAllConnections(), 500).unref();
});
