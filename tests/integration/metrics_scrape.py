# SPDX-License-Identifier: Apache-2.0
"""GET /metrics and its relatives, as scrapers and people read them."""
import json
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from muelle import alive, free_port, wait_until

WEB = """
import http.server, os, time
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        status = 500 if self.path == "/broken" else 200
        self.send_response(status); self.send_header("Content-Length", "2"); self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
"""


@pytest.fixture
def web(muelle):
    muelle.write("web.py", WEB)
    muelle.port = free_port()
    muelle.write("muelle.yaml", f"""
name: shop
gateway:
  listen: [ "http://127.0.0.1:{muelle.port}" ]
  admin: "http://127.0.0.1:{free_port()}"
services:
  web:
    command: /usr/bin/python3 web.py
    deploy: {{ replicas: 2 }}
    routes: [ {{ host: web.localhost, path: / }} ]
  idle: {{ command: sleep 3600 }}
""")
    muelle.up()
    return muelle


def ask(web, path, count=1):
    for _ in range(count):
        request = urllib.request.Request(f"http://127.0.0.1:{web.port}{path}", headers={"Host": "web.localhost"})
        try:
            urllib.request.urlopen(request, timeout=5).read()
        except urllib.error.HTTPError as error:
            error.read()


def scrape(web, accept=None):
    status, headers, body = web.request("GET", "/metrics", headers={"Accept": accept} if accept else {})
    assert status == 200
    return headers["Content-Type"], body.decode()


def test_a_series_is_told_once_whatever_became_of_its_replicas(web):
    def series():
        return [line.rsplit(" ", 1)[0] for line in scrape(web)[1].splitlines() if not line.startswith("#")]

    def count():
        return sum(int(line.rsplit(" ", 1)[1]) for line in scrape(web)[1].splitlines()
                   if line.startswith("muelle_requests_total") and 'status="2xx"' in line and 'service="web"' in line)
    ask(web, "/", 6)
    web.cli("restart", "web")  # rolling: another endpoint of the same replica
    ask(web, "/", 6)
    wait_until(lambda: count() == 12, what="all are counted")
    assert len(series()) == len(set(series()))
    assert any('replica="web-2"' in line for line in series())
    web.cli("scale", "web=1")
    web.kill("core")  # the next one does not know what left
    wait_until(lambda: web.pid("core"), what="the next core")
    ask(web, "/", 3)
    wait_until(lambda: count() == 15, what="all are counted still")
    assert len(series()) == len(set(series()))



def total(text, name, **labels):
    result = 0.0
    for line in text.splitlines():
        match = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
        if match and all(f'{key}="{value}"' in (match[1] or "") for key, value in labels.items()):
            result += float(match[2])
    return result


def test_copies_and_ejections_are_counted_by_whose_they_are(muelle):
    muelle.write("web.py", WEB)
    muelle.port = free_port()
    muelle.write("muelle.yaml", f"""
name: shop
gateway: {{ listen: [ "http://127.0.0.1:{muelle.port}" ], admin: false }}
services:
  web:
    command: /usr/bin/python3 web.py
    routes: [ {{ host: web.localhost, path: / }} ]
    traffic: {{ mirror: {{ service: shadow, share: 100 }} }}
  shadow: {{ command: /usr/bin/python3 web.py }}
  bad:
    command: /usr/bin/python3 web.py
    deploy: {{ replicas: 2 }}
    routes: [ {{ host: web.localhost, path: /broken }} ]
    traffic: {{ outlier: {{ consecutive: 1, ejection: 1h, ejection_max: 1h }} }}
""")
    muelle.up()
    ask(muelle, "/", 7)
    wait_until(lambda: total(scrape(muelle)[1], "muelle_requests_mirrored_total") == 7, what="the copies")
    text = scrape(muelle)[1]
    assert total(text, "muelle_requests_mirrored_total", host="web.localhost", path="/", service="web", replica="web-1") == 7
    ask(muelle, "/broken", 12)
    wait_until(lambda: total(scrape(muelle)[1], "muelle_upstream_ejections_total", service="bad") >= 1, what="an ejection")
    text = scrape(muelle)[1]
    assert total(text, "muelle_upstream_ejections_total", host="", service="bad") == total(text, "muelle_upstream_ejections_total")


def test_every_request_is_counted_once(web):
    ask(web, "/", 40)
    ask(web, "/broken", 10)
    # A request is counted when its connection has seen the end of the answer.
    wait_until(lambda: total(scrape(web)[1], "muelle_requests_total", service="web") >= 50, 5, "50 requests")
    _, text = scrape(web)
    assert total(text, "muelle_requests_total", service="web") == 50
    assert total(text, "muelle_requests_total", service="web", status="5xx") == 10
    assert total(text, "muelle_request_errors_total", service="web") == 10
    assert total(text, "muelle_request_duration_seconds_count", service="web") == 50
    records = "/api/v1/projects/shop/logs?service=edge&limit=1000"
    wait_until(lambda: len(web.get(records)["items"]) == 50, 10, "an access record each")


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_accepts_it(web):
    ask(web, "/", 3)
    kind, text = scrape(web)
    assert kind.startswith("text/plain; version=0.0.4")
    result = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_accepts_strange_names(muelle):
    muelle.port = free_port()
    muelle.write("web.py", WEB)
    muelle.write("muelle.yaml", f"""
name: obs-x_1
gateway: {{ listen: [ "http://127.0.0.1:{muelle.port}" ], admin: false }}
services:
  "we.ird-na_me":
    command: /usr/bin/python3 web.py
    routes: [ {{ host: "*.localhost", path: "/a%22b" }}, {{ host: web.localhost, path: '/{{x}}=1,y' }} ]
""")
    muelle.up()
    for path in ("/a%22b", "/{x}=1,y"):
        ask(muelle, path)
    wait_until(lambda: total(scrape(muelle)[1], "muelle_requests_total", service="we.ird-na_me") == 2, what="two requests")
    _, text = scrape(muelle)
    assert total(text, "muelle_requests_total", host="web.localhost", path="/{x}=1,y") == 1
    result = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_openmetrics_for_those_who_ask_for_it(web):
    kind, text = scrape(web, "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")
    assert "# TYPE muelle_requests counter" in text


