# SPDX-License-Identifier: Apache-2.0
"""How requests are spread, in the real program: what a file says, weights and drains at run time, cookies, loads, places."""
import collections
import datetime
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from mmdb import write_mmdb  # noqa: E402
from muelle import Muelle, free_port, wait_until  # noqa: E402

SERVER = """
import http.server, os, threading
burn = os.environ.get('BURN') == os.environ['MUELLE_REPLICA']
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        me = os.environ['MUELLE_REPLICA']
        body = me.encode()
        ill = self.path == '/health' and os.path.exists('sick-' + me) or self.path == '/fails'
        self.send_response(500 if ill else 200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
def spin():
    while True: pass
if burn:
    threading.Thread(target=spin, daemon=True).start()
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), H).serve_forever()
"""


class Shop(Muelle):
    asked = 0  # so many requests

    def start(self, traffic, replicas=3, gateway="", service="", ready=None):
        self.port = getattr(self, "port", None) or free_port()
        self.write("server.py", SERVER)
        self.write("muelle.yaml", f"""
name: t
gateway: {{ listen: "http://127.0.0.1:{self.port}", admin: off, {gateway if "threads" in gateway else "threads: 1, " + gateway} }}
services:
  web:
    command: {sys.executable} server.py
    deploy: {{ replicas: {replicas} }}
    routes: [ {{ host: a.localhost }} ]
    traffic: {traffic}
    {service}
""")
        self.cli("up", "-d")
        wait_until(lambda: sum(e["ready"] for e in self.route()["endpoints"]) == (ready or replicas), 20, "all are ready")

    def route(self):
        return self.get("/api/v1/projects/t/routes")["items"][0]

    def ask(self, address="127.0.0.1", **headers):
        self.asked += 1
        with socket.create_connection(("127.0.0.1", self.port), 10, (address, 0)) as sock:
            client = http.client.HTTPConnection("a.localhost", self.port)
            client.sock = sock
            client.request("GET", "/", headers={"Connection": "close", "Host": "a.localhost", **headers})
            answer = client.getresponse()
            assert answer.status == 200
            return answer.read().decode(), answer.getheader("Set-Cookie")

    def who(self, n, **options):
        return [self.ask(**options)[0] for _ in range(n)]

    def counts(self, n, **options):
        return dict(collections.Counter(self.who(n, **options)))

    def settles(self, n, counts, **options):
        """The edge takes a change over a moment after the answer."""
        wait_until(lambda: self.counts(n, **options) == counts, 10, f"{counts}")


@pytest.fixture
def shop(tmp_path):
    with Shop(tmp_path) as shop:
        yield shop


def test_a_signal_that_no_request_has_is_told(shop):
    shop.start("{ balance: hash, hash: { by: header, name: X-User } }")
    shop.settles(6, {"1": 2, "2": 2, "3": 2})
    told = f"all {shop.asked} requests so far lacked what it goes by"  # more than six if one came too early
    wait_until(lambda: shop.route()["balance_reason"] == told, 10, told)  # the edge counts behind the answer
    assert shop.route()["effective_balance"] == "round_robin"
    shop.ask(**{"X-User": "me"})
    wait_until(lambda: shop.route()["effective_balance"] == "hash", 10, "one had it")


def test_a_file_says_how_requests_are_spread(shop):
    shop.start("{ balance: hash, hash: { by: header, name: X-User } }")
    first = [shop.ask(**{"X-User": f"u{i}"})[0] for i in range(20)]
    assert len(set(first)) == 3 and [shop.ask(**{"X-User": f"u{i}"})[0] for i in range(20)] == first
    route = shop.route()
    assert (route["balance"], route["effective_balance"], route["balance_reason"]) == ("hash", "hash", None)
    assert sum(e["unbalanced"] for e in route["endpoints"]) == 0
    shop.who(3)
    wait_until(lambda: sum(e["unbalanced"] for e in shop.route()["endpoints"]) == 3, 10, "three are counted")
    shop.start("{}")  # live, and nothing is restarted
    shop.settles(9, {"1": 3, "2": 3, "3": 3})
    assert all(r["restarts"] == 0 for r in shop.ps())


