# SPDX-License-Identifier: Apache-2.0
"""Supervision by the real binary with real processes: order, readiness, reasons, restarts, stops that leave nothing,
overrides, reloads that touch only what changed, sockets handed over, commands beside a service."""
import http.client
import os
import signal
import socket
import sys
import textwrap
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from muelle import Muelle, alive, free_port, wait_until  # noqa: E402

SERVER = textwrap.dedent("""
    import http.server, os, sys
    class H(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            bad = os.path.exists(os.environ.get('SICK', '/nonexistent'))
            body = (os.environ.get('BODY', 'ok') + ' ' + str(os.getpid())).encode()
            self.send_response(500 if bad else 200)
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *a): pass
    http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), H).serve_forever()
""")


@pytest.fixture
def m(tmp_path):
    with Muelle(tmp_path) as muelle:
        muelle.write("server.py", SERVER)
        muelle.port = free_port()
        yield muelle


def project(m, services, listen=True):
    addresses = f'"http://127.0.0.1:{m.port}"' if listen else ""
    head = f"name: t\ngateway: {{ listen: [{addresses}], admin: off }}\n"
    m.write("muelle.yaml", head + "services:\n" + textwrap.indent(textwrap.dedent(services), "  "))


def row(m, service, replica=1):
    """The replica as the API shows it; `ps --json` has fewer fields."""
    rows = [r for r in m.get("/api/v1/projects/t/replicas")["items"]
            if r["service"] == service and r["replica"] == replica]
    return rows[0] if rows else None


def get(m, host="web.localhost", path="/"):
    connection = http.client.HTTPConnection("127.0.0.1", m.port, timeout=15)
    connection.request("GET", path, headers={"Host": host})
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def events(m, **query):
    items = m.get("/api/v1/events?limit=500" + "".join(f"&{k}={v}" for k, v in query.items()))["items"]
    return [(e["kind"], e["service"], e["message"]) for e in items]


def test_dependencies_start_in_order_and_stop_in_reverse(m):
    project(m, """
        migrate: { command: sh -c 'sleep 0.2; echo migrated', restart: "no" }
        db: { command: python3 ../server.py, working_dir: ./w, healthcheck: { http: / } }
        web: { command: sleep 600, depends_on: { db: { condition: service_healthy },
               migrate: { condition: service_completed_successfully } } }
    """, listen=False)
    (m.folder / "w").mkdir()
    m.up()
    kinds = [(k, s) for k, s, _ in events(m)]
    first = kinds.index(("replica.starting", "web"))
    assert kinds.index(("replica.ready", "db")) < first
    assert kinds.index(("replica.completed", "migrate")) < first
    web, db = row(m, "web")["pid"], row(m, "db")["pid"]
    m.down()
    assert not alive(web) and not alive(db)


def test_a_crash_is_explained_and_restarted_with_growing_delays(m):
    project(m, """
        bad: { command: sh -c 'echo about to fail >&2; exit 7' }
        killed: { command: sleep 600 }
    """, listen=False)
    m.cli("up", "-d")
    state = wait_until(lambda: (r := row(m, "bad")) and r["restarts"] >= 3 and r, what="three restarts")
    assert state["exit"] == 7
    reason = wait_until(lambda: row(m, "bad")["reason"], what="its reason")
    assert reason.startswith("exited 7 after") and reason.endswith("last line: about to fail")
    os.kill(row(m, "killed")["pid"], signal.SIGSEGV)
    wait_until(lambda: row(m, "killed")["restarts"] == 1, what="restart")
    wait_until(lambda: any("signal 11 (segmentation fault)" in text for _, s, text in events(m) if s == "killed"),
               what="its story")
    starts = m.get("/api/v1/events?limit=500&service=bad&kind=replica.starting")["items"]
    assert [e["seq"] for e in starts] == sorted({e["seq"] for e in starts})


