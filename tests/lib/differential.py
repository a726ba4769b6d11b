# SPDX-License-Identifier: Apache-2.0
"""Generated requests through the edge to real servers: none may see another request than the edge did.

Behind the edge stands nginx, HAProxy, Apache, Node's http or Python's http.server. The first three pass on what they
understood to a recorder, the others tell it themselves; so each says what it saw after its own parser, and that is held
against the edge's access records: as many, of the same method, path and length, for the host that was routed by.
"""
import collections
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import http1_vectors
from edge_peer import Edge, Upstream, free_port, wait_port

LOCAL = 32  # RING_FLAG_LOCAL
PEERS = ["nginx", "haproxy", "apache", "node", "python"]
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: smuggled\r\n\r\n"


# --- requests ---

METHODS = ["GET", "GET", "GET", "POST", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "get", "PROPFIND", "QUERY"]
TARGETS = ["/", "/a", "/a/b?c=d", "/a/../b", "/%61", "/a%2fb", "//x", "/a?/../b", "/a;b", "http://a/abs", "http://b:80?q", "*",
           "/%2e%2e/x", "/a\\b", "/a#b", "/\xe9", "/ b", "", "a", "/" + "x" * 60, "/%0d%0aX", "/a%00", "/."]
HOSTS = ["Host: a", "Host: a", "Host: a", "Host: a:80", "Host: A.b", "Host:a", "Host: [::1]", "host: a", "Host : a", "Host: a, b",
         "Host: a\r\nHost: b", "Host:", "Host: a/b", "Host: a@b", "X-No-Host: a", "Host:\ta", "Host: a\x00"]
FIELDS = ["X-A: b", "X-A:b", "X-A: b\tc", "X-A:", "X-A : b", "X A: b", " X-A: b", "X-A: b\r\n c", "X-A: b\nX-B: c", "X-A: b\rX-B: c",
          "X-A: \x00", "X-A: \x0b", "X_A: b", "Content_Length: 5", "Transfer_Encoding: chunked", "Connection: close",
          "Connection: keep-alive", "Connection: content-length", "Connection: x-a, transfer-encoding", "TE: trailers", "Trailer: X-T",
          "Expect: 100-continue", "Expect: x", "Upgrade: h2c", "Connection: upgrade", "Upgrade: websocket", "Keep-Alive: 5",
          "Proxy-Connection: close", "Accept-Encoding: gzip", "Content-Type: text/plain", "Range: bytes=0-1", "X-\xe9: a",
          "Max-Forwards: 0", "Via: 1.1 x", "Forwarded: for=1", "X-HTTP-Method-Override: PUT", "X-Original-URL: /other"]
CODINGS = ["chunked", "chunked", "chunked", "Chunked", " chunked", "\tchunked", "chunked ", "chunked\t", "xchunked", "chunked, chunked",
           "identity", "gzip, chunked", "chunked, identity", "\x0bchunked", "chunked\x00", "\"chunked\"", "chunked;a=b", ", chunked", ""]