def test_weights_and_drains_are_live_and_kept(shop):
    shop.start('{ members: { "1": { weight: 4 }, 2-3: { weight: 1 } } }')
    shop.settles(12, {"1": 8, "2": 2, "3": 2})
    assert shop.cli("weight", "web/1=1", "web/2=2").stdout == "● web  running, 3 of 3 ready, replica 1 weighs 1, replica 2 weighs 2\n"
    shop.settles(12, {"1": 3, "2": 6, "3": 3})
    shop.cli("drain", "web/3")
    shop.settles(12, {"1": 4, "2": 8})
    replicas = {r["replica"]: r for r in shop.get("/api/v1/projects/t/replicas")["items"]}
    assert replicas[3]["reason"].startswith("drained by ") and not replicas[1]["reason"]
    endpoints = shop.route()["endpoints"]
    assert [(e["weight"], e["drained"], e["ready"]) for e in endpoints] == [(1, False, True), (2, False, True), (1, True, False)]
    said = shop.cli("config").stdout
    assert "web.weight.2 = 2" in said and "web.drained.3 = true" in said
    shop.kill("core", "edge")
    wait_until(lambda: shop.pid("core") and shop.pid("edge"), 20, "the roles are back")
    wait_until(lambda: shop.counts(12) == {"1": 4, "2": 8}, 20, "as it was")
    shop.cli("restart", "web")
    shop.settles(12, {"1": 4, "2": 8})
    shop.cli("drain", "--end", "web/3")
    shop.settles(12, {"1": 3, "2": 6, "3": 3})
    shop.cli("weight", "web/3=0")
    shop.settles(12, {"1": 4, "2": 8})
    shop.start('{ members: { "1": { weight: 4 }, 2-3: { weight: 2 } } }')  # the file takes them back
    shop.settles(16, {"1": 8, "2": 4, "3": 4})
    shop.cli("weight", "web/1=1")
    shop.cli("reset")
    shop.settles(16, {"1": 8, "2": 4, "3": 4})


def test_what_cannot_be_weighed_is_refused(shop):
    shop.start("{}")
    for words, said in ((["weight", "web=3"], "is no SERVICE/REPLICA=WEIGHT"), (["weight", "web/1=257"], "too heavy"),
                        (["weight", "web/0=1"], "is no SERVICE"), (["drain", "web"], "is no SERVICE/REPLICA"),
                        (["drain", "wbe/1"], "did you mean 'web'?")):
        result = shop.cli(*words, check=False)
        assert result.returncode != 0 and said in result.stderr + result.stdout, words
    status = shop.request("POST", "/api/v1/projects/t/services/web/weight", {"replica": 1, "weight": 300})[0]
    assert status in (400, 422)
    shop.settles(9, {"1": 3, "2": 3, "3": 3})


def test_a_cookie_outlives_restarts_of_everything(shop):
    shop.start("{ sticky: { cookie: seat, max_age: 1h, secure: true } }")
    mine, cookie = shop.ask()
    assert "; Max-Age=3600" in cookie and "; Secure" in cookie and "; HttpOnly" in cookie
    kept = {"Cookie": cookie.split(";")[0]}
    assert set(shop.who(6, **kept)) == {mine}
    shop.kill("core", "edge")
    wait_until(lambda: shop.pid("core") and shop.pid("edge"), 20, "the roles are back")
    shop.cli("restart", "web")
    wait_until(lambda: sum(e["ready"] for e in shop.route()["endpoints"]) == 3, 20, "all are ready")
    assert set(shop.who(6, **kept)) == {mine}
    shop.cli("scale", "web=6")  # more do not move it
    wait_until(lambda: sum(e["ready"] for e in shop.route()["endpoints"]) == 6, 20, "six are ready")
    assert set(shop.who(6, **kept)) == {mine}
    shop.cli("drain", f"web/{mine}")
    other, fresh = shop.ask(**kept)
    assert other != mine and fresh and fresh != cookie
    forged = "seat=" + "A" * len(cookie.split(";")[0][5:])
    assert shop.ask(Cookie=forged)[1] is not None
    assert (shop.folder / ".muelle/keys/sticky").stat().st_mode & 0o777 == 0o600


