# SPDX-License-Identifier: Apache-2.0
"""Memory of idle connections: what the edge grows by (its anonymous memory) when many clients have made one request each
and then say nothing. Plain, TLS 1.3 and HTTP/2 over TLS, the latter two also with `gateway.tls.light`.

The clients are this process. nginx and HAProxy, measured once side by side with 9,800 connections, are quoted.
"""
import json
import os
import re
import resource
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

from edge_peer import BACKEND, free_port
from peers import MUELLE, certificate

CONNECTIONS = 4000
WARM = 200  # what is there before: blocks, contexts, arenas
PEERS = {"plain": {"nginx": 567, "haproxy": 1143}, "tls": {"nginx": 15530, "haproxy": 15560}, "h2_tls": {"nginx": 16100, "haproxy": 20900}}
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
# Preface, SETTINGS, HEADERS of GET https://localhost/ (HPACK: static table, one literal), an acknowledgement of theirs
H2_HEAD = b"\x82\x87\x84\x41\x09localhost"
H2_REQUEST = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + b"\0\0\0\4\1\0\0\0\0"
              + len(H2_HEAD).to_bytes(3, "big") + b"\1\5\0\0\0\1" + H2_HEAD)
CASES = (("plain", "http", "http/1.1", False, "<= 300"), ("tls", "https", "http/1.1", False, "<= 12500"),
         ("tls_light", "https", "http/1.1", True, "<= 1500"), ("h2_tls", "https", "h2", False, "<= 24000"),
         ("h2_tls_light", "https", "h2", True, "<= 12000"))


def anonymous(pid):
    """Without shared memory: the ring of records fills by request, once, whatever the connections."""
    return int(re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024


class Home:
    """A whole muelle with one listener."""

    def __init__(self, folder, scheme, light):
        self.port, self.home = free_port(), Path(tempfile.mkdtemp(dir=folder))
        tls = f"{{ light: {str(light).lower()}, certificates: [ {{ cert: {folder}/cert.pem, key: {folder}/key.pem }} ] }}"
        (self.home / "muelle.yaml").write_text(f"""name: idle
gateway:
  threads: 1
  admin: false
  limits: {{ idle_timeout: 10m }}
  listen: [ "{scheme}://127.0.0.1:{self.port}" ]
  tls: {tls}
services:
  web: {{ command: "{BACKEND} $$PORT 128", routes: [ {{ path: / }} ] }}
""")

    def run(self, *args):
        return subprocess.run([str(MUELLE), *args], cwd=self.home, check=True, capture_output=True, text=True).stdout

    def __enter__(self):
        self.run("up", "-d", "--wait")
        self.pid = json.loads(self.run("status", "--json"))["edge"]["pid"]
        return self

    def __exit__(self, *_):
        self.run("down")


def context_of(protocol):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([protocol])
    return context


def client(port, context, protocol):
    """A connection that has made one request."""
    s = socket.create_connection(("127.0.0.1", port), timeout=20)
    if context:
        s = context.wrap_socket(s, server_hostname="localhost")
    s.sendall(H2_REQUEST if protocol == "h2" else REQUEST)
    seen = b""
    while seen.count(b"x" * 128) < 1:
        got = s.recv(65536)
        assert got, seen
        seen += got
    return s


def each(home, context, protocol, count):
    idle = [client(home.port, context, protocol) for _ in range(WARM)]
    time.sleep(0.5)
    before = anonymous(home.pid)
    idle += [client(home.port, context, protocol) for _ in range(count)]
    time.sleep(1)
    grown = (anonymous(home.pid) - before) / count
    for s in idle:
        s.close()
    return grown


def measure(Figure, only=()):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * CONNECTIONS + 1000), hard))
    with tempfile.TemporaryDirectory(prefix="muelle-bench-") as folder:
        certificate(folder)
        for name, scheme, protocol, light, reach in CASES:
            if only and name not in only:
                continue
            with Home(folder, scheme, light) as home:
                grown = each(home, context_of(protocol) if scheme == "https" else None, protocol, CONNECTIONS)
            yield Figure(f"idle.{name}_bytes", grown, "B", reach, PEERS.get(name.removesuffix("_light")), f"{CONNECTIONS} connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
