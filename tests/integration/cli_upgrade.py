# SPDX-License-Identifier: Apache-2.0
"""`muelle upgrade`: keeper, core and edge become another binary under load, and no request fails."""
import json
import os
import shutil
import socket
import sys
import threading

import pytest

from muelle import BINARY, alive, free_port, wait_until

SERVER = """
import http.server, os
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
"""


class Requests:
    """A connection for each request, as fast as they go; whatever is not a whole 200 is kept."""

    def __init__(self, port):
        self.port, self.ok, self.failed, self.stopping = port, 0, [], False
        self.threads = [threading.Thread(target=self.run) for _ in range(4)]

    def one(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while data := s.recv(4096):
                answer += data
        return answer

    def run(self):
        while not self.stopping:
            try:
                answer = self.one()
                if answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\nok"):
                    self.ok += 1
                else:
                    self.failed.append(answer[:200])
            except OSError as error:
                self.failed.append(repr(error))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_until(lambda: self.ok > 20, what="requests")
        return self

    def __exit__(self, *error):
        self.stopping = True
        for thread in self.threads:
            thread.join()


@pytest.fixture
def shop(muelle):
    muelle.port = free_port()
    muelle.write("server.py", SERVER)
    muelle.write("muelle.yaml", f"""
gateway: {{ listen: ["http://127.0.0.1:{muelle.port}"], admin: "http://127.0.0.1:{free_port()}" }}
services:
  a: {{ command: {sys.executable} server.py, routes: [{{host: a.localhost}}], healthcheck: {{http: /}} }}
  tick: {{ command: sh -c 'n=0; while sleep 0.01; do n=$$((n+1)); echo $$n; done' }}
""")
    muelle.up()
    return muelle


def roles(m):
    status = m.status()
    return [status[role]["pid"] for role in ("keeper", "core", "edge")]


def test_every_role_becomes_the_binary_and_no_request_fails(shop, tmp_path):
    binary = tmp_path / "muelle-next"
    shutil.copy2(BINARY, binary)
    before, services = roles(shop), {r["service"]: r["pid"] for r in shop.ps()}
    with Requests(shop.port) as load:
        for target in (binary, BINARY):
            said = shop.cli("upgrade", target).stdout
            assert [line.split()[1] for line in said.splitlines()] == ["keeper", "core", "edge"], said
            after = roles(shop)
            assert [os.readlink(f"/proc/{pid}/exe") for pid in after] == [str(target)] * 3
            counted = load.ok
            wait_until(lambda counted=counted: load.ok > counted + 20, what="requests after it")
    assert load.failed == []
    assert after[0] == before[0] and after[1:] != before[1:]
    assert {r["service"]: r["pid"] for r in shop.ps()} == services
    lines = [int(line) for line in shop.cli("logs", "tick", "--no-prefix").stdout.splitlines()]
    assert lines == list(range(1, len(lines) + 1)), "no line is lost or doubled"


def test_what_is_no_muelle_changes_nothing(shop):
    before = roles(shop)
    for wrong in ("/bin/true", shop.folder / "muelle.yaml"):
        result = shop.cli("upgrade", wrong, check=False)
        assert result.returncode == 1 and "the keeper does not become this program" in result.stderr, result.stderr
        assert f"  at {os.path.realpath(wrong)}\n" in result.stderr and "all goes on as before" in result.stderr
    result = shop.cli("upgrade", "/no/such", check=False)
    assert result.returncode == 2 and "cannot find '/no/such'" in result.stderr
    assert roles(shop) == before and all(alive(pid) for pid in before)


def test_without_a_name_it_is_the_binary_that_runs_the_command(shop):
    said = json.loads(shop.cli("upgrade", "--json").stdout)
    assert said["binary"] == str(BINARY.resolve()) and said["version"]
    assert [said["keeper"], said["core"], said["edge"]] == roles(shop)


def test_without_an_instance_it_says_so(muelle):
    result = muelle.cli("upgrade", check=False)
    assert result.returncode == 3 and "no instance is running here" in result.stderr