def test_http2_requests_are_balanced_by_what_they_say(shop):
    shop.start("{ balance: hash, hash: { by: header, name: x-user }, sticky: {} }")

    def ask(*headers):
        out = subprocess.run(["curl", "-sS", "-i", "--http2-prior-knowledge", "-H", "Host: a.localhost",
                              *(w for h in headers for w in ("-H", h)), f"http://127.0.0.1:{shop.port}/"],
                             capture_output=True, text=True, check=True, timeout=20).stdout
        head, _, body = out.replace("\r", "").partition("\n\n")
        assert head.startswith("HTTP/2 200")
        return body, next((line[12:].split(";")[0] for line in head.split("\n") if line.startswith("set-cookie: ")), None)
    first = [ask(f"X-User: u{i}")[0] for i in range(8)]
    assert len(set(first)) > 1 and [ask(f"X-User: u{i}")[0] for i in range(8)] == first
    mine, cookie = ask("X-User: u0")
    assert {ask(f"X-User: u{i}", "Cookie: a=b", f"Cookie: {cookie}") for i in range(8)} == {(mine, None)}


def test_backups_and_places(shop):
    database = write_mmdb(shop.folder / "places.mmdb", {"127.1.0.0/16": (48.9, 2.4), "127.2.0.0/16": (-36.8, 174.8)})
    shop.start('{ members: { "3": { priority: 1 } } }')
    shop.settles(8, {"1": 4, "2": 4})
    shop.cli("drain", "web/1", "web/2")
    shop.settles(4, {"3": 4})
    shop.cli("reset")
    shop.start('{ balance: nearest, members: { "1": { location: "52.5, 13.4" }, "2": { location: "-33.9, 151.2" } } }')
    route = shop.route()
    assert route["effective_balance"] == "round_robin" and route["balance_reason"] == "no gateway.geo_database is given"
    shop.start('{ balance: nearest, members: { "1": { location: "52.5, 13.4" } } }', gateway="geo_database: none.mmdb")
    route = shop.route()
    assert route["effective_balance"] == "round_robin" and "geo_database is not there" in route["balance_reason"]
    shown = shop.cli("routes").stdout
    assert "round_robin (not nearest)" in shown and "the file of gateway.geo_database is not there" in shown
    said = shop.cli("check").stderr
    assert "the database of places cannot be read" in said and "muelle.yaml:" in said and "No such file" in said
    database.chmod(0o644)
    shop.folder.chmod(0o700)  # the core may read it, the edge not
    if os.getuid() == 0:
        shop.start('{ balance: nearest, members: { "1": { location: "52.5, 13.4" } } }',
                   gateway=f"geo_database: {database.name}")
        wait_until(lambda: shop.route()["effective_balance"] == "round_robin", 10, "the edge has no places")
        assert shop.route()["balance_reason"].startswith("the edge cannot use the file of gateway.geo_database")
        assert "places.mmdb': Permission denied" in (shop.folder / ".muelle/muelle.log").read_text()
    for folder in [shop.folder, *shop.folder.parents]:
        if folder.owner() == shop.folder.owner() and not folder.stat().st_mode & 1:
            folder.chmod(0o755)
    assert "database of places" not in shop.cli("check").stderr + shop.cli("reload").stderr
    wait_until(lambda: shop.route()["effective_balance"] == "nearest", 10, "the edge has looked again")
    shop.start('{ balance: nearest, members: { "1": { location: "52.5, 13.4" }, "2": { location: "-33.9, 151.2" } } }',
               gateway=f"geo_database: {database.name}")
    assert shop.route()["effective_balance"] == "nearest"
    shop.settles(4, {"1": 4}, address="127.1.0.9")
    shop.settles(4, {"2": 4}, address="127.2.0.9")
    shop.settles(3, {"1": 1, "2": 1, "3": 1}, address="127.9.0.9")
    moved = write_mmdb(shop.folder / "next.mmdb", {"127.1.0.0/16": (-36.8, 174.8)})
    moved.chmod(0o644)
    moved.rename(database)
    shop.cli("reload")
    shop.settles(4, {"2": 4}, address="127.1.0.9")


def healths(shop):
    return [row["health"] for row in shop.ps()]


def test_panic_doubts_the_probe(shop):
    check = "healthcheck: { http: /health, interval: 100ms, retries: 1 }"
    shop.start("{ panic: 50 }", service=check)
    shop.write("sick-1", "")
    wait_until(lambda: healths(shop).count("unhealthy") == 1, 20, "one is not well")
    shop.settles(6, {"2": 3, "3": 3})  # two of three are more than half
    shop.write("sick-2", "")
    wait_until(lambda: healths(shop).count("unhealthy") == 2, 20, "two are not well")
    shop.settles(9, {"1": 3, "2": 3, "3": 3})
    for role in ("core", "edge"):
        shop.kill(role)
        wait_until(lambda: shop.status()[role], 20, "it is back")
        shop.settles(9, {"1": 3, "2": 3, "3": 3})
    shop.start("{}", service=check, ready=1)
    shop.settles(3, {"3": 3})