def test_stop_takes_the_whole_tree_and_a_process_that_ignores_the_signal(m):
    m.write("tree.sh", "trap '' TERM\n(setsid sleep 611 &)\necho $$ > pid\nsleep 612 & wait\nsleep 613\n")
    project(m, "stubborn: { command: sh tree.sh, stop_grace_period: 500ms }\n", listen=False)
    m.up()
    groups = lambda: [p for p in os.listdir("/proc") if p.isdigit() and  # noqa: E731
                      command(p) in ("sleep 611", "sleep 612", "sleep 613")]
    wait_until(lambda: len(groups()) >= 2, what="its tree")
    mine = {int(p) for p in groups()}
    begin = time.monotonic()
    m.cli("stop", "stubborn")
    wait_until(lambda: row(m, "stubborn")["state"] == "stopped", what="stop")
    assert time.monotonic() - begin < 8
    assert not any(alive(p) for p in mine)


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def test_overrides_survive_a_killed_core_and_go_with_reset(m):
    project(m, "web: { command: sleep 600 }\nother: { command: sleep 600 }\n", listen=False)
    m.up()
    m.cli("scale", "web=3")
    m.cli("stop", "other")
    wait_until(lambda: [r["state"] for r in m.ps()] == ["running"] * 3 + ["stopped"], what="scale and stop")
    pids = [r["pid"] for r in m.ps() if r["service"] == "web"]
    m.kill("core")
    wait_until(lambda: m.cli("ps", "--json", check=False).returncode == 0, what="a core")
    assert [r["pid"] for r in m.ps() if r["service"] == "web"] == pids
    assert row(m, "other")["state"] == "stopped"
    service = m.get("/api/v1/projects/t/services/web")
    assert [(o["field"], o["value"]) for o in service["overrides"]] == [("replicas", 3)]
    assert service["overrides"][0]["actor"].startswith("uid:")
    m.cli("reset", "web")
    wait_until(lambda: len([r for r in m.ps() if r["service"] == "web"]) == 1, what="reset")
    assert row(m, "web")["pid"] == pids[0]


def kill_core(m):
    """Ends the core with SIGKILL and waits for the next one."""
    m.kill("core")
    wait_until(lambda: m.cli("ps", "--json", check=False).returncode == 0, what="a core")


def test_a_killed_core_is_no_reason_to_try_a_crashing_service_sooner(m):
    project(m, """
        bad: { command: sh -c 'date +%s.%N >> starts; exit 7', backoff: { initial: 4s, max: 4s } }
        tired: { command: sh -c 'echo x >> tries; exit 7', restart: "on-failure:2", backoff: { initial: 50ms } }
    """, listen=False)
    m.cli("up", "-d")
    starts, tries = m.folder / "starts", m.folder / "tries"
    lines = lambda path: path.read_text().splitlines() if path.exists() else []  # noqa: E731
    wait_until(lambda: len(lines(starts)) == 2 and row(m, "bad")["state"] == "crashed", what="the first wait")
    wait_until(lambda: len(lines(tries)) == 3 and row(m, "tired")["state"] == "crashed", what="the end of its tries")
    time.sleep(0.3)
    for _ in range(3):
        kill_core(m)
        assert row(m, "bad")["state"] == "crashed"
        time.sleep(0.2)
    wait_until(lambda: len(lines(starts)) >= 3, seconds=15, what="the next try")
    times = [float(line) for line in lines(starts)]
    assert times[2] - times[1] > 3, "it was started again before its back-off was over"
    assert row(m, "bad")["restarts"] == 2
    assert len(lines(tries)) == 3 and row(m, "tired")["state"] == "crashed"


def test_a_restart_that_was_acknowledged_is_carried_out_although_the_core_dies(m):
    project(m, """
        web: { command: sleep 600, deploy: { replicas: 3 }, stop_grace_period: 1s }
        task: { command: sh -c 'echo x >> runs', restart: "no" }
    """, listen=False)
    m.up()
    runs = m.folder / "runs"
    wait_until(lambda: row(m, "task")["state"] == "completed", what="the task")
    old = {r["pid"] for r in m.ps() if r["service"] == "web"}
    m.request("POST", "/api/v1/projects/t/services/web/restart")
    m.request("POST", "/api/v1/projects/t/services/task/start")
    kill_core(m)
    now = lambda: {r["pid"] for r in m.ps() if r["service"] == "web" and r["state"] == "running"}  # noqa: E731
    wait_until(lambda: len(now()) == 3 and not now() & old, what="three new processes")
    wait_until(lambda: runs.read_text() == "x\nx\n", what="the second run of the task")
    wait_until(lambda: row(m, "task")["state"] == "completed", what="its end")
    pids = now()
    kill_core(m)
    time.sleep(0.5)
    assert now() == pids and runs.read_text() == "x\nx\n", "what was carried out is not done twice"


