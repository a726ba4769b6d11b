# SPDX-License-Identifier: Apache-2.0
"""Peers that begin and do not go on, in the real program: what they cost, when they end, and that others are served."""
import re
import socket
import ssl
import time
from pathlib import Path

import pytest

from muelle import free_port, wait_until

APP = """
import http.server, os
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        size = 3000000 if self.path == "/large" else 2
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(b"x" * size)
    def log_message(self, *a):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
"""
ASK = b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n"


class Gateway:
    def __init__(self, muelle, header_timeout="30s"):
        self.m, self.port, self.plain = muelle, free_port(), free_port()
        muelle.write("app.py", APP)
        muelle.write("muelle.yaml", f"""
name: slow
gateway:
  listen: ["https://127.0.0.1:{self.port}", "http://127.0.0.1:{self.plain}"]
  admin: false
  threads: 1
  limits: {{ header_timeout: {header_timeout} }}
services:
  web: {{ command: python3 -u app.py, routes: [{{host: a.localhost}}] }}
""")
        muelle.cli("up", "-d", "--wait")
        self.pid = muelle.pid("edge")

    def rss_kib(self):
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text()).group(1))

    def timeouts(self):
        return self.m.get("/api/metrics")["edge"]["timeouts"]

    def connect(self, data=b"", port=None):
        s = socket.create_connection(("127.0.0.1", port or self.port), 10)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(data)
        return s

    def waits_unsent(self, client):
        """Bytes that the kernel holds for a client, at the edge's end of its connection."""
        want = f":{client.getpeername()[1]:04X}", f":{client.getsockname()[1]:04X}"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            local, remote, _, queues = line.split()[1:5]
            if (local[-5:], remote[-5:]) == want:
                return int(queues.split(":")[0], 16)
        return 0


class Talk:
    """A TLS client over memory, so that its bytes can be sent in pieces."""

    def __init__(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.into, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.into, self.out, server_hostname="a.localhost")
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        self.hello = self.out.read()

    def go_on(self, s):
        while True:
            try:
                self.tls.do_handshake()
                s.sendall(self.out.read())
                return
            except ssl.SSLWantReadError:
                s.sendall(self.out.read())
                self.take(s)

    def take(self, s):
        data = s.recv(65536)
        assert data
        self.into.write(data)

    def ask(self, s):
        self.tls.write(ASK)
        s.sendall(self.out.read())
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                self.take(s)


def ended(s, seconds=10):
    s.settimeout(seconds)
    try:
        while s.recv(65536):
            pass
        return True
    except ConnectionResetError:
        return True


def test_a_hello_that_comes_byte_by_byte_opens_a_session(muelle):
    gateway, talk = Gateway(muelle), Talk()
    with gateway.connect() as s:
        for i in range(len(talk.hello)):
            s.sendall(talk.hello[i:i + 1])
            if i % 40 == 0:
                time.sleep(0.001)
        talk.go_on(s)
        assert talk.ask(s).startswith(b"HTTP/1.1 200")
    with gateway.connect(talk.hello[:-1]) as s:  # cut, and the end
        s.shutdown(socket.SHUT_WR)
        assert ended(s)
    for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 100, b"\x15\x03\x01\x00\x02\x02\x28"):
        with gateway.connect(junk) as s:
            assert ended(s, 5)


@pytest.mark.figures
def test_handshakes_that_stop_cost_next_to_nothing_and_end_in_time(muelle):
    gateway, talk = Gateway(muelle, "3s"), Talk()
    with gateway.connect(talk.hello) as s:
        talk.go_on(s)
        assert talk.ask(s).startswith(b"HTTP/1.1 200")  # what the first session makes is there
    for data in (b"", talk.hello[:3], talk.hello[:-1], b"\x16\x03\x01\x40\x00" + b"x" * 1000):
        before = gateway.rss_kib()
        stopped = [gateway.connect(data) for _ in range(300)]
        with gateway.connect(ASK, gateway.plain) as other:
            assert other.recv(100).startswith(b"HTTP/1.1 200")
        assert gateway.rss_kib() - before < 300 * 2
        before = gateway.timeouts()
        assert all(ended(s) for s in stopped)
        wait_until(lambda: gateway.timeouts() - before == 300, what="a count of them")
        for s in stopped:
            s.close()


@pytest.mark.figures
def test_a_client_that_takes_nothing_holds_little_of_the_kernels_memory(muelle):
    gateway = Gateway(muelle)
    with gateway.connect(b"GET /large HTTP/1.1\r\nHost: a.localhost\r\n\r\n", gateway.plain) as s:
        wait_until(lambda: gateway.waits_unsent(s) > 0, what="bytes that wait")
        time.sleep(0.5)
        assert gateway.waits_unsent(s) < 400_000
        got = 0
        while got < 3_000_000:
            got += len(s.recv(1 << 18))