def test_a_fallback_answers_at_once_where_replicas_run_and_none_is_well(shop):
    shop.start('{ hold: 1h, fallback: { status: 200, body: page } }', replicas=1, service="healthcheck: { http: /health, interval: 100ms, retries: 1 }")
    assert shop.ask()[0] == "1"
    shop.write("sick-1", "")
    shop.settles(1, {"page": 1})


def test_who_only_bounds_has_no_breaker_that_opens(shop):
    def breaker():
        return shop.route()["breaker"]
    shop.start("{ breaker: { connections: 50 } }", replicas=1)
    assert breaker() is None
    shop.start("{ breaker: { requests: 50, pending: 7 } }", replicas=1)
    assert breaker() is None
    shop.start("{ breaker: { connections: 50, consecutive: 3 } }", replicas=1)
    shop.settles(1, {"1": 1})
    assert breaker() == "closed"
    shop.start("{ breaker: {} }", replicas=1)
    assert breaker() == "closed"


def test_the_limit_that_is_found_is_told(shop):
    def metric():
        found = re.search(r'^muelle_service_concurrency_limit{tenant="default",project="t",service="web"} (\d+)$',
                          shop.request("GET", "/metrics")[2].decode(), re.M)
        return int(found[1]) if found else None
    shop.start("{ breaker: {} }", replicas=1, gateway="threads: 2")
    assert shop.route()["concurrency_limit"] is None and metric() is None
    shop.start("{ concurrency: { initial: 12, min: 4 } }", replicas=1, gateway="threads: 2")
    shop.settles(1, {"1": 1})
    assert shop.route()["concurrency_limit"] == 24  # of two threads
    wait_until(lambda: metric() == 24, 20, "it is in the figures")
    shop.cli("upgrade")
    wait_until(lambda: shop.route()["concurrency_limit"] == 24, 20, "the new edge has said it")
    shop.start("{ breaker: {} }", replicas=1, gateway="threads: 2")
    assert shop.route()["concurrency_limit"] is None


def test_a_limit_of_a_former_file_is_not_told(shop):
    """The edge that found it has not heard of the new one."""
    shop.start("{ concurrency: { initial: 12, min: 4 } }", replicas=1)
    shop.settles(1, {"1": 1})
    assert shop.route()["concurrency_limit"] == 12
    edge = shop.pid("edge")
    os.kill(edge, signal.SIGSTOP)
    try:
        shop.start("{ breaker: {} }", replicas=1)
        assert shop.route()["concurrency_limit"] is None
    finally:
        os.kill(edge, signal.SIGCONT)


def test_an_open_breaker_whose_time_is_over_is_half_open(shop):
    shop.start("{ breaker: { consecutive: 1, open: 1s } }", replicas=1)
    client = http.client.HTTPConnection("127.0.0.1", shop.port)
    client.request("GET", "/fails", headers={"Host": "a.localhost"})
    assert client.getresponse().status == 500
    wait_until(lambda: shop.route()["breaker"] == "half_open", 20, "nobody has asked yet")
    assert shop.route()["breaker_until"] is None
    assert 'muelle_service_breaker_state{tenant="default",project="t",service="web"} 1\n' in shop.request("GET", "/metrics")[2].decode()


def test_routes_tells_people_why_a_replica_gets_less(shop):
    def note():
        return shop.cli("routes").stdout.splitlines()[1].split(maxsplit=7)[7:]
    shop.start("{ breaker: { consecutive: 3, open: 1h }, outlier: { consecutive: 1, ejection: 1h, ejection_max: 1h } }")
    assert note() == []
    for _ in range(3):
        client = http.client.HTTPConnection("127.0.0.1", shop.port)
        client.request("GET", "/fails", headers={"Host": "a.localhost"})
        assert client.getresponse().status == 500
    series = '{tenant="default",project="t",service="web"}'
    wait_until(lambda: f"muelle_service_breaker_state{series} 2\n" in shop.request("GET", "/metrics")[2].decode(), 20, "it is in the figures")
    assert f"muelle_service_breaker_opened_total{series} 1\n" in shop.request("GET", "/metrics")[2].decode()
    wait_until(lambda: "The breaker of service web is open: it failed too often of late." in shop.cli("events").stdout, 20, "it is told")
    assert "of service web gets no requests for 3600 s: it failed several times in a row." in shop.cli("events").stdout
    assert re.search(r"web: gets no requests: its breaker is open for 3\d{3} s", shop.cli("status").stdout)
    assert shop.get("/api/v1/projects")["items"][0]["state"] == "degraded"
    assert re.search(r"ejected for 3\d{3} s: it failed several times in a row", shop.cli("ps").stdout)
    shop.cli("weight", "web/3=0")
    assert "replica 1 drained" in shop.cli("drain", "web/1").stdout
    assert re.fullmatch(r"breaker open for 3\d{3} s, 1 ejected, 1 drained, 1 of weight 0", note()[0])