def test_a_reload_touches_only_what_changed_and_a_bad_file_nothing(m):
    text = """
        same: { command: sleep 600 }
        changed: { command: sleep 601 }
        gone: { command: sleep 602 }
    """
    project(m, text, listen=False)
    m.up()
    before = {r["service"]: r["pid"] for r in m.ps()}
    m.write("muelle.yaml", "name: t\nservices:\n  same: { comand: x }\n")
    assert m.cli("reload", check=False).returncode != 0
    assert {r["service"]: r["pid"] for r in m.ps()} == before
    project(m, text.replace("601", "701").replace("gone: { command: sleep 602 }", "new: { command: sleep 603 }"),
            listen=False)
    rows = [line.split(maxsplit=2) for line in m.cli("plan").stdout.splitlines()]
    assert ["changed", "restart", "stop first  command changed"] in rows and ["same", "unchanged", "none"] in rows, rows
    assert ["gone", "remove", "-           no longer in the file"] in rows, rows
    m.cli("stop", "changed")
    assert ["changed", "restart", "not running  command changed"] in [
        line.split(maxsplit=2) for line in m.cli("plan").stdout.splitlines()]
    m.cli("start", "changed")
    before["changed"] = row(m, "changed")["pid"]
    os.kill(m.pid("core"), signal.SIGHUP)
    wait_until(lambda: {r["service"] for r in m.ps() if r["state"] == "running"} == {"same", "changed", "new"},
               what="the new project")
    wait_until(lambda: row(m, "changed")["pid"] != before["changed"], what="restart")
    assert row(m, "same")["pid"] == before["same"]
    assert not alive(before["gone"])


def test_a_follower_is_restarted_after_what_it_follows_even_if_the_core_dies_in_between(m):
    m.write("slow.py", "import signal, sys, time\n"
                       "signal.signal(signal.SIGTERM, lambda *a: (time.sleep(1.5), sys.exit(0)))\n"
                       "while True: time.sleep(60)\n")
    text = """
        db: { command: python3 slow.py, stop_grace_period: 5s }
        web: { command: sleep 600, depends_on: { db: { condition: service_started, restart: true } } }
        task: { command: "true", restart: "no", depends_on: { db: { condition: service_started, restart: true } } }
        other: { command: sleep 601, depends_on: [ db ] }
    """
    project(m, text, listen=False)
    m.up()
    before = {r["service"]: r for r in m.ps()}
    m.cli("restart", "db", "--no-wait")
    os.kill(m.pid("core"), signal.SIGKILL)

    def both_new():
        now = {r["service"]: r for r in m.ps()}
        return all(now[s]["pid"] not in (None, before[s]["pid"]) and now[s]["state"] == "running" for s in ("db", "web"))

    wait_until(both_new, what="restart of db and web")
    now = {r["service"]: r for r in m.ps()}
    assert now["web"]["started_at"] >= now["db"]["started_at"]
    assert now["other"]["pid"] == before["other"]["pid"]
    assert now["task"]["state"] == "completed" and now["task"]["started_at"] == before["task"]["started_at"]
    project(m, text.replace("stop_grace_period: 5s", "stop_grace_period: 5s, environment: { A: b }"), listen=False)
    assert "follows db" in m.cli("plan").stdout
    before = now
    m.cli("reload")
    wait_until(both_new, what="restart of db and web by a changed file")


def test_a_restart_behind_a_route_loses_no_request(m):
    project(m, """
        web: { command: python3 server.py, deploy: { replicas: 2 }, routes: [ { host: web.localhost } ],
               healthcheck: { http: /, interval: 1s } }
    """)
    m.up()
    pids = {r["pid"] for r in m.ps()}
    m.cli("restart", "web", "--no-wait")
    end = time.monotonic() + 15
    while {r["pid"] for r in m.ps()} & pids and time.monotonic() < end:
        assert get(m)[0] == 200
    assert not {r["pid"] for r in m.ps()} & pids
    assert {r["restarts"] for r in m.ps()} == {0}


