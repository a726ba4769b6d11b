# SPDX-License-Identifier: Apache-2.0
"""gateway.trusted_proxies, gateway.limits and proxy_protocol, from the file to the wire; beyond each limit: edge_limits.py."""
import time

import pytest

from edge_peer import Client, free_port, request, until
import h2_peer
from h2_peer import H2Client
from muelle import Muelle

SHOW = """
import http.server, os
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = (self.headers["X-Forwarded-For"] or "").encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"])); self.do_GET()
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
"""
FILE = """
name: keys
gateway:
  listen: ["http://127.0.0.1:{port}", {{address: "http://127.0.0.1:{announced}", proxy_protocol: true}}]
  admin: off
  threads: 2
  trusted_proxies: {trusted}
  limits: {limits}
  http2: {http2}
services:
  show: {{command: /usr/bin/python3 {folder}/show.py, routes: [{{}}]}}
"""


@pytest.fixture
def m():
    with Muelle() as muelle:
        muelle.port, muelle.announced = free_port(), free_port()
        muelle.folder.chmod(0o755)
        muelle.write("show.py", SHOW)
        yield muelle


def write(m, limits="{}", trusted="[]", http2="{}"):
    m.write("muelle.yaml", FILE.format(port=m.port, announced=m.announced, folder=m.folder, limits=limits, trusted=trusted, http2=http2))


def ask(port, header=b"", headers=()):
    with Client(port) as client:
        client.send(header + request(headers=headers))
        return client.response()


def served(m):
    try:
        return ask(m.port).status == 200
    except (OSError, EOFError):
        return False


def ended(client):
    try:
        return client.socket.recv(65536) == b""
    except (ConnectionResetError, BrokenPipeError):
        return True


def test_what_the_file_says_of_clients_acts(m):
    write(m, limits="{header_timeout: 500ms, header_size: 2k, idle_timeout: 700ms, connections: 20, address_connections: 4, "
                    "address_rate: 1000, body_rate: 1k, read_rate: 1k, glitches: 2}", trusted='["10.0.0.0/8"]')
    m.up()
    until(lambda: served(m))
    assert ask(m.port, headers=["X-Forwarded-For: 192.0.2.7"]).body == b"127.0.0.1"
    # header_size
    assert ask(m.port, headers=["X-A: " + "a" * 3000]).status == 431
    # header_timeout
    with Client(m.port) as client:
        client.send(b"GET / HT")
        start = time.monotonic()
        assert client.response().status == 408 and time.monotonic() - start < 5
    # idle_timeout
    with Client(m.port) as client:
        client.send(request())
        client.response()
        start = time.monotonic()
        assert client.closed() and time.monotonic() - start < 5
    # address_connections
    held = [Client(m.port) for _ in range(4)]
    with Client(m.port) as fifth:
        assert ended(fifth)
    for client in held:
        client.socket.close()
    until(lambda: served(m))
    # glitches
    with Client(m.port) as client:
        for i in range(3):
            client.send(b"\r\n" + request())
            assert ("connection" in client.response().headers) == (i == 2)
    # proxy_protocol, and that only trusted proxies may announce
    with Client(m.announced) as client:
        client.send(b"PROXY TCP4 192.0.2.7 192.0.2.9 1 2\r\n" + request())
        assert client.closed()
    write(m, limits="{address_connections: 0}", trusted='[127.0.0.1, "10.0.0.0/8"]')
    m.cli("reload")
    until(lambda: ask(m.port, headers=["X-Forwarded-For: 192.0.2.7, 10.1.1.1"]).body == b"192.0.2.7, 10.1.1.1, 127.0.0.1")
    assert ask(m.announced, b"PROXY TCP4 192.0.2.7 192.0.2.9 1 2\r\n").body == b"192.0.2.7"
    held = [Client(m.port) for _ in range(10)]
    assert ask(m.port).status == 200
    for client in held:
        client.socket.close()


def test_what_the_file_says_of_http2_connections_acts(m):
    write(m, http2="{streams: 3, window: 32k, connection_window: 128k, glitches: 500}")
    m.up()
    until(lambda: served(m))
    with H2Client(m.port) as client:
        assert client.until(lambda: client.settings)
        assert (client.settings[h2_peer.STREAMS_MAX], client.settings[h2_peer.WINDOW]) == (3, 32768)
        assert client.windows[0] == 131072 - 65535
        for n in (1, 3, 5, 7):
            client.send(h2_peer.frame(h2_peer.HEADERS, h2_peer.END_HEADERS, n, h2_peer.get(method="POST")))
        assert client.until(lambda: client.answer(7).reset is not None) and h2_peer.error_name(client.answer(7).reset) == "REFUSED_STREAM"
        for _ in range(60):  # 20 points each
            client.try_send(h2_peer.frame(h2_peer.PING, 0, 0, b"12345678"))
        client.until(lambda: client.goaway is not None, 5)
        assert h2_peer.error_name(client.goaway) == "ENHANCE_YOUR_CALM"
    write(m, http2="{glitches: 0}")
    m.cli("reload")

    def is_usual():
        with H2Client(m.port) as client:
            return client.until(lambda: client.settings) and client.settings[h2_peer.STREAMS_MAX] == 128
    until(is_usual)
    with H2Client(m.port) as client:
        client.send(h2_peer.frame(h2_peer.PING, 0, 0, b"12345678") * 3000)
        assert client.fetch(1, "/").status == 200 and client.goaway is None


def test_what_is_no_network_is_told_with_its_place(m):
    write(m, trusted="[10.0.0.1/8]")
    done = m.cli("plan", check=False)
    assert "no address and no network: '10.0.0.1/8'" in done.stdout + done.stderr
