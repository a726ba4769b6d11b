# SPDX-License-Identifier: Apache-2.0
"""Each defence provoked in the real program: who does it is stopped, it is in the metrics and told as an event, others are served."""
import socket
import struct
import time

from muelle import free_port, wait_until

APP = """
import http.server, os
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        size = 8 << 20 if self.path == "/large" else 2
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(b"x" * size)
    def do_POST(self):
        while "Content-Length" not in self.headers and (size := int(self.rfile.readline(), 16)):
            self.rfile.read(size + 2)
        self.rfile.read(int(self.headers.get("Content-Length", 2)))
        self.do_GET()
    def log_message(self, *a):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
"""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = bytes([0x82, 0x84, 0x86, 0x41, 6]) + b"x.test"  # GET http://x.test/
GOAWAY, ENHANCE_YOUR_CALM = 7, 11


class Gate:
    def __init__(self, m):
        self.m, self.port, self.announced = m, free_port(), free_port()
        m.write("app.py", APP)
        self.text = f"""
name: defence
gateway:
  admin: false
  threads: 1
  listen: [ "http://127.0.0.1:{self.port}", {{ address: "http://127.0.0.1:{self.announced}", proxy_protocol: true }} ]
  limits: {{ connections: 40, address_connections: 20, address_rate: 30, body_rate: 1k, read_rate: 1m, glitches: 10 }}
  http2: {{ glitches: 2000 }}
services:
  web: {{ command: /usr/bin/python3 -u app.py, traffic: {{ timeouts: {{ idle: 1s }} }}, routes: [ {{ host: x.test }} ] }}
"""
        m.write("muelle.yaml", self.text)
        m.up()

    def connect(self, address="127.0.0.1", port=None):
        return socket.create_connection(("127.0.0.1", port or self.port), 10, source_address=(address, 0))

    def counted(self, name):
        return self.m.get("/api/metrics")["edge"][name]

    def told(self):
        return [event["message"] for event in self.m.get("/api/v1/events?kind=gateway.limited")["items"]]


def ended(s, seconds=10):
    """It was ended by the other side; what came until then."""
    s.settimeout(seconds)
    data = b""
    try:
        while True:
            got = s.recv(65536)
            if not got:
                return data
            data += got
    except ConnectionError:
        return data


def many_of_one_address(gate):
    kept = [gate.connect("127.0.0.2") for _ in range(25)]
    assert sum(is_over(s) for s in kept) == 5


def is_over(s):
    s.settimeout(0.3)
    try:
        return s.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def many_of_many_addresses(gate):
    kept = []
    for address in ("127.0.0.4", "127.0.0.5", "127.0.0.6"):
        time.sleep(0.5)  # who came within 250 ms stays
        kept += [gate.connect(address) for _ in range(18)]
    assert 10 <= sum(is_over(s) for s in kept[:30]) <= 30


def fast_of_one_address(gate):
    def one():
        with gate.connect("127.0.0.3"):
            pass
    for _ in range(400):
        one()


def slow_body(gate):
    with gate.connect() as s:
        s.sendall(b"POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length: 100000\r\n\r\n")
        try:
            while True:
                s.sendall(b"x" * 5)
                s.settimeout(0.1)
                try:
                    assert s.recv(1000).startswith(b"HTTP/1.1 408 ")
                    return
                except TimeoutError:
                    pass
        except ConnectionError:
            pass


def slow_reader(gate):
    with gate.connect() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /large HTTP/1.1\r\nHost: x.test\r\n\r\n")
        time.sleep(2)


def oddities(gate):
    with gate.connect() as s:
        for _ in range(30):
            try:
                s.sendall(b"\r\nGET / HTTP/1.1\r\nHost: x.test\r\n\r\n")
                if not s.recv(65536):
                    return
            except ConnectionError:
                return
        raise AssertionError("it goes on and on")


def unannounced(gate):
    with gate.connect(port=gate.announced) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: x.test\r\n\r\n")
        assert ended(s) == b""


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


