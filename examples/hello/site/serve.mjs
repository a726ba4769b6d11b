// SPDX-License-Identifier: Apache-2.0
//
// usage: node serve.mjs FOLDER     (PORT, HOST from the environment)
//
// Serves the files of one folder, with ETags. Small on purpose: it stands for any static server.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { readFile, realpath } from "node:fs/promises";
import { extname, join, sep } from "node:path";

const root = await realpath(process.argv[2] ?? "public");
const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };

/** The file that a path names, or null; never one outside of the folder, also not through a link. */
async function find(pathname) {
  const wanted = join(root, decodeURIComponent(pathname), pathname.endsWith("/") ? "index.html" : "");

  try {
    const path = await realpath(wanted);
    return path.startsWith(root + sep) ? { path, body: await readFile(path) } : null;
  } catch {
    return null;
  }
}

async function handle(req, res) {
  const { pathname } = new URL(req.url, "http://site");
  const file = req.method === "GET" || req.method === "HEAD" ? await find(pathname) : null;
  if (!file) {
    res.writeHead(404, { "Content-Type": "text/plain; charset=utf-8" });
    return res.end("There is no such file.\n");
  }
  const etag = `"${createHash("sha256").update(file.body).digest("hex").slice(0, 16)}"`;
  const type = TYPES[extname(file.path)] ?? "application/octet-stream";
  const headers = { "Content-Type": `${type}; charset=utf-8`, ETag: etag, "Cache-Control": "no-cache" };

  console.log(`${req.method} ${pathname}`);
  if (req.headers["if-none-match"] === etag) {
    res.writeHead(304, headers);
    return res.end();
  }
  res.writeHead(200, { ...headers, "Content-Length": file.body.length });
  return res.end(req.method === "HEAD" ? undefined : file.body);
}

const server = createServer((req, res) => {
  handle(req, res).catch((error) => {
    console.error(error.message);
    res.writeHead(400).end();
  });
});

server.keepAliveTimeout = 75_000;
server.listen(Number(process.env.PORT ?? "3001"), process.env.HOST ?? "127.0.0.1", () => console.log(`serving ${root}`));
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
