// SPDX-License-Identifier: Apache-2.0
//
// The npm library `ws` as a service (`node ws_peer.cjs server`, on PORT; by TLS with CERT and KEY) and as a client
// (`node ws_peer.cjs client URL`, 127.0.0.1 whatever host it names), which says "ok NAME" of all that it saw.
const assert = require("node:assert/strict");
const { randomBytes } = require("node:crypto");
const { readFileSync } = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const { once } = require("node:events");
const WebSocket = require("ws");

const MIB = 1 << 20;

function serve() {
  const { CERT, KEY, PORT } = process.env;
  const server = CERT ? https.createServer({ cert: readFileSync(CERT), key: readFileSync(KEY) }) : http.createServer((_, answer) => answer.end("ok"));
  const closes = new Map();
  const does = {
    close: (ws, code, reason) => ws.close(Number(code), reason),
    cut: (ws) => ws.terminate(),
    ping: (ws, what) => (ws.once("pong", (data) => ws.send(`pong ${data}`)), ws.ping(what)),
    flood: (ws, mib) => {
      for (let i = 0; i < Number(mib); i += 1) ws.send(Buffer.alloc(MIB, i));
    },
    closed: (ws, name) => ws.send(JSON.stringify(closes.get(name) ?? null)),
  };
  const options = { server, perMessageDeflate: { threshold: 0 }, maxPayload: 4 * MIB, handleProtocols: (offered) => (offered.has("second") ? "second" : false) };
  new WebSocket.Server(options).on("connection", (ws, request) => {
    ws.on("error", () => undefined);
    ws.on("close", (code, reason) => closes.set(request.url, [code, String(reason)]));
    ws.on("message", (data, binary) => {
      const [verb, ...rest] = binary ? [] : String(data).split(" ");
      if (does[verb]) does[verb](ws, ...rest);
      else ws.send(data, { binary });
    });
  });
  server.listen(Number(PORT), "127.0.0.1");
}

const url = new URL(process.argv[3] ?? "ws://none");
const common = { host: url.hostname, lookup: (_, options, done) => (options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4)) };

async function open(path = "", protocols = [], options = {}) {
  const ws = new WebSocket(new URL(path, url), protocols, { ...common, ...options });
  ws.queue = [];
  ws.on("message", (data, binary) => (ws.queue.push(binary ? data : String(data)), ws.emit("queued")));
  ws.on("error", (error) => (ws.failure = error));
  await once(ws, "open");
  ws.next = async () => {
    if (ws.queue.length === 0) await once(ws, "queued");
    return ws.queue.shift();
  };
  return ws;
}

/** What the service heard of the end of the connection with that path. */
async function heard(path) {
  const ws = await open("ask");
  for (;;) {
    ws.send(`closed ${new URL(path, url).pathname}`);
    const said = JSON.parse(await ws.next());
    if (said) {
      ws.close();
      return said;
    }
    await new Promise((done) => setTimeout(done, 20));
  }
}

const tests = {
  async messages() {
    for (const perMessageDeflate of [false, true]) {
      const ws = await open("", [], { perMessageDeflate });
      assert.equal(ws.extensions !== "", perMessageDeflate);
      for (const message of ["", "ñandú €", "x".repeat(MIB), randomBytes(MIB), Buffer.alloc(70_000), Buffer.alloc(0)]) {
        ws.send(message);
        assert.deepEqual(await ws.next(), message);
      }
      ws.close();
    }
  },
  async fragments() {
    const ws = await open();
    ws.send("one ", { fin: false });
    ws.ping("between");
    ws.send("two ", { fin: false });
    ws.send("three", { fin: true });
    assert.equal(await ws.next(), "one two three");
    ws.close();
  },
  async pings() {
    const ws = await open();
    ws.ping("from the client");
    assert.equal(String((await once(ws, "pong"))[0]), "from the client");
    ws.send("ping me");
    assert.equal(await ws.next(), "pong me");
    ws.close();
  },
  async codes() {
    for (const code of [1000, 1001, 1008, 1011, 3000, 4999]) {
      let ws = await open(`mine${code}`);
      ws.close(code, "from the client");
      assert.equal((await once(ws, "close"))[0], code);
      assert.deepEqual(await heard(`mine${code}`), [code, "from the client"]);
      ws = await open();
      ws.send(`close ${code} from-the-service`);
      const [seen, reason] = await once(ws, "close");
      assert.deepEqual([seen, String(reason)], [code, "from-the-service"]);
    }
    const ws = await open("none");
    ws.close();
    assert.equal((await once(ws, "close"))[0], 1005);
    assert.equal((await heard("none"))[0], 1005);
  },
  async cuts() {
    let ws = await open("cut");
    ws.terminate();
    const [code] = await heard("cut");
    assert.ok([1001, 1006].includes(code), code); // 1001: the gateway reads the frames, and makes up for it
    ws = await open();
    ws.send("cut");
    const [seen] = await once(ws, "close");
    assert.ok([1014, 1006].includes(seen), seen);
  },
  async limits() {
    const ws = await open();
    ws.send(Buffer.alloc(4 * MIB + 1));
    assert.equal((await once(ws, "close"))[0], 1009);
  },
  async protocols() {
    const ws = await open("", ["first", "second"]);
    assert.equal(ws.protocol, "second");
    ws.close();
  },
  async many() {
    const all = await Promise.all(Array.from({ length: 200 }, (_, i) => open(`many${i}`)));
    await Promise.all(all.map(async (ws, i) => (ws.send(`I am ${i}`), assert.equal(await ws.next(), `I am ${i}`))));
    all.forEach((ws) => ws.close());
    await Promise.all(all.map((ws) => once(ws, "close")));
  },
  async pauses() {
    const ws = await open("", [], { perMessageDeflate: false });
    ws.send("flood 64");
    ws.pause();
    await new Promise((done) => setTimeout(done, 500));
    ws.resume();
    for (let i = 0; i < 64; i += 1) {
      const data = await ws.next();
      assert.ok(data.length === MIB && data[0] === i && data[MIB - 1] === i);
    }
    ws.close();
  },
};

async function ask() {
  for (const [name, test] of Object.entries(tests)) {
    await test();
    console.log(`ok ${name}`);
  }
}

if (process.argv[2] === "server") serve();
else ask().catch((error) => (console.error(error), process.exit(1)));
