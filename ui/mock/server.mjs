// SPDX-License-Identifier: Apache-2.0
//
// usage: node mock/server.mjs [--port 7071] [--dist DIR] [--token T] [--empty]
//
// The API of docs/architecture.md over a made-up project (world.mjs), and the built dashboard with the
// same headers as the real server: what breaks the content policy here breaks there.
import { createServer } from "node:http";
import { readFileSync, statSync } from "node:fs";
import { dirname, extname, join, normalize, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { World } from "./world.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const flag = (name, otherwise) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : process.argv[at + 1];
};
const port = Number(flag("--port", process.env.PORT ?? "7071"));
const dist = resolve(flag("--dist", join(here, "../dist")));
const token = flag("--token", "");
const world = new World();
if (process.argv.includes("--empty")) world.services.clear(), (world.events = []), (world.logs = []);
else world.live();

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const HEADERS = {
  "Content-Security-Policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

function json(res, status, body) {
  const type = status >= 400 ? "application/problem+json" : "application/json";
  res.writeHead(status, { ...HEADERS, "Content-Type": type, "Cache-Control": "no-store" });
  res.end(JSON.stringify(body));
}

const problem = (res, status, title, detail, hint) => json(res, status, { type: "about:blank", title, status, detail, hint });
const list = (res, items) => json(res, 200, { items, next_cursor: null });

function asset(res, path) {
  const file = normalize(join(dist, path));
  const known = file.startsWith(dist) && statSync(file, { throwIfNoEntry: false })?.isFile();
  if (!known && extname(path)) return problem(res, 404, "Not found");
  const shown = known ? file : join(dist, "index.html");
  const immutable = shown.includes("/assets/");
  res.writeHead(200, { ...HEADERS, "Content-Type": TYPES[extname(shown)] ?? "application/octet-stream", "Cache-Control": immutable ? "public, max-age=31536000, immutable" : "no-cache" });
  res.end(readFileSync(shown));
}

function openSse(req, res) {
  res.writeHead(200, { ...HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  res.flushHeaders();
  const send = (event, data, id) => res.write(`${id ? `id: ${id}\n` : ""}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  const ping = setInterval(() => send("ping", {}), 10_000);
  req.on("close", () => clearInterval(ping));
  return send;
}

function stream(req, res) {
  const send = openSse(req, res);
  const last = Number(req.headers["last-event-id"] ?? "0");
  send("hello", world.instance());
  for (const [name, s] of world.services) {
    send("service", world.serviceView(name));
    for (const r of s.replicas) send("replica", world.replicaView(name, r));
  }
  for (const [name, s] of world.services) if (!s.shape.once) send("history", world.history(name));
  send("ping", {});
  if (last) for (const row of world.events.filter((e) => e.seq > last)) send("event", row, row.seq);
  world.on("message", send);
  req.on("close", () => world.off("message", send));
}

function logs(req, res, query) {
  const wanted = (line) =>
    (!query.get("service") || query.get("service").split(",").includes(line.service)) &&
    (!query.get("replica") || line.replica === `${line.service}-${query.get("replica")}`) &&
    (!query.get("q") || line.message.toLowerCase().includes(query.get("q").toLowerCase())) &&
    (!query.get("since") || line.time >= query.get("since")) &&
    (!query.get("until") || line.time < query.get("until"));
  const tail = world.logs.filter(wanted).slice(-Number(query.get("tail") ?? "1000") || undefined);
  if (!query.get("follow")) return list(res, tail);
  const send = openSse(req, res);
  tail.forEach((line) => send("log", line));
  const onLog = (line) => wanted(line) && send("log", line);
  world.on("log", onLog);
  req.on("close", () => world.off("log", onLog));
}

async function bodyOf(req) {
  let text = "";
  for await (const chunk of req) text += chunk;
  return text ? JSON.parse(text) : {};
}

async function session(req, res) {
  if (req.method === "DELETE") return json(res, 200, {});
  const { token: given } = await bodyOf(req);
  if (token && given !== token) return problem(res, 401, "Unauthorized", "the token is not this instance's");
  res.setHeader("Set-Cookie", `muelle_session=${given}; HttpOnly; SameSite=Strict; Path=/`);
  return json(res, 200, {});
}

async function api(req, res, path, query) {
  if (path === "session") return session(req, res);
  if (token && !(req.headers.cookie ?? "").includes(`muelle_session=${token}`)) return problem(res, 401, "Unauthorized", "no session", "open the link that muelle up prints");
  if (path === "instance") return json(res, 200, world.instance());
  if (path === "stream") return stream(req, res);
  if (path === "events") return list(res, world.events.filter((e) => e.seq > Number(query.get("after") ?? 0)));

  const [, project, rest = ""] = /^projects\/([^/]+)\/?(.*)$/.exec(path) ?? [];
  if (project !== world.project) return problem(res, 404, "Not found", `there is no project ${project}`);
  if (rest === "logs") return logs(req, res, query);
  if (rest === "routes") return list(res, world.routes());
  if (rest === "services") return list(res, [...world.services.keys()].map((name) => world.serviceView(name)));
  if (rest === "config") return json(res, 200, { name: project, gateway: { listen: ["http://:8080"], admin: "http://127.0.0.1:7070" }, services: Object.fromEntries([...world.services].map(([name, s]) => [name, world.specOf(s)])) });
  const [, name, verb] = /^services\/([^/]+)(?:\/(\w+))?$/.exec(rest) ?? [];
  if (!world.services.has(name)) return problem(res, 404, "Not found", `there is no service ${name}`);
  if (req.method === "GET") return json(res, 200, world.serviceView(name, true));
  if (name === "postgres" && verb === "scale") return problem(res, 409, "Conflict", "postgres holds a fixed port: it cannot have more than one replica.", "Remove its port from muelle.yaml first.");
  return json(res, 200, world.act(name, verb, await bodyOf(req)));
}

const server = createServer((req, res) => {
  const url = new URL(req.url, "http://mock");
  const handle = url.pathname.startsWith("/api/v1/") ? api(req, res, decodeURIComponent(url.pathname.slice(8)), url.searchParams) : asset(res, decodeURIComponent(url.pathname));
  Promise.resolve(handle).catch((error) => (res.headersSent ? res.end() : problem(res, 500, "Internal error", String(error))));
});
server.listen(port, "127.0.0.1", () => console.log(`mock: http://127.0.0.1:${server.address().port}/`));