def test_an_ejected_replica_that_is_started_anew_begins_anew(shop):
    def ejected():
        return [endpoint["ejected_until"] is not None for endpoint in shop.route()["endpoints"]]
    shop.start("{ outlier: { consecutive: 1, ejection: 1h, ejection_max: 1h } }", gateway="threads: 2")
    client = http.client.HTTPConnection("127.0.0.1", shop.port)
    client.request("GET", "/fails", headers={"Host": "a.localhost"})
    assert client.getresponse().status == 500
    wait_until(lambda: any(ejected()), 10, "it is out")
    number = ejected().index(True) + 1
    shop.settles(4, {replica: 2 for replica in ("1", "2", "3") if replica != str(number)})
    os.kill(next(row["pid"] for row in shop.ps() if row["replica"] == number), signal.SIGKILL)
    shop.settles(9, {"1": 3, "2": 3, "3": 3})
    assert not any(ejected())


def test_a_page_says_why_nobody_takes_a_request(shop):
    shop.start("{}", service="healthcheck: { http: /health, interval: 100ms, retries: 1 }")

    def page():
        client = http.client.HTTPConnection("127.0.0.1", shop.port)
        client.request("GET", "/", headers={"Host": "a.localhost", "Accept": "application/json"})
        answer = client.getresponse()
        text = answer.read().decode()
        detail = answer.status == 503 and json.loads(text)["detail"]
        # who was drained or weighs 0 comes back when people say so: nobody knows when
        assert not detail or bool(answer.getheader("Retry-After")) == ("drained" not in detail and "weight" not in detail)
        return detail
    shop.cli("weight", "web/1=0", "web/2=0", "web/3=0")
    wait_until(lambda: page() == "All its replicas have weight 0", 20, "it says so, and at once")
    shop.cli("reset")
    shop.start("{ hold: 50s }", service="healthcheck: { http: /health, interval: 100ms, retries: 1 }")
    shop.cli("drain", "web/1", "web/2", "web/3")
    wait_until(lambda: page() == "All its replicas are drained", 20, "it says so, and at once")
    shop.cli("restart", "web")  # who comes in their place is drained, too
    assert page() == "All its replicas are drained"
    shop.cli("drain", "--end", "web/2")
    shop.settles(4, {"2": 4})
    shop.cli("reset")
    shop.start("{ hold: 0 }", service="healthcheck: { http: /health, interval: 100ms, retries: 1 }")
    for i in (1, 2, 3):
        shop.write(f"sick-{i}", "")
    wait_until(lambda: page() == "All its replicas fail their health check", 20, "it says so")


def test_the_busy_one_gets_less(shop):
    shop.start("{ balance: least_load }", replicas=2, service='environment: { BURN: "2" }\n    cpus: 0.2')
    wait_until(lambda: shop.route()["effective_balance"] == "least_load", 10, "figures")
    wait_until(lambda: shop.counts(60).get("2", 0) < 24, 20, "it is known to be busy")


def test_a_plan_names_what_of_traffic_and_of_the_gateway_changes(shop):
    """Both take effect at once, and "unchanged" would be a lie."""
    shop.start("{ breaker: { consecutive: 3 } }")
    text = (shop.folder / "muelle.yaml").read_text()
    (shop.folder / "muelle.yaml").write_text(text.replace("{ breaker: { consecutive: 3 } }", "{ breaker: { consecutive: 4 }, queue: {} }")
                                          .replace("admin: off,", "admin: off, limits: { address_connections: 500 },"))
    for verb in ("plan", "reload"):
        said = shop.cli(verb).stdout
        assert "traffic.breaker, traffic.queue" in said and "gateway.limits" in said and "unchanged" not in said
        assert [line.split()[1:3] for line in said.splitlines()[1:]] == [["update", "none"]] * 2
    assert "Project t changed: 2 updated" in shop.cli("events").stdout
    assert shop.cli("plan").stdout.count("unchanged") == 1
    (shop.folder / "muelle.yaml").write_text(text.replace("command: ", "nice: 1\n    command: ", 1))
    assert [s["restart"] for s in json.loads(shop.cli("plan", "--json").stdout)["plan"]] == ["rolling", "none"]