FLOODS = {
    "rapid reset": lambda i: frame(1, 5, 2 * i + 1, HEAD) + frame(3, 0, 2 * i + 1, struct.pack(">I", 8)),
    "PING": lambda i: frame(6, 0, 0, b"12345678"),
    "SETTINGS": lambda i: frame(4, 0, 0),
    "WINDOW_UPDATE": lambda i: frame(8, 0, 0, struct.pack(">I", 1)),
    "PRIORITY": lambda i: frame(2, 0, 2 * i + 1, b"\0\0\0\0\1"),
    "empty DATA": lambda i: frame(0, 0, 1) if i else frame(1, 4, 1, b"\x83" + HEAD[1:]),
    "CONTINUATION": lambda i: frame(9, 0, 1) if i else frame(1, 1, 1, HEAD),
    "HPACK bomb": lambda i: frame(1, 5, 2 * i + 1, HEAD + (bytes([0xbe]) * 1000 if i else b"\x40\1a\x7f\xb9\x16" + b"b" * 3000)),
}


def flood(name):
    def run(gate):
        with gate.connect() as s:
            s.sendall(PREFACE + frame(4, 0, 0))
            try:
                for i in range(5000):
                    s.sendall(FLOODS[name](i))
                    if i % 100 == 99:
                        time.sleep(0.005)  # what comes back is not read: it fits
            except ConnectionError:
                pass
            data, codes = ended(s), []
            while len(data) >= 9:
                size = int.from_bytes(data[:3], "big")
                codes += [int.from_bytes(data[13:17], "big")] if data[3] == GOAWAY else []
                data = data[9 + size:]
            assert ENHANCE_YOUR_CALM in codes, codes
    return run


CASES = {
    "limit_address_connections": ("gateway.limits.address_connections", [many_of_one_address]),
    "limit_connections": ("gateway.limits.connections", [many_of_many_addresses]),
    "limit_address_rate": ("gateway.limits.address_rate", [fast_of_one_address]),
    "limit_body_rate": ("gateway.limits.body_rate", [slow_body]),
    "limit_read_rate": ("gateway.limits.read_rate", [slow_reader]),
    "limit_glitches": ("gateway.http2.glitches", [oddities, *map(flood, FLOODS)]),
    "bad_announcements": ("PROXY protocol", [unannounced]),
}


def test_each_is_stopped_counted_and_told(muelle):
    gate = Gate(muelle)
    for _, attacks in CASES.values():
        for attack in attacks:
            attack(gate)
            with gate.connect("127.0.0.9") as s:  # others are served, at once
                s.sendall(b"GET / HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n")
                assert ended(s).startswith(b"HTTP/1.1 200 "), attack
    for counter, (words, attacks) in CASES.items():
        wait_until(lambda: gate.counted(counter) >= len(attacks), seconds=20, what=f"{counter}: {gate.counted(counter)}")
        (message,) = wait_until(lambda: [m for m in gate.told() if words in m], seconds=20, what=f"the event about {counter}")
        assert int(message.rstrip(".").rpartition(" ")[2]) >= 1
    assert len(gate.told()) == len(CASES)  # a flood makes no flood of events


def post(gate, size, chunked=False):
    """The status of a body of that size; the gateway may answer in front of its end."""
    with gate.connect() as s:
        head = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
        s.sendall(f"POST / HTTP/1.1\r\nHost: x.test\r\n{head}\r\n\r\n".encode())
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (size, bytes(size)) if chunked else bytes(size)
        try:
            s.sendall(body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return int(s.recv(4096).split(b" ")[1])


def test_the_largest_body_is_the_files_to_say(muelle):
    gate = Gate(muelle)
    usual = 10 << 20
    assert [post(gate, usual), post(gate, usual + 1), post(gate, usual + 1, True)] == [200, 413, 413]
    for said, sizes in (("1k", {1024: 200, 1025: 413}), ("0", {usual + 1: 200}), ("11m", {usual + 1: 200, 11 << 20: 200, (11 << 20) + 1: 413})):
        gate.m.write("muelle.yaml", gate.text.replace("traffic: {", f"traffic: {{ body_size: {said},"))
        gate.m.cli("reload")
        assert {size: post(gate, size) for size in sizes} == sizes, said