SPECIAL = [b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"0", b"1", b"a", b"/", b"?", b"%", b"\x0b", b"\x85", b"\xa0", b"\xff",
           b"\r\n\r\n", b"0\r\n\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"HTTP/1.0", b"HTTP/1.1", SMUGGLED]


def body_bytes(rng):
    return rng.choice([b"", b"abc", b"0\r\n\r\n", SMUGGLED, b"x" * rng.randrange(5000), b"5\r\nhello\r\n0\r\n\r\n"])


def chunks(rng, body):
    out = b""
    while body:
        n = rng.randrange(1, len(body) + 1)
        size = rng.choice(["%x", "%X", "0%x", "%x", "%x;a=b", "%x;a=\"b;c\"", "%x ;x", "%x"]) % n
        out += size.encode() + b"\r\n" + body[:n] + b"\r\n"
        body = body[n:]
    trailer = rng.choice([b"", b"", b"X-T: 1\r\n", b"Content-Length: 9\r\n", b"Host: evil\r\n"])
    return out + rng.choice([b"0", b"00", b"0;x"]) + b"\r\n" + trailer + b"\r\n"


def one_request(rng):
    """Mostly well-formed; about one in three has something odd, which the edge may take or refuse."""
    odd = rng.random() < 0.3
    pick = (lambda pool, good: rng.choice(pool if odd else pool[:good]))
    lines = [f"{pick(METHODS, 10)} {pick(TARGETS, 7)} {pick(['HTTP/1.1'] * 6 + ['HTTP/1.0', 'HTTP/1.2', 'http/1.1'], 6)}", pick(HOSTS, 5)]
    lines += [pick(FIELDS, 4) for _ in range(rng.randrange(4))]
    framing = rng.choice(["none", "none", "length", "length", "chunked", "both" if odd else "none"])
    body = body_bytes(rng)
    data = b""
    if framing in ("length", "both"):
        length = str(len(body)) if not odd else rng.choice([len(body), f"+{len(body)}", f"0{len(body)}", f"{len(body)} ", len(body) + 1, "",
                                                            f"{len(body)}, {len(body)}", f"{len(body)}\r\nContent-Length: {len(body)}"])
        lines.append(f"Content-Length: {length}")
        data = body
    if framing in ("chunked", "both"):
        lines.append(f"Transfer-Encoding:{pick(CODINGS, 6)}" if odd else "Transfer-Encoding: chunked")
        data = chunks(rng, body)
    rng.shuffle(lines_rest := lines[1:])
    return "\r\n".join([lines[0], *lines_rest]).encode("latin-1") + b"\r\n\r\n" + data


def mutate(rng, data):
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data) + 1)
        how = rng.randrange(4)
        if how == 0:
            data = data[:at] + data[at + rng.randrange(1, 4):]
        elif how == 1:
            data = data[:at] + data[at:at + rng.randrange(1, 9)] + data[at:]
        else:
            data = data[:at] + rng.choice(SPECIAL) + data[at + (how == 3):]
    return data


def conversation(rng, seeds):
    """What one client sends on one connection."""
    if rng.random() < 0.25:
        data = rng.choice(seeds)
    else:
        data = b"".join(one_request(rng) for _ in range(rng.randrange(1, 5)))
    return mutate(rng, data) if rng.random() < 0.4 else data


# --- servers ---

def drain(queue):
    return [queue.popleft() for _ in range(len(queue))]


class Recorder:
    """Where nginx, HAProxy and Apache pass on what they understood; the order of arrival is kept."""

    def __init__(self):
        self.seen = collections.deque()

    def __call__(self, peer, n):
        while True:
            line, headers, body = peer.request()
            method, target, _ = line.split(" ")
            self.seen.append((method, target, headers.get("x-forwarded-host", "").rsplit(", ", 1)[0], headers.get("x-seen-host", headers["host"]), len(body)))
            peer.reply(b"" if method == "HEAD" else b"ok")


