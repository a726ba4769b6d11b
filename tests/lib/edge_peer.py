# SPDX-License-Identifier: Apache-2.0
"""The real edge without keeper and core (tests/tools/edge_driver.c), and raw peers for it."""
import json
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

from muelle import free_port

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MUELLE_BUILD", ROOT / "build"))
DRIVER = BUILD / "tests/tools/edge_driver"
DRIVER_ARGS = os.environ.get("EDGE_DRIVER_ARGS", "").split()
BACKEND = BUILD / "tests/tools/echo_backend"


class Edge:
    """with Edge(tmp, "service web", …) as edge: edge.port answers; `listen http` is added."""

    def __init__(self, tmp, *lines, gateway=os.environ.get("EDGE_GATEWAY", "threads=1"), port=None, args=()):
        self.port = port or free_port()
        self.lines = list(lines)
        self.gateway = gateway
        self.file = Path(tmp) / f"edge-{self.port}.conf"
        self.args = args
        self.write()

    def write(self):
        text = [f"gateway {self.gateway}", f"listen http 127.0.0.1:{self.port}", *self.lines]
        self.file.write_text("\n".join(text) + "\n")

    def __enter__(self):
        self.process = subprocess.Popen([*self.args, str(DRIVER), str(self.file), *DRIVER_ARGS], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        wait_port(self.port)
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.stdin.close()
            assert self.process.wait(20) == 0
        self.process.stdout.close()

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stats(self):
        return self.command("stats")

    def records(self, at_least=1):
        """Those since the last call; a record is written just after the client has its answer."""
        found = []

        def enough():
            found.extend(self.command("records"))
            return len(found) >= at_least
        until(enough)
        return found

    def reload(self, *lines):
        self.lines = list(lines)
        self.write()
        self.command("reload")

    def rss_kib(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])

    def connect(self, timeout=10):
        return Client(self.port, timeout)

    def get(self, path="/", host="x", headers=(), method="GET", body=b""):
        with self.connect() as client:
            client.send(request(method, path, host, headers, body))
            return client.response(method)


def wait_port(port, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.005)
    raise AssertionError(f"nothing listens on {port}")


def until(what, seconds=10):
    """Waits for a condition; its truth is the result."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = what()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError("it did not become true")


def request(method="GET", path="/", host="x", headers=(), body=b""):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Response:
    def __init__(self, status, headers, body, trailers=()):
        self.status, self.headers, self.body, self.trailers = status, headers, body, list(trailers)

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:80]}>"


class Client:
    """A raw client connection that reads like a strict client."""

    def __init__(self, port, timeout=10):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def until(self, mark):
        while mark not in self.buffer:
            if not self.more():
                raise EOFError(self.buffer)
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def exactly(self, n):
        while len(self.buffer) < n:
            if not self.more():
                raise EOFError(self.buffer)
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def head(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            headers[name.lower()] = value if name.lower() not in headers else headers[name.lower()] + ", " + value
        return int(lines[0].split(" ")[1]), headers

    def trailers(self):
        """The lines between the last chunk and the empty line."""
        lines = []
        while line := self.until(b"\r\n"):
            lines.append(line.decode("latin-1"))
        return lines

    def response(self, method="GET"):
        status, headers = self.head()
        if method == "HEAD" or status in (204, 304) or status < 200:
            return Response(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                size = int(self.until(b"\r\n"), 16)
                if size == 0:
                    return Response(status, headers, body, self.trailers())
                body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
        if "content-length" in headers:
            return Response(status, headers, self.exactly(int(headers["content-length"])))
        while self.more():
            pass
        body, self.buffer = self.buffer, b""
        return Response(status, headers, body)

    def closed(self):
        """The other side ended, without a further byte."""
        try:
            return self.buffer == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


class Upstream:
    """A scripted server: `serve(connection, n)` is called in a thread for the n-th connection."""

    def __init__(self, serve, port=None):
        self.serve = serve
        self.listener = socket.create_server(("127.0.0.1", port or 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.count = 0
        self.connections = []
        threading.Thread(target=self.run, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            self.connections.append(connection)
            threading.Thread(target=self.one, args=(connection, self.count), daemon=True).start()

    def one(self, connection, n):
        peer = Peer(connection)
        try:
            self.serve(peer, n)
        except (OSError, EOFError):
            pass
        finally:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.listener.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Peer(Client):
    """The upstream's end of a connection."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.settimeout(20)
        self.buffer = b""

    def request(self):
        """The next request: (first line, headers, body); the trailers of chunks are headers[""]."""
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = [tuple(line.split(": ", 1)) for line in lines[1:]]
        low = {name.lower(): value for name, value in headers}
        body = b""
        if low.get("transfer-encoding") == "chunked":
            while True:
                size = int(self.until(b"\r\n"), 16)
                if size == 0:
                    low[""] = self.trailers()
                    break
                body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
        elif "content-length" in low:
            body = self.exactly(int(low["content-length"]))
        return lines[0], low, body

    def reply(self, body=b"ok", status="200 OK", headers=()):
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def echo(peer, n):
    """Answers each request with what it got, as JSON."""
    while True:
        line, headers, body = peer.request()
        text = json.dumps({"line": line, "headers": headers, "length": len(body), "connection": n,
                           "body": body[:1000].decode("latin-1")}).encode()
        peer.reply(text, headers=["Content-Type: application/json"])
