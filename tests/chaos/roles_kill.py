# SPDX-License-Identifier: Apache-2.0
"""Promises 1 and 2: any role, any two, or all three are killed under load; services run on, no request fails that
need not, no line of output is lost or doubled, and what was killed comes back.
"""
import itertools
import os
import random
import time

import pytest

from load import Load
from muelle import alive, free_port, wait_until

LONG = bool(os.environ.get("CHAOS_LONG"))
ROUNDS = 10 if LONG else 4
ROLES = ("keeper", "core", "edge")
WEB = """
import http.server, os, socketserver
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"hello from web"
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
class S(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
S(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
"""
COUNTER = """
import sys, time
total, burst = int(sys.argv[1]), int(sys.argv[2])
for first in range(0, total, burst):
    sys.stdout.write("".join(f"line {n}\\n" for n in range(first, min(first + burst, total))))
    sys.stdout.flush()
    time.sleep(0.02)
print("all written", flush=True)
time.sleep(3600)
"""


def start(muelle, counter_lines=0, burst=100):
    port = free_port()
    muelle.write("web.py", WEB)
    muelle.write("counter.py", COUNTER)
    counter = f"""
  counter:
    command: /usr/bin/python3 counter.py {counter_lines} {burst}
""" if counter_lines else ""
    muelle.write("muelle.yaml", f"""
name: chaos
gateway:
  listen: [ "http://127.0.0.1:{port}" ]
  admin: "http://127.0.0.1:{free_port()}"
services:
  web:
    command: /usr/bin/python3 web.py
    deploy: {{ replicas: 2 }}
    healthcheck: {{ http: /, interval: 1s }}
    routes: [ {{ host: web.localhost, path: / }} ]{counter}
""")
    muelle.up()
    return port


def service_pids(muelle):
    return {(r["service"], r["replica"]): r["pid"] for r in muelle.ps()}


def roles_are_back(muelle, dead):
    def check():
        try:
            status = muelle.status()
        except (AssertionError, ValueError):
            return False
        pids = [(status.get(role) or {}).get("pid") for role in ROLES]
        return all(pids) and not set(pids) & set(dead) and all(map(alive, pids))
    wait_until(check, 20, "return of the roles")


@pytest.mark.parametrize("victims", [c for n in (1, 2) for c in itertools.combinations(ROLES, n)],
                         ids="+".join)
def test_kill_under_load(muelle, victims):
    port = start(muelle)
    before = service_pids(muelle)
    with Load(port, "web.localhost", expect=b"hello from web") as load:
        dead = []
        for _ in range(ROUNDS):
            dead += muelle.kill(*victims)
            roles_are_back(muelle, dead)
            time.sleep(0.2)
    assert service_pids(muelle) == before, "services were restarted"
    assert load.refused == 0 and not load.bad, str(load)
    if "edge" not in victims:
        assert load.failed() == 0, str(load)
    else:
        assert load.broken <= load.connections * ROUNDS, str(load)


def test_kill_all_then_up_adopts(muelle):
    start(muelle)
    before = service_pids(muelle)
    muelle.kill(*ROLES)
    time.sleep(0.5)
    assert all(map(alive, before.values())), "a service died with muelle"
    muelle.up()
    assert service_pids(muelle) == before, "services were restarted"


def test_no_log_line_is_lost_or_doubled(muelle):
    total = 400_000 if LONG else 60_000
    start(muelle, counter_lines=total, burst=1000 if LONG else 500)
    random.seed(7)
    dead = []

    def last_message():
        try:
            lines = muelle.logs("counter", "--tail", "1")
        except AssertionError:
            return ""
        return lines[-1]["message"] if lines else ""

    end = time.monotonic() + 300
    while last_message() != "all written" and time.monotonic() < end:
        dead += muelle.kill(*random.sample(ROLES, random.choice((1, 1, 2))))
        roles_are_back(muelle, dead)
        time.sleep(random.uniform(0.05, 0.5))
    wait_until(lambda: last_message() == "all written", 60, "last line")
    numbers = [int(line["message"].split()[1]) for line in muelle.logs("counter") if line["message"].startswith("line ")]
    assert len(numbers) == total, f"{len(numbers)} lines of {total}"
    assert numbers == list(range(total))
