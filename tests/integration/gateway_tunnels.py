# SPDX-License-Identifier: Apache-2.0
"""Tunnels and streams of every kind in the real program: WebSockets (frames read and unread, over HTTP/1 and as extended CONNECT,
with and without TLS), CONNECT, tcp listeners, server-sent events. A side that stops reading stops the other, and the edge holds
next to nothing of what that tried to send, both ways; and they live through changes and the death of core and keeper."""
import re
import socket
import ssl
import struct
import time
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from muelle import free_port, wait_until

TRIED = 1 << 30          # what a sender would like to send
HELD_MOST = 12 << 20     # what all between the two may take: four kernel buffers and the edge's
EDGE_MOST = 1 << 20      # of this the edge's own memory: it does not grow with what was tried

SERVICE = """
import os, socket, struct, threading, time
FRAME = b"\\x82\\x7f" + struct.pack(">Q", 65536) + b"z" * 65536
EVENT = b"data: " + b"z" * 65000 + b"\\n\\n"
took = sent = 0
def pour(s, piece):
    global sent
    try:
        while sent < 1 << 30:
            sent += s.send(piece)
    except OSError:
        pass
def head_of(s):
    data = b""
    while b"\\r\\n\\r\\n" not in data:
        got = s.recv(65536)
        if not got:
            return b""
        data += got
    return data
def serve(s):
    global sent
    head = head_of(s)
    if not head:
        return s.close()
    if head[:4] != b"GET ":
        kind, what = "raw", head[:4]
    else:
        kind, what = ("ws" if b"pgrade: websocket" in head else "sse"), head.split(b" ")[1][1:5]
    if what == b"coun":
        text = str(sent).encode()
        s.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n%s" % (len(text), text))
        return s.close()
    if kind == "ws":
        import base64, hashlib, re
        key = re.search(rb"(?i)sec-websocket-key: *(\\S+)", head)[1]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        s.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: " + accept + b"\\r\\n\\r\\n")
    elif kind == "sse":
        s.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\nConnection: close\\r\\n\\r\\n")
    if what == b"tick":
        while True:
            s.sendall(b"data: tick\\n\\n")
            time.sleep(0.05)
    if what == b"echo":
        while True:
            got = s.recv(65536)
            if not got:
                return s.close()
            s.sendall(b"".join(bytes([byte]) if byte != 0x84 else b"\\x04" for byte in got))
    if what == b"pour":
        sent = 0
        pour(s, EVENT if kind == "sse" else FRAME)
        s.close()
    else:
        stopped.append(s)   # nothing is read of it
stopped = []
door = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=64)
while True:
    s, _ = door.accept()
    threading.Thread(target=serve, args=(s,), daemon=True).start()
"""


class Gate:
    def __init__(self, m):
        self.m, self.ports = m, {"http": free_port(), "https": free_port(), "tcp": free_port()}
        m.write("service.py", SERVICE)
        m.env["MUELLE_CA_DIR"] = str(m.folder / "dev")
        m.write("muelle.yaml", f"""
name: pressure
gateway:
  admin: false
  threads: 1
  limits: {{ read_rate: 0, body_rate: 0 }}
  listen:
    - http://127.0.0.1:{self.ports["http"]}
    - https://127.0.0.1:{self.ports["https"]}
    - {{ address: "tcp://127.0.0.1:{self.ports["tcp"]}", service: web }}
services:
  web:
    command: /usr/bin/python3 -u service.py
    routes: [ {{ host: unread.test, connect: true }}, {{ host: read.test, websocket: {{ check: frames }} }} ]
""")
        m.up()
        self.edge = m.pid("edge")

    def memory(self):
        """Bytes of the edge's own."""
        text = Path(f"/proc/{self.edge}/smaps_rollup").read_text()
        return sum(int(n) for n in re.findall(r"Private_(?:Clean|Dirty): +(\d+)", text)) << 10

    def connect(self, scheme, host="unread.test", protocols=("http/1.1",)):
        s = socket.create_connection(("127.0.0.1", self.ports[scheme]), 10)
        if scheme == "https":
            context = ssl.create_default_context(cafile=self.m.folder / "dev" / "ca.crt")
            context.set_alpn_protocols(protocols)
            s = context.wrap_socket(s, server_hostname=host)
        return s

    def poured(self):
        """What the service could send."""
        with self.connect("http") as s:
            s.sendall(b"GET /count HTTP/1.1\r\nHost: unread.test\r\nConnection: close\r\n\r\n")
            return int(b"".join(iter(lambda: s.recv(65536), b"")).rpartition(b"\r\n")[2])