def test_an_unhealthy_replica_leaves_the_gateway_and_is_restarted(m):
    sick = m.folder / "sick"
    project(m, f"""
        web: {{ command: python3 server.py, environment: {{ SICK: "{sick}" }}, routes: [ {{ host: web.localhost }} ],
               healthcheck: {{ http: /, interval: 200ms, retries: 2 }} }}
    """)
    m.up()
    pid = row(m, "web")["pid"]
    sick.touch()
    wait_until(lambda: row(m, "web")["state"] == "unhealthy", what="unhealthy")
    assert "answered 500" in row(m, "web")["reason"]
    sick.unlink()
    wait_until(lambda: row(m, "web")["state"] == "running", what="recovery")
    assert row(m, "web")["pid"] == pid and get(m)[0] == 200
    sick.touch()
    wait_until(lambda: row(m, "web")["pid"] not in (pid, None), 30, what="a restart")
    wait_until(lambda: any("(restart 1): unhealthy: probe GET / answered 500" in message and "; stopped by" in message
                           for _, _, message in events(m)), what="the reason")


def test_a_health_command_decides_readiness(m):
    flag = m.folder / "flag"
    project(m, f"""
        job: {{ command: sleep 600, healthcheck: {{ test: [ "CMD", "test", "-e", "{flag}" ], interval: 300ms,
               retries: 2, start_period: 30s }} }}
    """, listen=False)
    m.cli("up", "-d")
    wait_until(lambda: row(m, "job")["state"] == "starting" and row(m, "job")["probe"]["time"], what="a failed probe")
    flag.touch()
    wait_until(lambda: row(m, "job")["state"] == "running", what="readiness")
    flag.unlink()
    wait_until(lambda: row(m, "job")["state"] == "unhealthy", what="unhealthy")
    assert "exited 1" in row(m, "job")["reason"]


def test_an_optional_dependency_that_failed_is_not_waited_for(m):
    project(m, """
        seed: { command: sh -c 'exit 4', restart: "no" }
        sick: { command: sleep 600, healthcheck: { test: "exit 1", interval: 100ms, retries: 1 } }
        web: { command: sleep 600, depends_on: {
               seed: { condition: service_completed_successfully, required: false },
               sick: { condition: service_healthy, required: false } } }
        strict: { command: sleep 600, depends_on: { seed: { condition: service_completed_successfully } } }
    """, listen=False)
    m.cli("up", "-d")
    wait_until(lambda: row(m, "web")["state"] == "running", what="web")
    assert row(m, "strict")["state"] == "pending" and "which has failed" in row(m, "strict")["reason"]


def test_a_crashed_one_says_when_it_starts_again(m):
    project(m, """
        loop: { command: sh -c 'exit 7', backoff: { initial: 30s } }
        few: { command: sh -c 'exit 7', restart: "on-failure:1" }
    """, listen=False)
    m.cli("up", "-d")
    wait_until(lambda: row(m, "loop")["retry_at"], what="a time")
    wait_until(lambda: row(m, "few")["state"] == "crashed" and row(m, "few")["restarts"] == 1, what="giving up")
    assert row(m, "few")["retry_at"] is None
    lines = {line.split()[0]: line for line in m.cli("ps").stdout.splitlines()}
    assert "exited 7" in lines["loop"] and "; starts again in " in lines["loop"]
    assert lines["few"].endswith("given up after 1 restart")


