# SPDX-License-Identifier: Apache-2.0
"""Health commands that misbehave, probes on a port of their own, and what of it the gateway is told."""
import http.client
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from muelle import Muelle, alive, free_port, wait_until  # noqa: E402

SERVER = """
import http.server, os, threading
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        sick = os.path.exists('sick') and self.path == '/health'
        body = (self.path + ' ' + str(self.server.server_port)).encode()
        self.send_response(500 if sick else 200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
ports = [int(p) for p in os.environ['PORTS'].split()]
for port in ports[1:]:
    threading.Thread(target=http.server.ThreadingHTTPServer(('127.0.0.1', port), H).serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer(('127.0.0.1', ports[0]), H).serve_forever()
"""


@pytest.fixture
def m(tmp_path):
    with Muelle(tmp_path) as muelle:
        yield muelle


def project(m, services, listen=""):
    m.write("muelle.yaml", f"name: t\ngateway: {{ listen: [{listen}], admin: off }}\nservices:\n{services}")


def row(m, service="a"):
    return next((r for r in m.get("/api/v1/projects/t/replicas")["items"] if r["service"] == service), None)


@pytest.mark.parametrize("test, said", [
    ('"sleep", "600"', "health command timed out"),
    ('"sh", "-c", "echo too ill; kill -9 $$$$"', "health command was killed by signal 9: too ill"),
    ('"/no/such/program"', "health command could not start"),
])
def test_a_health_command_that_gives_no_verdict_is_one_that_failed(m, test, said):
    project(m, f'  a: {{ command: sleep 600, healthcheck: {{ test: [ "CMD", {test} ], interval: 200ms, '
               'timeout: 300ms, retries: 2 } }\n')
    m.cli("up", "-d")
    wait_until(lambda: (r := row(m)) and said in (r["reason"] or ""), 20, said)
    assert row(m)["state"] != "running"
    m.cli("stop", "a")
    wait_until(lambda: row(m)["state"] == "stopped", what="stop")


def test_a_health_command_ends_with_its_service(m):
    pid = m.folder / "pid"
    project(m, f'  a: {{ command: sleep 600, healthcheck: {{ test: [ "CMD", "sh", "-c", "echo $$$$ > {pid}; exec sleep '
               '600" ], interval: 100ms, timeout: 60s } }\n')
    m.cli("up", "-d")
    running = int(wait_until(lambda: pid.exists() and pid.read_text().strip(), what="the command"))
    assert alive(running)
    m.cli("stop", "a")
    wait_until(lambda: row(m)["state"] == "stopped", what="stop")
    wait_until(lambda: not alive(running), what="the command's end")
    wait_until(lambda: not list((m.state / "run").resolve().glob("probe-*")), what="no file")


def get(port, path="/x"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    connection.request("GET", path, headers={"Host": "a.localhost"})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def test_a_probe_on_another_port_decides_and_gets_no_requests(m):
    port, own, health = free_port(), free_port(), free_port()
    m.write("server.py", SERVER)
    project(m, f'  a: {{ command: {sys.executable} server.py, environment: {{ PORTS: "{own} {health}" }}, port: {own},\n'
               '       routes: [ { host: a.localhost, balance: least_conn } ],\n'
               f'       healthcheck: {{ http: /health, port: {health}, interval: 200ms, retries: 2 }} }}\n',
            f'"http://127.0.0.1:{port}"')
    m.up()
    assert row(m)["probe"]["body"] == f"/health {health}"
    assert all(get(port) == (200, f"/x {own}") for _ in range(8))
    before = row(m)["probe"]["time"]
    wait_until(lambda: row(m)["probe"]["time"] > before, what="the last probe, which is no news")
    (m.folder / "sick").touch()
    wait_until(lambda: row(m)["state"] == "unhealthy", what="unhealthy")
    assert "answered 500" in row(m)["reason"]
    (m.folder / "sick").unlink()
    wait_until(lambda: row(m)["state"] == "running", what="recovery")
    assert get(port) == (200, f"/x {own}")
    m.cli("stop", "a")
    wait_until(lambda: get(port)[0] == 503, what="no endpoint")
    m.cli("start", "a")
    wait_until(lambda: row(m)["state"] == "running", what="start")
    assert get(port) == (200, f"/x {own}")


@pytest.mark.parametrize("number, name", [("SIGPIPE", 13), ("usr2", 12), ("SIGTERM", 15)])
def test_a_service_is_stopped_by_the_signal_that_it_asks_for(m, number, name):
    m.write("trap.py", "import signal, sys\n"
                       f"signal.signal({name}, lambda *a: (print('told', flush=True), sys.exit(0)))\n"
                       "print('ready', flush=True)\nwhile True: signal.pause()\n")
    project(m, f'  a: {{ command: {sys.executable} trap.py, stop_signal: "{number}", stop_grace_period: 20s }}\n')
    m.up()
    wait_until(lambda: "ready" in m.cli("logs", "a").stdout, what="ready")
    m.cli("stop", "a")
    wait_until(lambda: "told" in m.cli("logs", "a").stdout, what="the signal")


def test_one_that_does_not_become_ready_says_what_its_probe_said(m):
    m.write("ill.py", "import http.server, os\n"
            "class H(http.server.BaseHTTPRequestHandler):\n"
            "    def do_GET(self): self.send_response(500); self.end_headers()\n"
            "http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), H).serve_forever()\n")
    m.write("muelle.yaml", f"""
name: t
gateway: {{ listen: "http://127.0.0.1:{free_port()}", admin: off }}
services:
  deaf: {{ command: sleep 300, routes: [ {{ host: a.localhost }} ] }}
  ill: {{ command: {sys.executable} ill.py, routes: [ {{ host: b.localhost }} ], healthcheck: {{ http: /healthz, start_period: 60s }} }}
""")
    said = m.cli("up", "-d", "--wait", "--wait-timeout", "5s", check=False)
    assert "GET /healthz: 500" in said.stderr and "nothing answers on port" in said.stderr
    rows = m.cli("ps").stdout
    assert "GET /healthz: 500" in rows and "nothing answers on port" in rows