@pytest.fixture
def gate(muelle):
    return Gate(muelle)


class Tunnel:
    """One that was opened over HTTP/1 or TCP: what is in it, and whether more can be sent."""

    def __init__(self, gate, kind, scheme, host, what):
        self.socket = gate.connect(scheme, host)
        if kind == "tcp":
            self.socket.sendall(what.encode() + b"\r\n\r\n")
        else:
            upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            head = f"GET /{what} HTTP/1.1\r\nHost: {host}\r\n{upgrade if kind == 'ws' else ''}\r\n"
            if kind == "connect":
                self.socket.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
                assert self.head(b" 200 ")
                head = f"GET /{what} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            self.socket.sendall(head.encode())
            assert self.head(b" 200 " if kind == "sse" else b" 101 ")

    def head(self, status):
        data = b""
        while b"\r\n\r\n" not in data:
            got = self.socket.recv(1)
            assert got, data
            data += got
        assert status in data.split(b"\r\n")[0], data
        return data

    def send(self, piece):
        """Bytes that were taken within a second; 0: no more."""
        self.socket.settimeout(1)
        try:
            return self.socket.send(piece)
        except (TimeoutError, ssl.SSLWantWriteError):
            return 0


class Stream:
    """The same as an extended CONNECT: one stream of an HTTP/2 connection, with all windows as wide as they go."""

    def __init__(self, gate, kind, scheme, host, what):
        self.peer = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.socket = gate.connect(scheme, host, ("h2",))
        self.peer.local_settings = h2.settings.Settings(True, {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: (1 << 31) - 1})
        self.peer.initiate_connection()
        self.peer.increment_flow_control_window((1 << 31) - 1 - 65535)
        self.flush()
        self.until(h2.events.RemoteSettingsChanged)
        self.stream = self.peer.get_next_available_stream_id()
        self.peer.send_headers(self.stream, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", scheme), (":path", "/" + what),
                                             (":authority", host), ("sec-websocket-version", "13")])
        self.flush()
        event = self.until(h2.events.ResponseReceived)
        assert dict(event.headers)[":status"] == "200"

    def flush(self):
        self.socket.sendall(self.peer.data_to_send())

    def until(self, kind):
        while True:
            for event in self.peer.receive_data(self.socket.recv(1)):
                if isinstance(event, kind):
                    return event
            self.flush()

    def send(self, piece):
        room = min(self.peer.local_flow_control_window(self.stream), 16384, len(piece))
        self.socket.settimeout(1)
        try:
            while room == 0:  # windows are opened by who is read from
                self.peer.receive_data(self.socket.recv(65536))
                self.flush()
                room = min(self.peer.local_flow_control_window(self.stream), 16384, len(piece))
        except (TimeoutError, ssl.SSLWantReadError):
            return 0
        self.peer.send_data(self.stream, piece[:room])
        self.flush()
        return room


MASKED = b"\x82\xff" + struct.pack(">Q", 65536) + b"\0\0\0\0" + b"z" * 65536
CASES = [(Tunnel, "ws", "http", "unread.test"), (Tunnel, "ws", "http", "read.test"), (Tunnel, "ws", "https", "unread.test"),
         (Tunnel, "ws", "https", "read.test"), (Tunnel, "tcp", "tcp", "unread.test"), (Tunnel, "connect", "http", "unread.test"),
         (Stream, "extended", "http", "unread.test"), (Stream, "extended", "http", "read.test"), (Stream, "extended", "https", "unread.test")]
NAMES = [f"{kind} {scheme} {host.split('.')[0]}" for _, kind, scheme, host in CASES]


