# SPDX-License-Identifier: Apache-2.0
"""`gateway.sockmap`: what goes between gateway and service is laid into the other's socket; what the service's kernel
counted as received by TCP says whether it was. Whatever dies or is refused, requests are answered."""
import hashlib
import http.client
import os
import socket
import sys
import time

import pytest

from load import Load
from muelle import alive, free_port, wait_until

# /N: N bytes; POST: the sum of the body, however slowly it is read (X-Slow); /cut: half an answer and an end.
# /taken: how much of the last answer the kernel has taken.
# X-Tcp: bytes that this connection has received by TCP (tcpi_bytes_received); X-Peer: the gateway's port.
SERVER = """
import hashlib, os, socket, struct, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def log_message(self, *a): pass
    def answer(self, body):
        info = self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        self.send_response(200)
        self.send_header("X-Tcp", str(struct.unpack_from("Q", info, 128)[0]))
        self.send_header("X-Peer", str(self.client_address[1]))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        Handler.taken = 0
        for at in range(0, len(body), 1 << 20):
            self.wfile.write(body[at:at + (1 << 20)])
            Handler.taken += 1 << 20
    def do_GET(self):
        if self.path == "/cut":
            self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 1000\\r\\n\\r\\n" + b"x" * 500)
            self.wfile.flush()
            self.close_connection = True
            return
        if self.path == "/pause":
            time.sleep(0.3)
        size = self.path.strip("/")
        if size == "taken":
            return self.answer(str(Handler.taken).encode())
        self.answer((b"%08d" % 1234 * (int(size) // 8 + 1))[:int(size)] if size.isdigit() else b"hello")
    def do_POST(self):
        left, sum = int(self.headers["Content-Length"]), hashlib.md5()
        time.sleep(float(self.headers.get("X-Slow", 0)))
        while left:
            part = self.rfile.read(min(left, 65536))
            left -= len(part)
            sum.update(part)
        self.answer(sum.hexdigest().encode())
class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 500
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def text(port, sockmap="true"):
    return f"""
name: short
gateway:
  admin: false
  threads: 1
  sockmap: {sockmap}
  listen: [ "http://127.0.0.1:{port}" ]
services:
  web: {{ command: [ {sys.executable}, server.py ], routes: [ {{ host: "*" }} ] }}
