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
    kinds = [event["kind"] for event in shop.get("/api/v1/events?limit=500")["items"]]
    assert kinds.count("role.adopted") == kinds.count("role.replaced") == 2, kinds
    lines = [int(line) for line in shop.cli("logs", "tick", "--no-prefix").stdout.splitlines()]
    assert lines == list(range(1, len(lines) + 1)), "no line is lost or doubled"


def test_who_asks_meanwhile_is_answered(shop):
    asked, ended = [], threading.Event()

    def ask():
        while not ended.is_set():
            result = shop.cli("status", check=False)
            asked.append((result.returncode, result.stderr))
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        shop.cli("upgrade", "--force")
    ended.set()
    for thread in threads:
        thread.join()
    assert len(asked) > 10 and set(asked) == {(0, "")}, set(asked)


def test_who_takes_over_what_ran_says_so(shop):
    def adopted():
        return [event["message"] for event in shop.get("/api/v1/events?limit=500")["items"] if event["kind"] == "role.adopted"]
    shop.kill("core")
    shop.up()
    said = wait_until(adopted, what="the event")
    assert len(said) == 1 and said[0].endswith(") took over 2 running processes."), said
    shop.kill("keeper", "core", "edge")
    shop.up()
    wait_until(lambda: len(adopted()) == 2, what="the event of the next 'up'")


def test_what_is_no_muelle_changes_nothing(shop):
    before = roles(shop)
    for wrong in ("/bin/true", shop.folder / "muelle.yaml"):
        result = shop.cli("upgrade", wrong, check=False)
        assert result.returncode == 1 and "the keeper does not become this program" in result.stderr, result.stderr
        assert ("it is no muelle binary, or may not be executed" in result.stderr) == (wrong != "/bin/true"), result.stderr
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


class StartingCore:
    """Stands in front of the core's socket and answers one request as a core does that is just starting;
    all else is the core's."""

    def __init__(self, muelle, refused):
        self.path, self.refused, self.left = muelle.socket(), refused, 1
        self.real = self.path.with_name("real.sock")
        os.rename(self.path, self.real)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(16)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        core = socket.socket(socket.AF_UNIX)
        core.connect(str(self.real))
        threading.Thread(target=self.copy, args=(core, client), daemon=True).start()
        while data := client.recv(65536):
            if self.left and data.startswith(self.refused):
                self.left = 0
                body = b'{"status":503,"code":"core.starting","title":"the core is starting"}'
                client.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
                               b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            else:
                core.sendall(data)
        core.close()

    @staticmethod
    def copy(core, client):
        try:
            while data := core.recv(65536):
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.listener.close()
        os.rename(self.real, self.path)


@pytest.mark.parametrize("refused, words", [
    (b"GET /api/v1/instance", ["status"]),
    (b"POST /api/v1/projects/", ["restart", "a"]),
    (b"GET /api/v1/stream", ["top", "--once"]),
    (b"GET /api/v1/projects/", ["logs", "tick", "-n", "1"]),
])
def test_a_core_that_starts_behind_a_verbs_first_question_is_waited_for(shop, refused, words):
    with StartingCore(shop, refused) as core:
        result = shop.cli(*words, check=False)
    assert core.left == 0, "the request came"
    assert (result.returncode, result.stderr) == (0, "")