@pytest.mark.parametrize("way, kind, scheme, host", [*CASES, (Tunnel, "sse", "http", "unread.test"), (Tunnel, "sse", "https", "unread.test")],
                         ids=[*NAMES, "sse http", "sse https"])
def test_a_client_that_stops_reading_stops_the_service(gate, way, kind, scheme, host):
    way(gate, kind, scheme, host, "pour").socket.close()  # whatever is made once is made
    wait_until(lambda: gate.poured() > 0, what="the first")
    time.sleep(0.2)
    before = gate.memory()
    tunnel = way(gate, kind, scheme, host, "pour")
    time.sleep(0.3)

    def stalls():
        now = gate.poured()
        time.sleep(0.5)
        return gate.poured() == now and now
    went = wait_until(stalls, what="the service's end")
    grown = gate.memory() - before
    print(f"{kind} {scheme} {host}: {went >> 10} KiB of {TRIED >> 20} MiB left the service, the edge grew by {grown >> 10} KiB")
    assert 0 < went < HELD_MOST and grown < EDGE_MOST
    tunnel.socket.close()


@pytest.mark.parametrize("way, kind, scheme, host", CASES, ids=NAMES)
def test_a_service_that_stops_reading_stops_the_client(gate, way, kind, scheme, host):
    first = way(gate, kind, scheme, host, "stop")
    first.send(MASKED)
    first.socket.close()
    time.sleep(0.2)
    before = gate.memory()
    tunnel = way(gate, kind, scheme, host, "stop")
    went, rest = 0, b""
    while went < TRIED:
        rest = rest or MASKED
        n = tunnel.send(rest)
        if n == 0:
            break
        went, rest = went + n, rest[n:]
    grown = gate.memory() - before
    print(f"{kind} {scheme} {host}: {went >> 10} KiB of {TRIED >> 20} MiB left the client, the edge grew by {grown >> 10} KiB")
    assert 0 < went < HELD_MOST and grown < EDGE_MOST
    tunnel.socket.close()


# Masked with 0, so that the same bytes are a frame of the service's but for one bit, which it takes away.
HELLO = b"\x82\x84\0\0\0\0abcd"


def heard(tunnel, kind):
    """Something of the service's came, of what was said just now."""
    tunnel.socket.settimeout(10)
    if kind == "sse":
        tunnel.socket.setblocking(False)
        try:
            while tunnel.socket.recv(65536):
                pass
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        tunnel.socket.settimeout(10)
        return b"tick" in tunnel.socket.recv(65536)
    if isinstance(tunnel, Stream):
        tunnel.peer.send_data(tunnel.stream, HELLO)
        tunnel.flush()
        return b"abcd" in tunnel.until(h2.events.DataReceived).data
    tunnel.socket.sendall(HELLO)
    data = b""
    while b"abcd" not in data:
        got = tunnel.socket.recv(65536)
        assert got, data
        data += got
    return True


def test_all_of_them_live_through_changes_and_the_death_of_core_and_keeper(gate):
    kinds = [case for case in CASES if case[3] == "unread.test"]
    open_ones = [(kind, way(gate, kind, scheme, host, "echo")) for way, kind, scheme, host in kinds]
    open_ones += [("sse", Tunnel(gate, "sse", scheme, "unread.test", "tick")) for scheme in ("http", "https")]
    assert all(heard(tunnel, kind) for kind, tunnel in open_ones)
    text = (gate.m.folder / "muelle.yaml").read_text()
    for change in (text.replace("connect: true", "connect: true, path: /e"), text.replace("body_rate: 0", "body_rate: 0, connections: 500"), text):
        gate.m.write("muelle.yaml", change)
        gate.m.cli("reload")
        assert all(heard(tunnel, kind) for kind, tunnel in open_ones)
    for roles in (["core"], ["keeper"], ["core", "keeper"]):
        gate.m.kill(*roles)
        assert all(heard(tunnel, kind) for kind, tunnel in open_ones), roles
        wait_until(lambda: gate.m.cli("status", check=False).returncode == 0, seconds=30, what="all roles")
        assert all(heard(tunnel, kind) for kind, tunnel in open_ones), roles
    assert gate.m.pid("edge") == gate.edge
    for _, tunnel in open_ones:
        tunnel.socket.close()