"""


@pytest.fixture
def gate(muelle):
    muelle.port = free_port()
    muelle.write("server.py", SERVER)
    muelle.write("muelle.yaml", text(muelle.port))
    muelle.up()
    wait_until(lambda: state(muelle) != "asked for", what="the keeper's answer")
    if state(muelle) != "on":
        pytest.skip(state(muelle))
    return muelle


def state(gate):
    try:
        return gate.get("/api/v1/instance")["sockmap"]
    except (OSError, AssertionError):
        return "asked for"  # the core starts


def ask(gate, path="/8", body=None, headers={}):
    connection = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=20)
    connection.request("POST" if body is not None else "GET", path, body, headers)
    answer = connection.getresponse()
    got = answer.read()
    connection.close()
    assert answer.status == 200, got
    return got, int(answer.headers["X-Tcp"]), answer.headers["X-Peer"]


def by_tcp(gate, path="/8"):
    """Whether the second of two requests in a row on one connection came to the service by TCP."""
    while True:
        _, before, peer = ask(gate)
        _, after, again = ask(gate, path)
        if peer == again:
            return after > before


def test_requests_and_answers_go_the_short_way(gate):
    ask(gate)  # the first one of a connection goes by TCP
    assert not by_tcp(gate)
    for size in (0, 1, 8000, 65536, 200_000):
        got, _, _ = ask(gate, f"/{size}")
        assert got == (b"00001234" * (size // 8 + 1))[:size]
        assert not by_tcp(gate)
    assert gate.status()["sockmap"] == "on" and "sockmap" not in gate.cli("status").stdout + gate.own_log()


def test_bodies_go_by_tcp_and_the_next_request_finds_its_way_back(gate):
    ask(gate)
    assert not by_tcp(gate)
    for size in (1, 70_000, 3_000_000):
        body = os.urandom(size)
        _, before, _ = ask(gate)
        sum, after, _ = ask(gate, body=body, headers={"X-Slow": "0.2"})
        assert sum.decode() == hashlib.md5(body).hexdigest()
        assert after >= before + size  # all of it, at the pace of who reads
        ask(gate)  # by TCP: the body may not be read yet
        assert not by_tcp(gate)


def test_a_large_answer_comes_whole_at_the_readers_pace_and_parts_the_ends(gate):
    ask(gate)
    assert not by_tcp(gate)
    size = 40_000_000
    s = socket.create_connection(("127.0.0.1", gate.port))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    s.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % size)
    time.sleep(1)
    assert int(ask(gate, "/taken")[0]) < size  # what nobody takes is not said
    got = b"".join(iter(lambda: s.recv(1 << 20), b""))
    head, _, body = got.partition(b"\r\n\r\n")
    assert body == b"00001234" * (size // 8), (head, len(body))
    assert by_tcp(gate)  # they stay apart: looking at it would cost more than it saves


def test_an_answer_that_breaks_off_is_cut_and_a_client_that_leaves_costs_nothing(gate):
    ask(gate)
    assert not by_tcp(gate)
    s = socket.create_connection(("127.0.0.1", gate.port))
    s.sendall(b"GET /cut HTTP/1.1\r\nHost: x\r\n\r\n")
    got = b""
    try:
        while part := s.recv(65536):
            got += part
    except ConnectionResetError:
        pass
    assert got.count(b"x" * 500) == 1 and b"X-Tcp" not in got
    ask(gate)
    assert not by_tcp(gate)
    s = socket.create_connection(("127.0.0.1", gate.port))
    s.sendall(b"GET /pause HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(0.1)
    s.close()
    ask(gate)
    assert not by_tcp(gate)


def test_it_lives_through_the_death_of_any_role_and_an_upgrade(gate):
    ask(gate)
    assert not by_tcp(gate)
    for roles in (["keeper"], ["core"], ["keeper", "core"], ["edge"], ["keeper", "edge"]):
        with Load(gate.port, "x", connections=2) as load:
            time.sleep(0.2)
            gate.kill(*roles)
            wait_until(lambda: all(gate.status()[r].get("pid") for r in ("keeper", "core", "edge")), what="all roles")
            wait_until(lambda: state(gate) == "on", what="the short way")
            time.sleep(0.2)
        if "edge" not in roles:
            assert load.failed() == 0, (roles, str(load))
        wait_until(lambda: ask(gate)[0] and not by_tcp(gate), what=f"the short way after {roles}")
    old = gate.get("/api/v1/instance")["edge"]["pid"]
    with Load(gate.port, "x", connections=2) as load:
        gate.cli("upgrade")
        time.sleep(0.2)
    assert load.failed() == 0, str(load)
    wait_until(lambda: not alive(old), what="the end of the old edge")
    ask(gate)
    assert not by_tcp(gate)


def test_a_reload_takes_it_away_and_brings_it_back(gate):
    ask(gate)
    assert not by_tcp(gate)
    with Load(gate.port, "x", connections=2) as load:
        for on in (False, True, False, True):
            gate.write("muelle.yaml", text(gate.port, "true" if on else "false"))
            gate.cli("reload")
            wait_until(lambda on=on: state(gate) == ("on" if on else "off"), what="the state")
            wait_until(lambda on=on: ask(gate)[0] and by_tcp(gate) != on, what="the way")
    assert load.failed() == 0, str(load)


def test_strangers_of_the_service_are_left_alone(gate):
    port = gate.ps()[0]["port"]
    for _ in range(3):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        seen = 0
        for _ in range(3):
            connection.request("GET", "/8")
            answer = connection.getresponse()
            answer.read()
            assert int(answer.headers["X-Tcp"]) > seen
            seen = int(answer.headers["X-Tcp"])
        connection.close()


def test_where_it_cannot_be_had_tcp_is_spoken_and_the_reason_is_told(muelle):
    muelle.port = free_port()
    muelle.env["MUELLE_CGROUPS"] = "none"
    muelle.write("server.py", SERVER)
    muelle.write("muelle.yaml", text(muelle.port))
    muelle.up()
    wait_until(lambda: "control group" in state(muelle), what="the reason")
    assert "gateway.sockmap: cannot find a control group" in muelle.cli("status").stdout
    assert (muelle.state / "muelle.log").read_text().count("gateway.sockmap:") == 1
    ask(muelle)
    assert by_tcp(muelle)
    muelle.kill("core")
    wait_until(lambda: "control group" in state(muelle), what="the reason, again")
    assert by_tcp(muelle)