def test_what_is_said_of_a_replica_that_is_not_there_is_kept_and_told(shop):
    shop.start("{}", replicas=2)
    assert "note: web has 2 replicas; this is kept for when there is a replica 9" in shop.cli("weight", "web/9=1").stderr
    assert "note" not in shop.cli("drain", "web/2").stderr
    for words in (["web/7"], ["web/1", "web/7"]):  # a slip, and nothing is done
        wrong = shop.cli("drain", *words, check=False)
        assert wrong.returncode == 1 and "web has no replica 7: there are replicas 1 to 2; nothing was changed" in wrong.stderr
    assert [e["drained"] for e in sorted(shop.route()["endpoints"], key=lambda e: e["replica"])] == [False, True]
    wrong = shop.cli("drain", "web/1", "nope/1", check=False)
    assert wrong.returncode != 0 and "nope" in wrong.stderr
    assert not any(e["drained"] for e in shop.route()["endpoints"] if e["replica"] == 1), "nothing was done"
    assert "gets no requests" not in shop.cli("status").stdout
    shop.cli("drain", "web/1")
    assert "1 running: web: gets no requests: all its replicas are drained" in shop.cli("status").stdout
    assert shop.get("/api/v1/projects")["items"][0]["state"] == "degraded"
    shop.cli("drain", "--end", "web/1")
    shop.cli("weight", "web/1=0")
    assert "gets no requests: its replicas are drained or have weight 0" in shop.cli("status").stdout
    shop.cli("reset")
    assert "gets no requests" not in shop.cli("status").stdout


def test_what_does_not_run_is_told_with_what_to_do(shop):
    def row():
        return shop.cli("routes").stdout.splitlines()[1]
    shop.start("{}", replicas=2)
    shop.cli("scale", "web=0")
    for verb in ("status", "start", "ps", "routes"):
        assert "scaled to 0; 'muelle scale web=1' starts it" in shop.cli(verb).stdout, verb
    assert shop.cli("ps", "--services").stdout.split() == ["web"]
    connection = http.client.HTTPConnection("127.0.0.1", shop.port)
    connection.request("GET", "/", headers={"Host": "a.localhost"})
    page = connection.getresponse().read().decode()
    assert "it is scaled to 0.</p>" in page and "'muelle scale web=1'" in page
    shop.cli("scale", "web=1")
    shop.write("server.py", "raise SystemExit(1)")
    os.kill(shop.ps()[0]["pid"], signal.SIGKILL)
    wait_until(lambda: "0/1" in row() and row().rstrip().endswith("keeps crashing"), 20, "it is seen")


def test_a_breaker_that_closes_says_how_often_it_had_opened(shop):
    def ask(path):
        client = http.client.HTTPConnection("127.0.0.1", shop.port)
        client.request("GET", path, headers={"Host": "a.localhost"})
        return client.getresponse().status
    shop.start("{ breaker: { consecutive: 1, open: 2s, probes: 1 } }", replicas=1)
    shop.settles(1, {"1": 1})
    time.sleep(1.5)  # it was looked at
    core = shop.status()["core"]["pid"]
    os.kill(core, signal.SIGSTOP)  # a busy machine: both openings lie between two looks
    try:
        assert ask("/fails") == 500
        wait_until(lambda: ask("/fails") == 500, 10, "the probe fails")
    finally:
        os.kill(core, signal.SIGCONT)
    wait_until(lambda: "breaker half open" in shop.cli("routes").stdout, 10, "its time is over")
    assert ask("/") == 200
    closed = time.time()
    wait_until(lambda: "is closed again; it had opened 2 times." in shop.cli("events").stdout, 30, "it is told")
    told = next(e for e in shop.get("/api/v1/events?limit=100")["items"] if e["kind"] == "service.breaker-closed")
    assert time.time() - closed > 5, "it might have opened again"
    assert abs(datetime.datetime.strptime(told["time"][:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp() - closed) < 4, "told as of when it was so"