def test_counters_survive_the_core(web):
    ask(web, "/", 7)
    web.kill("core")
    wait_until(lambda: web.cli("status", "--json", check=False).returncode == 0, 10, "the core")
    ask(web, "/", 3)
    wait_until(lambda: total(scrape(web)[1], "muelle_requests_total", service="web") == 10, 10, "ten requests")
    records = "/api/v1/projects/shop/logs?service=edge&limit=1000"
    wait_until(lambda: len(web.get(records)["items"]) == 10, 10, "ten records, none doubled")


def test_resources_of_replicas_and_roles(web):
    body = web.get("/api/metrics")
    replicas = {f"{item['service']}-{item['replica']}" for item in body["replicas"]}
    assert replicas == {"web-1", "web-2", "idle-1"}
    _, text = scrape(web)
    assert total(text, "muelle_replica_memory_bytes", replica="web-1") > 1_000_000
    assert total(text, "muelle_replica_cpu_seconds_total", service="web") > 0.01
    assert total(text, "muelle_replica_processes", replica="idle-1") >= 1
    for role in ("keeper", "core", "edge"):
        assert total(text, "muelle_role_memory_bytes", role=role) > 100_000


def test_resources_are_those_of_the_process_that_runs_now(muelle):
    """After a rolling restart, whose old process ends later, and after the core was replaced."""
    muelle.write("muelle.yaml", """
name: shop
gateway: { admin: false }
services:
  web:
    command: /usr/bin/python3 -c 'import time; x = bytearray(30 << 20); time.sleep(1000)'
""")
    muelle.up()
    path = "/api/v1/projects/shop/services/web"

    def memory():
        return muelle.get(path)["memory_bytes"] or 0

    wait_until(lambda: memory() > 20 << 20, what="memory of the first process")
    before = muelle.ps()[0]["pid"]
    muelle.cli("restart", "web")
    wait_until(lambda: muelle.ps()[0]["pid"] != before)
    wait_until(lambda: not alive(before))
    wait_until(lambda: memory() > 20 << 20, what="memory after a restart")
    muelle.kill("core")
    wait_until(lambda: muelle.cli("ps", check=False).returncode == 0, what="a new core")
    wait_until(lambda: memory() > 20 << 20, what="memory after the core was replaced")


def test_memory_as_it_is_shared_is_read_on_demand(web):
    path = "/api/v1/projects/shop/services/web/memory"
    memory = web.get(path)
    assert 1_000_000 < memory.pop("pss_bytes") < 200_000_000
    assert memory == {"project": "shop", "service": "web", "processes": 2, "unreadable": 0}
    web.cli("stop", "web")
    wait_until(lambda: web.get(path) == {**memory, "pss_bytes": None, "processes": 0}, what="no process any more")
    status, _, body = web.request("GET", "/api/v1/projects/shop/services/none/memory")
    assert status == 404 and body["code"] == "service.unknown"


def live_figures(muelle, ticks):
    """What the live stream says at each of its next ticks, by service and replica (null = all of the service)."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(20)
        stream.connect(str(muelle.socket()))
        stream.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        kind, found = None, []
        for line in stream.makefile("r", encoding="utf-8"):
            kind = line[7:].strip() if line.startswith("event: ") else kind
            if line.startswith("data: ") and kind == "metrics":
                found.append({(i["service"], i["replica"]): i for i in json.loads(line[6:])["items"]})
            if len(found) == ticks:
                return found


def test_what_is_not_known_is_not_said(muelle):
    """No process, no figures: null in JSON, absent in the exposition. And what a process had used before this core
    met it is not the use of one second."""
    muelle.write("muelle.yaml", """
name: shop
gateway: { admin: false }
services:
  busy: { command: [/usr/bin/python3, -c, "while True: pass"] }
  off: { command: sleep 1000 }
""")
    muelle.up()
    muelle.cli("stop", "off")
    first = live_figures(muelle, 1)[0]
    for key in (("off", None), ("off", 1)):
        assert (first[key]["cpu_percent"], first[key]["memory_bytes"]) == (None, None)
    assert first["busy", 1]["memory_bytes"] > 1_000_000
    history = muelle.get("/api/metrics")
    assert [i["memory_bytes"] for i in history["replicas"] if i["service"] == "off"] == [None]
    _, text = scrape(muelle)
    assert total(text, "muelle_replica_up", replica="off-1") == 0
    for family in ("memory_bytes", "processes"):
        assert "busy-1" in "".join(re.findall(rf"^muelle_replica_{family}{{.*", text, re.M))
        assert "off-1" not in "".join(re.findall(rf"^muelle_replica_{family}{{.*", text, re.M))
    wait_until(lambda: (live_figures(muelle, 2)[1]["busy", 1]["cpu_percent"] or 0) > 5, what="the use of a processor")
    muelle.kill("core")
    wait_until(lambda: muelle.cli("ps", check=False).returncode == 0, what="a new core")
    figures = [tick["busy", 1]["cpu_percent"] for tick in live_figures(muelle, 4) if ("busy", 1) in tick]
    assert all(figure is None or figure < 120 for figure in figures) and figures[-1] > 5
