# SPDX-License-Identifier: Apache-2.0
"""Verbs that look: what they say of routes, listeners, processes that crash, a machine that promises little, wrong words."""
import http.client
import json
import os
import signal
import subprocess

import pytest

from cli_terminal import Terminal
from muelle import BINARY, alive, free_port, wait_until

SERVER = """
import http.server, os
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"hi")
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
"""


@pytest.fixture
def shop(muelle):
    muelle.port, muelle.tcp, muelle.target, muelle.admin = free_port(), free_port(), free_port(), free_port()
    muelle.write("web.py", SERVER)
    muelle.write("muelle.yaml", f"""
name: shop
gateway: {{ listen: [ "http://127.0.0.1:{muelle.port}" ], admin: "http://0.0.0.0:{muelle.admin}" }}
services:
  web:
    command: /usr/bin/python3 web.py
    deploy: {{ replicas: 2 }}
    healthcheck: {{ http: /, interval: 1s }}
    routes: [ {{ host: shop.localhost, path: / }} ]
  db:
    command: /usr/bin/python3 web.py
    environment: {{ PORT: {muelle.target} }}
    ports: [ "127.0.0.1:{muelle.tcp}:{muelle.target}" ]
  bad: {{ command: sh -c 'echo no luck >&2; exit 7', restart: "no", routes: [ {{ path: /bad }} ] }}
""")
    muelle.cli("up", "-d")
    wait_until(lambda: {(r["service"], r["state"]) for r in muelle.ps()} ==
               {("web", "running"), ("db", "running"), ("bad", "crashed")}, 60, "all as it will be")
    return muelle


def test_routes_say_who_is_ready_and_how_much_was_asked(shop):
    for _ in range(3):
        connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=10)
        connection.request("GET", "/", headers={"Host": "shop.localhost"})
        assert connection.getresponse().read() == b"hi"
        connection.close()
    wait_until(lambda: ["shop.localhost", "/", "web"] == shop.cli("routes").stdout.splitlines()[1].split()[:3])
    row = wait_until(lambda: next((line.split() for line in shop.cli("routes").stdout.splitlines()
                                   if line.startswith("shop.localhost") and line.split()[5] == "3"), None))
    assert row[4] == "2/2" and row[6].startswith("http://")
    assert ["-", "-", "db", "-", "1/1", "-", f"tcp://127.0.0.1:{shop.tcp}"] in [line.split() for line in shop.cli("routes").stdout.splitlines()]
    assert ["*", "/bad", "bad"] in [line.split()[:3] for line in shop.cli("routes").stdout.splitlines()]
    listed = json.loads(shop.cli("routes", "--json").stdout)
    assert {(r["host"] or "*", r["path"], r["service"]) for r in listed} == {("shop.localhost", "/", "web"), ("*", "/bad", "bad")}
    shop.cli("restart", "web")  # other processes, the same route
    assert [r["requests"] for r in shop.get("/api/v1/projects/shop/routes")["items"]] == [3, 0]
    assert shop.cli("routes").stdout.splitlines()[1].split()[5] == "3" and "REQUESTS:" not in shop.cli("routes").stdout
    seen = Terminal(shop, "routes")
    assert seen.wait() == 0 and "REQUESTS: since the instance was started" in seen.text


def test_routes_and_links_name_listeners_that_lead_there(muelle):
    plain, led, tls, unread = (free_port() for _ in range(4))
    muelle.write("web.py", SERVER)
    muelle.write("muelle.yaml", f"""
name: shop
gateway:
  admin: false
  listen:
    - {{ address: "http://127.0.0.1:{led}", redirect: "https:{tls}" }}
    - "https://127.0.0.1:{tls}"
    - "http://127.0.0.1:{plain}"
    - {{ address: "tls://127.0.0.1:{unread}", service: far }}
services:
  web:
    command: /usr/bin/python3 web.py
    routes: [ {{ host: shop.localhost }}, {{ host: secret.localhost, client_certificate: required }} ]
  far: {{ command: /usr/bin/python3 web.py, routes: [ {{ host: far.localhost, passthrough: true }} ] }}
""")
    muelle.write("other.yaml", """
name: other
gateway: { admin: false, listen: [] }
services:
  next: { command: /usr/bin/python3 web.py, routes: [ { host: next.localhost } ] }
""")
    muelle.up()
    muelle.up(file="other.yaml")
    both = [f"https://127.0.0.1:{tls}", f"http://127.0.0.1:{plain}"]
    routes = {r["host"]: r["listeners"] for p in ("shop", "other") for r in muelle.get(f"/api/v1/projects/{p}/routes")["items"]}
    assert routes == {"shop.localhost": both, "secret.localhost": both[:1], "next.localhost": both,
                      "far.localhost": [f"tls://127.0.0.1:{unread}"]}
    links = {s["name"]: s["urls"] for p in ("shop", "other") for s in muelle.get(f"/api/v1/projects/{p}/services")["items"]}
    assert links == {"web": [f"https://shop.localhost:{tls}/", f"https://secret.localhost:{tls}/"], "far": [],
                     "next": [f"https://next.localhost:{tls}/"]}
    rows = [line.split() for line in muelle.cli("routes", "--project", "shop").stdout.splitlines()]
    assert rows[1][6:8] == [both[0] + ",", both[1]]
    assert ["-", "-", "far", "-", "1/1", "-", f"tls://127.0.0.1:{unread}"] in rows, rows
    muelle.cli("down", "--project", "other")