NGINX = """daemon off; user root; pid {tmp}/nginx.pid; error_log /dev/null crit; worker_processes 1; events {{}}
http {{ access_log off; client_body_temp_path {tmp}/b; proxy_temp_path {tmp}/p; fastcgi_temp_path {tmp}/f; uwsgi_temp_path {tmp}/u;
scgi_temp_path {tmp}/s; underscores_in_headers on; keepalive_requests 1000000; upstream r {{ server 127.0.0.1:{recorder}; keepalive 8; }}
server {{ listen 127.0.0.1:{port}; merge_slashes off; location / {{ proxy_pass http://r; proxy_http_version 1.1;
proxy_set_header Host $http_host; proxy_set_header X-Seen-Host $http_host; proxy_set_header Connection ""; proxy_next_upstream off; }} }} }}
"""
HAPROXY = """global
  maxconn 200
defaults
  mode http
  option http-keep-alive
  timeout client 20s
  timeout server 20s
  timeout connect 5s
frontend f
  bind 127.0.0.1:{port}
  default_backend r
backend r
  http-reuse safe
  server r 127.0.0.1:{recorder}
"""
APACHE = """ServerName a
Listen 127.0.0.1:{port}
PidFile {tmp}/apache.pid
ErrorLog /dev/null
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
User www-data
Group www-data
ServerLimit 1
StartServers 1
ThreadsPerChild 25
MaxRequestWorkers 25
KeepAlive On
MaxKeepAliveRequests 0
ProxyPreserveHost On
AllowEncodedSlashes NoDecode
MergeSlashes Off
ProxyPass / http://127.0.0.1:{recorder}/ nocanon
"""
NODE = """
const http = require('http');
const server = http.createServer({keepAliveTimeout: 60000, requestTimeout: 0, headersTimeout: 20000}, (req, res) => {
  let length = 0;
  req.on('data', (piece) => { length += piece.length; });
  req.on('end', () => {
    process.stdout.write(JSON.stringify([req.method, req.url, req.headers['x-forwarded-host'] || '', req.headers.host || '', length]) + '\\n');
    res.end(req.method === 'HEAD' ? undefined : 'ok');
  });
});
server.on('upgrade', (req, socket) => { socket.end('HTTP/1.1 501 No\\r\\nContent-Length: 0\\r\\n\\r\\n'); });
server.listen(+process.argv[2], '127.0.0.1');
"""
PYTHON = '''
import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def chunked(self):
        n = 0
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            if size == 0:
                while self.rfile.readline().strip():
                    pass
                return n
            n += len(self.rfile.read(size))
            self.rfile.readline()
    def any(self):
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            n = self.chunked()
        else:
            length = int(self.headers.get("content-length", 0))
            n = len(self.rfile.read(length))
            if n < length:
                return
        print(json.dumps([self.command, self.requestline.split()[1], self.headers.get("x-forwarded-host", ""), self.headers.get("host", ""), n]), flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"ok")
    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.any
        raise AttributeError(name)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
'''


class Server:
    """One of PEERS, on a port of its own; take() says what it has seen since the last call."""

    def __init__(self, kind, tmp):
        self.kind, self.tmp, self.port, self.lines, self.recorder = kind, Path(tmp), free_port(), collections.deque(), None

    @property
    def same_path(self):
        return one_slash if self.kind == "apache" else str

    def command(self):
        if self.kind in ("node", "python"):
            file = self.tmp / ("server.js" if self.kind == "node" else "server.py")
            file.write_text(NODE if self.kind == "node" else PYTHON)
            return [("node" if self.kind == "node" else sys.executable), str(file), str(self.port)]
        self.recorder = Recorder()
        self.behind = Upstream(self.recorder)
        text = {"nginx": NGINX, "haproxy": HAPROXY, "apache": APACHE}[self.kind]
        file = self.tmp / f"{self.kind}.conf"
        file.write_text(text.format(tmp=self.tmp, port=self.port, recorder=self.behind.port))
        return {"nginx": ["nginx", "-e", "/dev/null", "-c", str(file)], "haproxy": ["haproxy", "-q", "-db", "-f", str(file)],
                "apache": ["apache2", "-X", "-f", str(file)]}[self.kind]

    def __enter__(self):
        own = self.kind in ("node", "python")
        self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE if own else subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, text=True)
        if own:
            threading.Thread(target=self.listen, daemon=True).start()
        wait_port(self.port)
        return self

    def __exit__(self, *error):
        self.process.terminate()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.recorder:
            self.behind.__exit__()

    def listen(self):
        for line in self.process.stdout:
            self.lines.append(tuple(json.loads(line)))

    def take(self):
        return drain(self.recorder.seen if self.recorder else self.lines)


# --- the comparison ---

