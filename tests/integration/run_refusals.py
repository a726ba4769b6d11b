# SPDX-License-Identifier: Apache-2.0
"""What run/ refuses with the machine or another project in its way, and that it says who or what that is."""
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from muelle import Muelle, alive, free_port, wait_until  # noqa: E402


@pytest.fixture
def m(tmp_path):
    with Muelle(tmp_path) as muelle:
        yield muelle


def project(m, services, name="t", listen="", file="muelle.yaml"):
    return m.write(file, f"name: {name}\ngateway: {{ listen: [{listen}], admin: off }}\nservices:\n"
                   + textwrap.indent(textwrap.dedent(services), "  "))


def row(m, service="a"):
    return next((r for r in m.get("/api/v1/projects/t/replicas")["items"] if r["service"] == service), None)


def apply(m, *files, **more):
    code, _, body = m.request("POST", "/api/v1/projects", {"files": [str(f) for f in files], **more})
    return code, body


def test_a_route_belongs_to_one_project(m):
    listen = f'"http://127.0.0.1:{free_port()}"'
    web = "{ command: sleep 600, routes: [ { host: %s, path: /x } ] }\n"
    project(m, "a: " + web % "one.localhost", listen=listen)
    m.cli("up", "-d")
    other = project(m, "b: { command: sleep 600 }\nc: " + web % "one.localhost", "u", listen, "u.yaml")
    code, body = apply(m, other)
    assert code in (409, 422), body
    problem = body["problems"][0]
    assert problem["code"] == "config.duplicate-route"
    assert "one.localhost/x" in problem["detail"] and "t/a" in problem["detail"]
    assert str(other) in str(problem["where"])
    assert [p["name"] for p in m.get("/api/v1/projects")["items"]] == ["t"]
    other = project(m, "c: " + web % "two.localhost", "u", listen, "u.yaml")
    assert apply(m, other)[0] == 200
    m.request("DELETE", "/api/v1/projects/u")


def test_a_service_that_is_not_in_the_file_cannot_be_started_alone(m):
    project(m, "z: { command: sleep 600 }\n", "u")
    m.up()
    file = project(m, "a: { command: sleep 600 }\nb: { command: sleep 600, profiles: [ more ] }\n", file="t.yaml")
    code, body = apply(m, file, services=["a", "nobody"])
    assert code == 422 and body["problems"][0]["code"] == "service.unknown"
    assert "'nobody'" in body["problems"][0]["detail"]
    assert [p["name"] for p in m.get("/api/v1/projects")["items"]] == ["u"]
    assert apply(m, file, profiles=["more"])[0] == 200
    assert {s["name"] for s in m.get("/api/v1/projects/t/services")["items"]} == {"a", "b"}
    code, body = apply(m, file, profiles=["more"])
    assert code == 200 and {p["action"] for p in body["plan"]} == {"unchanged"}
    m.request("DELETE", "/api/v1/projects/t")


def test_who_took_the_port_of_a_stopped_service_is_named(m):
    port = free_port()
    project(m, f"a: {{ command: {sys.executable} -m http.server {port} --bind 127.0.0.1, port: {port}, "
               "backoff: { initial: 100ms, max: 200ms } }\n")
    m.up()
    m.cli("stop", "a")
    wait_until(lambda: row(m)["state"] == "stopped", what="stop")
    with subprocess.Popen([sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
                          stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as thief:
        def taken():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        wait_until(taken, what="the other program")
        m.cli("start", "a", check=False)
        said = wait_until(lambda: "taken" in (row(m)["reason"] or "") and row(m)["reason"], what="the reason")
        assert f"port {port} is taken by" in said and f"(pid {thief.pid})" in said
        thief.kill()
    wait_until(lambda: row(m)["state"] == "running", 20, what="the start once it is gone")


def test_a_socket_of_a_port_that_was_asked_for_outlives_the_core(m):
    port = free_port()
    m.write("accept.py", "import socket\ns = socket.socket(fileno=3)\n"
                         "while True:\n    c, _ = s.accept()\n    c.sendall(str(s.getsockname()[1]).encode())\n"
                         "    c.close()\n")
    project(m, f"a: {{ command: {sys.executable} accept.py, listen_fds: true, port: {port} }}\n")
    m.up()

    def answer():
        with socket.create_connection(("127.0.0.1", port), 10) as s:
            return s.recv(100).decode()
    assert answer() == str(port)
    pid, core = row(m)["pid"], m.get("/api/v1/instance")["core"]["pid"]
    os.kill(core, signal.SIGKILL)

    def back():
        try:
            code, _, body = m.request("GET", "/api/v1/instance")
        except (OSError, StopIteration):
            return False
        return code == 200 and body["core"]["pid"] != core
    wait_until(back, what="another core")
    assert row(m)["pid"] == pid and row(m)["port"] == port and answer() == str(port)
    m.cli("restart", "a")
    wait_until(lambda: row(m)["pid"] not in (0, None, pid) and row(m)["state"] == "running", what="restart")
    assert answer() == str(port)
    assert not alive(pid)


def test_a_program_that_writes_faster_than_the_log_is_read_waits_and_no_line_is_lost(m):
    lines = 150_000
    m.write("flood.py", f"import time\nfor i in range({lines}): print(f'{{i:06}} ' + 'x' * 100)\n"
                        "print('the end', flush=True)\ntime.sleep(600)\n")
    project(m, f"a: {{ command: {sys.executable} flood.py, logging: {{ mode: pipe, burst: 1MB }} }}\n")
    m.cli("up", "-d")
    wait_until(lambda: "the end" in m.cli("logs", "a", "--tail", "1").stdout, 60, "the last line")
    tail = m.cli("logs", "a", "--tail", "1001").stdout.splitlines()[:1000]
    assert [f"{i:06}" in line for i, line in zip(range(lines - 1000, lines), tail)] == [True] * 1000