def test_mappings_lead_from_listeners_to_processes(shop):
    pids = {(r["service"], r["replica"]): r["pid"] for r in shop.ps()}
    rows = shop.get("/api/mappings")["items"]
    (db,) = [r for r in rows if r["service"] == "db"]
    assert db["listen"] == f"tcp://127.0.0.1:{shop.tcp}" and db["address"] == f"127.0.0.1:{shop.target}"
    assert db["pid"] == pids["db", 1] and db["ready"] is True
    web = [r for r in rows if r["service"] == "web"]
    assert {r["pid"] for r in web} == {pids["web", 1], pids["web", 2]}


def test_process_ids_alone_are_for_scripts(shop):
    pids = [int(line) for line in shop.cli("ps", "-q").stdout.split()]
    assert pids == [r["pid"] for r in shop.ps() if r["pid"]] and all(map(alive, pids))
    assert shop.cli("ps", "-q", "db").stdout.split() == [str(r["pid"]) for r in shop.ps() if r["service"] == "db"]


def test_status_tells_who_crashed_and_a_link_that_opens_here(shop):
    text = shop.cli("status").stdout
    assert "1 crashed" in text and ": bad: exited 7" in text and "no luck" in text
    assert f"http://127.0.0.1:{shop.admin}/login?token=" in text


def test_a_core_that_hangs_is_told_from_what_the_keeper_knows(shop):
    """It takes the time after which a core counts as away."""
    before = shop.status()
    os.kill(before["core"]["pid"], signal.SIGSTOP)
    try:
        result = shop.cli("status", "--json", check=False, timeout=90)
        answer = json.loads(result.stdout)
        assert result.returncode == 1 and answer["projects"] == []
        assert answer["keeper"] == {"pid": before["keeper"]["pid"]}
        assert answer["edge"]["pid"] == before["edge"]["pid"]
    finally:
        os.kill(before["core"]["pid"], signal.SIGCONT)
    assert shop.status()["core"]["pid"] == before["core"]["pid"]


def test_the_version_is_said_to_people_and_programs(muelle):
    text = muelle.cli("version").stdout.split()
    assert text[0] == "muelle" and json.loads(muelle.cli("version", "--json").stdout) == {"version": text[1]}


def test_events_are_followed_as_they_happen(shop):
    follower = subprocess.Popen([BINARY, "events", "-f", "-n", "1", "--json", "db"], cwd=shop.folder, env=shop.env, text=True,
                                stdout=subprocess.PIPE)
    try:
        first = json.loads(follower.stdout.readline())
        assert first["service"] == "db"
        shop.cli("restart", "db")
        seen = [first]
        while seen[-1] is first or seen[-1]["kind"] != "replica.ready":
            seen.append(json.loads(follower.stdout.readline()))
        assert "service.restart" in [e["kind"] for e in seen] and {e["service"] for e in seen} == {"db"}
        numbers = [e["seq"] for e in seen]
        assert numbers == sorted(set(numbers))
    finally:
        follower.terminate()
        follower.wait(10)
        follower.stdout.close()


@pytest.mark.parametrize("args, words", [
    (["logs", "--since", "yesterday"], "'yesterday' is no time"),
    (["logs", "--until", "soon"], "'soon' is no time"),
    (["logs", "-n", "few"], "--tail wants a number or 'all', not 'few'"),
    (["events", "-n", "few"], "--tail wants a number or 'all', not 'few'"),
    (["up", "-d", "--wait", "--wait-timeout", "long"], "--wait-timeout wants a time such as 30s, not 'long'"),
    (["down", "--timeout", "long"], "--timeout wants a time such as 30s, not 'long'"),
    (["scale", "web"], "'web' is no SERVICE=N, for example web=3"),
])
def test_a_word_that_is_wrong_is_said_with_what_is_right(shop, args, words):
    result = shop.cli(*args, check=False)
    assert result.returncode == 2 and words in result.stderr