def normal(path):
    """The path as it is forwarded: RFC 3986 §6.2.2, as proto/uri.c does it; written apart from it."""
    def letter(match):
        c = chr(int(match[1], 16))
        return c if re.match(r"[A-Za-z0-9._~-]", c) else match[0].upper()
    out = []
    for segment in re.sub(r"%([0-9A-Fa-f]{2})", letter, path or "/").split("/")[1:]:
        if segment == ".." and out:
            out.pop()
        out += [segment] if segment not in (".", "..") else []
        last = segment
    return "/" + "/".join(out) + ("/" if last in (".", "..") and out else "")


def brief(record):
    return tuple(record[key] for key in ("method", "path", "bytes_in", "status", "flags"))


def one_slash(path):
    """Apache as a proxy passes on //x as /x."""
    return re.sub("//+", "/", path)


def same_request(record, told, same_path):
    if record["method"] not in (told[0], "OTHER") or record["bytes_in"] != told[4]:
        return False
    if told[1] == "*":
        return record["path"] == ""
    return same_path(normal(record["path"])) == same_path(told[1].split("?")[0])


def differs(records, seen, same_path=str):
    """Why the two do not tell the same, or None. The servers answer 200 to all that they tell; what they refused is not told."""
    rest = list(seen)
    for record in records:
        # Apache answers OPTIONS * itself
        asked = rest and rest[0][0] == "OPTIONS" and rest[0][1].split("?")[0] in ("*", "/")
        own = record["method"] == "OPTIONS" and record["path"] == "" and not asked
        if record["flags"] & LOCAL or record["status"] not in (200, 206) or own:
            continue
        told = rest.pop(0) if rest else None
        if not told or not same_request(record, told, same_path):
            return f"{brief(record)} is not what the server saw: {told}; then {rest[:2]}"
        nobody = told[2] == "" and told[3].startswith("127.0.0.1:")  # HTTP/1.0 may name no host: then it is the replica
        if told[2] != told[3] and not nobody:
            return f"routed for {told[2]!r}, but the server read {told[3]!r}: {told}"
    return f"the server saw more than the edge: {rest}" if rest else None


def talk(port, data):
    """Sends all of it, ends, and reads until the other side ends."""
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass


def both(edge, server, batch):
    """What the edge and the server tell of these conversations; a last request says that all of it has been told."""
    for data in batch:
        talk(edge.port, data)
    talk(edge.port, b"GET /end HTTP/1.0\r\nHost: a\r\n\r\n")
    records, seen, end = [], [], time.monotonic() + 10
    while not (records and records[-1]["path"] == "/end" and seen and seen[-1][1] == "/end"):
        assert time.monotonic() < end, f"no end: {records[-3:]} {seen[-3:]}"
        records += edge.command("records")
        seen += server.take()
    return records, seen


def run(kind, tmp, seed, seconds=None, count=None):
    """Conversations until the time or the number is over; returns how many, and how many requests were seen."""
    rng = random.Random(f"{seed}-{kind}")
    seeds = [vector.bytes for vector in http1_vectors.requests()]
    end = time.monotonic() + (seconds or 3600)
    done = requests = 0
    service = "service web retries=4294967295 first_byte_ms=3000 hold_ms=1"
    with Server(kind, tmp) as server, Edge(tmp, service, f"endpoint web web-1 127.0.0.1:{server.port}", "route web * /",
                                           gateway="threads=1") as edge:
        while time.monotonic() < end and (count is None or done < count):
            batch = [conversation(rng, seeds) for _ in range(20)]
            records, seen = both(edge, server, batch)
            done += len(batch)
            requests += len(seen)
            wrong = differs(records, seen, server.same_path)
            assert not wrong, f"{kind}, seed {seed}: {wrong[:500]}\n" + narrow(edge, server, batch)[:2000]
    return done, requests


def narrow(edge, server, batch):
    """Which of the conversations it is, each by itself."""
    for data in batch:
        wrong = differs(*both(edge, server, [data]), server.same_path)
        if wrong:
            return f"{data!r}: {wrong}"
    return "none of them alone: " + repr(batch)


def seed_of_today():
    return int(os.environ.get("TEST_SEED", random.SystemRandom().randrange(1 << 32)))