def test_stop_returns_when_nothing_of_the_tree_is_left(m):
    m.write("deaf.py", "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "open('deaf.pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n")
    project(m, """
        tree: { command: sh -c 'python3 deaf.py & sleep 600', stop_grace_period: 500ms }
        deaf: { command: sh -c 'trap "" TERM; while :; do sleep 1; done', stop_grace_period: 500ms }
    """, listen=False)
    m.up()
    pid = int(wait_until(lambda: (m.folder / "deaf.pid").exists() and (m.folder / "deaf.pid").read_text(), what="it"))
    m.cli("stop", "tree", "deaf")
    assert not alive(pid)
    assert row(m, "tree")["state"] == row(m, "deaf")["state"] == "stopped"
    assert "it did not stop within 500 ms" in row(m, "deaf")["reason"]


def test_up_with_names_starts_these_and_what_they_need(m):
    project(m, """
        a: { command: sleep 600, depends_on: [ b ] }
        b: { command: sleep 600, depends_on: [ c ] }
        c: { command: sleep 600 }
        d: { command: sleep 600 }
    """, listen=False)

    def states():
        return {r["service"]: r["state"] for r in m.ps()}
    assert m.cli("up", "-d", "nope", check=False).returncode == 1 and m.cli("status", check=False).returncode == 3
    m.cli("up", "-d", "--wait", "b")
    assert states() == {"a": "stopped", "b": "running", "c": "running", "d": "stopped"}
    m.kill("core")  # it is an override: it outlives the core
    wait_until(lambda: m.cli("ps", "-q", check=False).returncode == 0, what="the core")
    assert states() == {"a": "stopped", "b": "running", "c": "running", "d": "stopped"}
    pids = {r["service"]: r["pid"] for r in m.ps()}
    said = m.cli("up", "-d", "--wait").stderr
    assert "muelle start a d" in said and states()["d"] == "stopped"
    m.cli("stop", "c")
    m.cli("up", "-d", "--wait", "a")
    assert states() == {"a": "running", "b": "running", "c": "running", "d": "stopped"}
    assert row(m, "b")["pid"] == pids["b"]
    project(m, """
        c: { command: sleep 600 }
        d: { command: sleep 600 }
        e: { command: sleep 600 }
    """, listen=False)
    m.cli("up", "-d", "--wait", "d")
    assert states() == {"c": "running", "d": "running", "e": "stopped"}
    m.down()
    m.up()
    assert states() == {"c": "running", "d": "running", "e": "running"}


def test_published_ports_lead_to_the_process(m):
    m.write("echo.py", "import socket,sys\ns=socket.create_server(('127.0.0.1',int(sys.argv[1])))\n"
            "while True:\n c=s.accept()[0]\n c.sendall(b'hi '+c.recv(10))\n c.close()\n")
    outside, inside, own = free_port(), free_port(), free_port()
    project(m, f"""
        mapped: {{ command: python3 echo.py {inside}, ports: [ "127.0.0.1:{outside}:{inside}" ] }}
        direct: {{ command: python3 echo.py {own}, ports: [ "127.0.0.1:{own}:{own}" ] }}
        given: {{ command: python3 echo.py $PORT, ports: [ "127.0.0.1:{m.port}:80" ] }}
    """, listen=False)
    m.up()
    for port in (outside, own, m.port):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as c:
            c.sendall(b"you")
            assert c.recv(100) == b"hi you"


def test_a_socket_handed_over_is_never_closed(m):
    m.write("fds.py", "import os,socket\nassert os.environ['LISTEN_FDS']=='1' and "
            "int(os.environ['LISTEN_PID'])==os.getpid()\ns=socket.socket(fileno=3)\nwhile True:\n c=s.accept()[0]\n"
            " c.recv(1000)\n c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok')\n"
            " c.close()\n")
    project(m, "web: { command: python3 fds.py, listen_fds: true, routes: [ { host: web.localhost } ] }\n")
    m.up()
    for i in range(3):
        os.kill(row(m, "web")["pid"], signal.SIGKILL)
        assert get(m)[0] == 200
        # accept waits, as with systemd: a program that finds no one there must not fall over
        time.sleep(0.3)
        assert row(m, "web")["restarts"] == i + 1


def test_who_has_the_port_is_named_before_anything_changes(m):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        m.write("muelle.yaml", f'name: t\ngateway: {{ listen: ["http://127.0.0.1:{port}"] }}\n'
                "services:\n  web: { command: sleep 600, routes: [ { host: w.localhost } ] }\n")
        result = m.cli("up", "-d", check=False)
        assert result.returncode != 0
        assert str(port) in result.stderr and str(os.getpid()) in result.stderr


def test_commands_beside_a_service_and_copies_of_it(m):
    project(m, """
        web: { command: sh -c 'echo copy of $$MUELLE_SERVICE; sleep 600', environment: { GREETING: hello } }
        task: { command: sh -c 'echo task runs; exit 5', restart: "no" }
    """, listen=False)
    m.cli("up", "-d")
    wait_until(lambda: row(m, "web")["state"] == "running", what="web")
    out = m.cli("exec", "web", "--", "sh", "-c", "echo $GREETING $MUELLE_SERVICE; pwd; exit 3", check=False)
    assert out.returncode == 3
    assert out.stdout.split() == ["hello", "web", str(m.folder)]
    assert m.cli("exec", "web", "--", "nonesuch", check=False).returncode == 127
    assert m.cli("run", "task", check=False).returncode == 5


def test_a_container_says_what_it_needs_and_the_rest_runs(m):
    project(m, "a: { image: nginx }\nb: { command: sleep 600 }\n", listen=False)
    result = m.cli("up", "-d", "--wait", check=False)
    assert result.returncode != 0
    assert "needs an engine driver" in result.stdout + result.stderr
    assert row(m, "b")["state"] == "running"
    assert row(m, "a")["state"] == "pending"


def test_everything_killed_at_once_is_taken_up_by_the_next_up(m):
    project(m, "web: { command: sleep 600, deploy: { replicas: 3 } }\n", listen=False)
    m.up()
    pids = [r["pid"] for r in m.ps()]
    m.kill("keeper", "core", "edge")
    assert all(alive(p) for p in pids)
    m.up()
    assert [r["pid"] for r in m.ps()] == pids
    os.kill(pids[0], signal.SIGKILL)
    wait_until(lambda: row(m, "web")["pid"] not in (None, pids[0]) and row(m, "web")["restarts"] == 1, what="restart")


def test_the_last_line_in_a_reason_is_of_the_process_that_ended(muelle):
    muelle.write("web.sh", "[ -e second ] && exec sleep 1000; touch second; echo first went wrong >&2; sleep 0.1; exit 3")
    muelle.write("muelle.yaml", "gateway: { admin: false }\nservices: { web: { command: sh web.sh } }\n")
    muelle.up()
    row = wait_until(lambda: next((r for r in muelle.ps() if r["state"] == "running" and r["restarts"] == 1), None))
    first = next(e for e in muelle.get("/api/v1/events")["items"] if e["kind"] == "replica.crashed")
    assert "last line: first went wrong" in first["message"]
    time.sleep(0.05)  # longer than the kernel's tick
    os.kill(row["pid"], signal.SIGKILL)
    wait_until(lambda: muelle.ps()[0]["restarts"] == 2)
    second = [e for e in muelle.get("/api/v1/events")["items"] if e["kind"] == "replica.crashed"][-1]
    assert "killed by signal 9" in second["message"] and "last line" not in second["message"]


def test_down_stops_what_runs_after_every_role_was_killed(muelle):
    muelle.write("muelle.yaml", "gateway: { admin: false }\nservices: { a: { command: sleep 1000 } }\n")
    muelle.up()
    pid = muelle.ps()[0]["pid"]
    muelle.kill("keeper", "core", "edge")
    assert alive(pid)
    result = muelle.cli("ps", check=False)
    assert result.returncode == 3 and "its services may still run" in result.stderr
    muelle.cli("down")
    assert not alive(pid)
    assert "may still run" not in muelle.cli("ps", check=False).stderr


def test_commands_that_probe_leave_no_file(muelle):
    muelle.write("muelle.yaml", f"""
gateway: {{ listen: [], admin: "http://127.0.0.1:{free_port()}" }}
services:
  a:
    command: sleep 1000
    deploy: {{ replicas: 2 }}
    healthcheck: {{ test: "echo well", interval: 50ms }}
""")
    muelle.up()
    wait_until(lambda: all(r["probe"]["body"] == "well" for r in muelle.get("/api/v1/projects/" + muelle.folder.name
                                                                        + "/replicas")["items"]), 10, "what it said")
    run = os.path.realpath(muelle.state / "run")
    muelle.cli("scale", "a=1")
    wait_until(lambda: sum(name.startswith("probe-") for name in os.listdir(run)) <= 1, 10, "that of the one left")
    muelle.down()
    assert not os.path.exists(run), os.listdir(run)