def test_lines_have_their_time_when_it_is_wanted(shop):
    text = shop.cli("logs", "-t", "bad").stdout
    (line,) = [json.loads(line) for line in shop.cli("logs", "--json", "bad").stdout.splitlines()]
    assert line["time"] in text and "no luck" in text
    assert shop.cli("logs", "--since", "1h", "bad").stdout and not shop.cli("logs", "--until", "1h", "bad").stdout


def test_of_several_projects_one_must_be_named(shop, tmp_path_factory):
    other = shop.write("other/muelle.yaml", """
name: other
gateway: { listen: [], admin: off }
services: { z: { command: sleep 1000 } }
""")
    shop.cli("up", "-f", other, "--instance", shop.state, "-d", "--wait")
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def ask(verb, *args):
        command = [BINARY, verb, "--instance", shop.state, *args]
        return subprocess.run(command, cwd=elsewhere, env=shop.env, text=True, capture_output=True)
    result = ask("ps")
    assert result.returncode == 1 and "several projects run here: name one with --project" in result.stderr
    result = ask("ps", "--project", "other")
    assert result.returncode == 0 and result.stdout.splitlines()[1].split()[0] == "z"
    assert ask("down", "--project", "other").returncode == 0
    assert "z" not in ask("ps").stdout, "one is left: it need not be named"


def doctor(m, *before, **env):
    command = [*before, BINARY, "doctor", "--json"]
    result = subprocess.run(command, cwd=m.folder, env={**m.env, **env}, text=True, capture_output=True)
    return result.returncode, {row["check"]: row for row in json.loads(result.stdout)}


def test_doctor_says_what_this_machine_cannot_promise(muelle):
    code, found = doctor(muelle)
    assert code == 0 and {row["verdict"] for row in found.values()} <= {"ok", "warning"}
    code, found = doctor(muelle, XDG_RUNTIME_DIR="/tmp/" + "x" * 100)
    assert code == 1 and any("socket paths end at 107 bytes" in row["what"] for row in found.values())
    code, found = doctor(muelle, XDG_RUNTIME_DIR="/no/such/folder")
    assert code == 0 and any("/no/such/folder does not exist" in row["what"] and row["hint"] for row in found.values())
    code, found = doctor(muelle, "prlimit", "--nofile=1000:1000")
    assert any("only 1000 open files" in row["what"] for row in found.values())


def test_doctor_knows_the_instance(shop):
    roles = shop.status()
    _, found = doctor(shop)
    assert any(f"keeper {roles['keeper']['pid']}, core {roles['core']['pid']}" in row["what"] for row in found.values())


def test_top_draws_anew_until_it_is_ended(shop):
    terminal = Terminal(shop, "top", columns=100)
    terminal.until("web")
    terminal.text = ""
    terminal.until("web")
    os.kill(terminal.pid, signal.SIGWINCH)
    terminal.text = ""
    terminal.until("web")
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.wait() in (0, 130)
    rows = json.loads(shop.cli("top", "--once", "--json").stdout)
    assert {"web", "db", "bad"} <= {row["service"] for row in rows["items"]}


def test_a_foreground_up_that_is_told_to_end_stops_everything(muelle):
    muelle.write("muelle.yaml", "name: fore\ngateway: { listen: [], admin: off }\nservices: { a: { command: sleep 1000 } }\n")
    terminal = Terminal(muelle, "up")
    terminal.until("running")
    muelle.note_pids()
    os.kill(terminal.pid, signal.SIGWINCH)
    os.kill(terminal.pid, signal.SIGTERM)
    terminal.wait()
    wait_until(lambda: not any(map(alive, muelle.pids)), what="the end of all")


def test_a_program_in_a_relative_folder_of_path_is_found_from_the_services_folder(muelle):
    tool = muelle.write("web/node_modules/.bin/tool", "#!/bin/sh\nexec sleep 1000\n", mode=0o755)
    muelle.write("muelle.yaml", """
name: tools
gateway: { listen: [], admin: off }
services:
  a: { command: tool, working_dir: web, environment: { PATH: "./node_modules/.bin:/usr/bin:/bin" } }
""")
    muelle.up()
    assert [r["state"] for r in muelle.ps()] == ["running"]
    tool.unlink()
    result = muelle.cli("up", "-d", check=False)
    assert result.returncode == 5 and "command of 'a' not found: tool" in result.stderr
