# SPDX-License-Identifier: Apache-2.0
"""What scripts may rely on: verbs, JSON shapes, exit codes, waiting, and that nothing is left behind."""
import http.client
import json
import os
import re
import signal
import subprocess
import time

import pytest

from muelle import BINARY, alive, free_port, wait_until

WEB = """
import http.server, os
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"hi")
    def log_message(self, *a): print("served", self.path, flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
"""
STATES = {"pending", "starting", "running", "unhealthy", "stopping", "stopped", "crashed", "completed"}


def test_few_libraries_are_linked():
    """Each costs every start of every role; what is rarely used is loaded by who uses it (os/libs.h)."""
    out = subprocess.run(["readelf", "-d", BINARY], check=True, capture_output=True, text=True).stdout
    linked = set(re.findall(r"NEEDED.*\[lib([a-z0-9]+)[-.]", out)) - {"asan", "ubsan", "tsan", "gcov"}
    assert linked <= {"c", "m", "ssl", "crypto", "sqlite3", "yaml", "zstd", "z"}, linked


@pytest.fixture
def shop(muelle):
    """A project of a web service with two replicas and a job, not started."""
    muelle.port, muelle.admin = free_port(), free_port()
    muelle.write("web.py", WEB)
    muelle.write("muelle.yaml", f"""
name: shop
gateway:
  listen: [ "http://127.0.0.1:{muelle.port}" ]
  admin: "http://127.0.0.1:{muelle.admin}"
services:
  web:
    command: /usr/bin/python3 web.py
    deploy: {{ replicas: 2 }}
    healthcheck: {{ http: /, interval: 1s }}
    routes: [ {{ host: shop.localhost, path: / }} ]
  job:
    command: sh -c "echo working; echo done"
    restart: "no"
""")
    return muelle


def test_up_waits_until_every_service_is_ready(shop):
    result = shop.up()
    assert all(r["state"] in ("running", "completed") for r in shop.ps())
    assert f"http://127.0.0.1:{shop.admin}/login?token=" in result.stdout
    assert f"http://shop.localhost:{shop.port}/" in result.stdout


def test_ps_json_is_the_contract(shop):
    shop.up()
    rows = shop.ps()
    assert [(r["service"], r["replica"]) for r in rows] == [("web", 1), ("web", 2), ("job", 1)]
    for row in rows:
        assert list(row) == ["project", "service", "replica", "state", "health", "pid", "port", "restarts",
                             "started_at", "exit"]
        assert row["project"] == "shop" and row["state"] in STATES
    web, job = rows[0], rows[2]
    assert alive(web["pid"]) and 1024 < web["port"] < 65536 and web["exit"] is None and web["health"] == "healthy"
    assert job["pid"] is None and job["state"] == "completed" and job["exit"] == 0


def test_status_json_is_the_contract(shop):
    shop.up()
    status = shop.status()
    assert list(status) == ["version", "instance", "projects", "keeper", "core", "edge", "sockmap"]
    assert status["projects"][0]["name"] == "shop"
    assert all(alive(status[role]["pid"]) for role in ("keeper", "core", "edge"))
    assert status["edge"]["threads"] >= 1
    assert shop.cli("version", "--json").stdout == json.dumps({"version": status["version"]}, separators=(",", ":")) + "\n"


def test_logs_json_is_one_object_a_line(shop):
    shop.up()
    lines = wait_until(lambda: len(shop.logs("job")) >= 2 and shop.logs("job"), what="lines of job")
    assert [line["message"] for line in lines] == ["working", "done"]
    for line in lines:
        assert list(line) == ["time", "service", "replica", "stream", "message"]
        assert line["service"] == "job" and line["replica"] == 1 and line["stream"] == "stdout"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"])
    assert [line["message"] for line in shop.logs("job", "--tail", "1")] == ["done"]
    assert [line["message"] for line in shop.logs("job", "--grep", "work")] == ["working"]
    assert lines[1] in shop.logs("job", "--since", lines[1]["time"])
    assert shop.logs("job", "--since", "2100-01-01T00:00:00Z") == []
    assert shop.logs("job", "--since", "1h") == lines
    day, minute = lines[0]["time"][:10], lines[0]["time"][:16]
    for since in (day, minute, minute.replace("T", " "), lines[0]["time"][:19]):
        assert shop.logs("job", "--since", since) == lines, since
        assert shop.logs("job", "--until", since) == []
    assert shop.logs("job", "--tail", "0") == []


def test_logs_follow_prints_what_comes(shop):
    shop.up()
    with subprocess.Popen([BINARY, "logs", "web", "--json", "-f", "--tail", "0"], cwd=shop.folder, env=shop.env,
                          stdout=subprocess.PIPE, text=True) as follower:
        time.sleep(0.2)
        port = shop.ps()[0]["port"]
        subprocess.run(["curl", "-s", f"http://127.0.0.1:{port}/hello"], check=True, stdout=subprocess.DEVNULL)
        for line in follower.stdout:
            if "/hello" in json.loads(line)["message"]:
                break
        follower.send_signal(signal.SIGINT)
        assert follower.wait(10) == 0


@pytest.mark.parametrize("core_is", ["stopped", "gone"])
def test_ctrl_c_is_heard_while_up_waits_for_a_core(muelle, core_is):
    """In front of anything that it did: the instance and its services run on."""
    muelle.write("muelle.yaml", "name: t\ngateway: { admin: off }\nservices: { a: { command: sleep 1000 } }\n")
    muelle.up()
    pids, service = {role: muelle.pid(role) for role in ("keeper", "core")}, muelle.ps()[0]["pid"]
    held = "core" if core_is == "stopped" else "keeper"  # who would bring a new one
    os.kill(pids[held], signal.SIGSTOP)
    try:
        if core_is == "gone":
            os.kill(pids["core"], signal.SIGKILL)
        with subprocess.Popen([BINARY, "up", "-d"], cwd=muelle.folder, env=muelle.env, stderr=subprocess.PIPE, text=True) as up:
            time.sleep(0.7)
            assert up.poll() is None, "it waits"
            began = time.monotonic()
            up.send_signal(signal.SIGINT)
            assert up.wait(20) == 130 and time.monotonic() - began < 3, up.stderr.read()
    finally:
        os.kill(pids[held], signal.SIGCONT)
    wait_until(lambda: alive(muelle.pid("core")), 20, "a core")
    assert muelle.ps()[0]["pid"] == service


def test_down_leaves_nothing(shop):
    shop.up()
    shop.note_pids()
    run_dir = os.path.realpath(shop.state / "run")
    shop.down()
    assert not [pid for pid in shop.pids if alive(pid)]
    assert not os.path.exists(run_dir)
    for port in (shop.port, shop.admin):
        assert subprocess.run(["curl", "-s", f"http://127.0.0.1:{port}/"]).returncode == 7
    assert not {"run", "start.lock"} & {p.name for p in shop.state.iterdir()}
    assert shop.cli("down").stdout == "nothing is running here\n"


def test_down_as_json(shop):
    assert json.loads(shop.cli("down", "--json").stdout) == {"project": None, "instance_ended": True}
    shop.up()
    assert json.loads(shop.cli("down", "--json").stdout) == {"project": "shop", "instance_ended": True}


def test_wait_names_who_is_not_ready_and_why(shop):
    shop.write("bad.yaml", """
name: bad
gateway: { listen: [], admin: "http://127.0.0.1:%d" }
services:
  fine: { command: sleep 1000 }
  broken: { command: sh -c "echo cannot open it; exit 3" }
""" % free_port())
    result = shop.cli("up", "-f", "bad.yaml", "-d", "--wait", "--wait-timeout", "20s", check=False)
    assert result.returncode == 4
    assert "broken is not ready" in result.stderr and "exited 3" in result.stderr
    assert "cannot open it" in result.stderr and "fine is not ready" not in result.stderr


def test_up_on_a_running_instance_applies_the_file(shop):
    shop.up()
    before = {(r["service"], r["replica"]): r["pid"] for r in shop.ps()}
    text = (shop.folder / "muelle.yaml").read_text()
    shop.write("muelle.yaml", text + "  more:\n    command: sleep 1000\n")
    shop.up()
    after = {(r["service"], r["replica"]): r["pid"] for r in shop.ps()}
    assert ("more", 1) in after
    assert all(after[key] == pid for key, pid in before.items() if pid)
    assert shop.status()["projects"][0]["generation"] == 2


def test_a_bad_file_changes_nothing(shop):
    shop.up()
    before = shop.ps()
    shop.write("muelle.yaml", "services:\n  web:\n    comand: x\n")
    for verb in (["up", "-d"], ["reload"], ["plan"]):
        result = shop.cli(*verb, check=False)
        assert result.returncode == 5, verb
        assert "unknown key 'comand'" in result.stderr and "muelle.yaml:3:5" in result.stderr
        assert "did you mean 'command'?" in result.stderr
    assert [r["pid"] for r in shop.ps()] == [r["pid"] for r in before]


def test_scale_is_kept_and_reset(shop):
    shop.up()
    shop.cli("scale", "web=3")
    wait_until(lambda: sum(r["state"] == "running" for r in shop.ps() if r["service"] == "web") == 3, what="scale")
    assert "override: web.replicas = 3" in shop.cli("config").stdout
    assert "web" in shop.cli("plan").stdout
    shop.cli("reset", "web")
    wait_until(lambda: sum(r["service"] == "web" for r in shop.ps()) == 2, what="reset")


def test_stop_start_restart(shop):
    shop.up()
    pids = {r["pid"] for r in shop.ps() if r["service"] == "web"}
    shop.cli("stop", "web")
    wait_until(lambda: not any(map(alive, pids)), what="stop")
    assert {r["state"] for r in shop.ps() if r["service"] == "web"} <= {"stopped", "stopping"}
    shop.cli("start", "web")
    wait_until(lambda: sum(r["state"] == "running" for r in shop.ps()) == 2, what="start")
    pids = {r["pid"] for r in shop.ps() if r["service"] == "web"}
    shop.cli("restart", "web")
    wait_until(lambda: not pids & {r["pid"] for r in shop.ps()} and
               sum(r["state"] == "running" for r in shop.ps()) == 2, what="restart")


def test_exec_and_run_return_the_exit_code_and_pass_streams(shop):
    shop.up()
    result = shop.cli("exec", "web", "sh", "-c", "cat; echo $MUELLE_SERVICE; echo oops >&2; exit 7", input="in\n",
                      check=False)
    assert (result.returncode, result.stdout, result.stderr) == (7, "in\nweb\n", "oops\n")
    assert shop.cli("run", "-e", "A=b c", "job", "sh", "-c", "printf %s \"$A\"").stdout == "b c"
    assert shop.cli("run", "job").stdout == "working\ndone\n"
    assert shop.cli("exec", "web", "/no/such", check=False).returncode == 127
    assert shop.cli("exec", "nobody", "true", check=False).returncode == 1


def test_exec_passes_signals_on(shop):
    shop.up()
    script = "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen([BINARY, "exec", "web", "sh", "-c", script], cwd=shop.folder, env=shop.env,
                          stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout.readline() == "ready\n"
        command.send_signal(signal.SIGTERM)
        assert command.stdout.read() == "caught\n"
        assert command.wait(10) == 9


def test_a_command_ends_with_the_client_that_asked_for_it(shop):
    """As with a terminal that is closed, whether it has said something or not."""
    shop.up()
    with subprocess.Popen([BINARY, "exec", "web", "sh", "-c", "echo $$; exec sleep 1000"], cwd=shop.folder, env=shop.env,
                          stdout=subprocess.PIPE, text=True) as command:
        pid = int(command.stdout.readline())
        assert alive(pid)
        command.kill()
        wait_until(lambda: not alive(pid), what="the command's end")
    assert shop.cli("exec", "web", "true").returncode == 0


def test_a_signal_for_a_command_that_is_not_there_changes_nothing(shop):
    shop.up()
    before = {r["pid"] for r in shop.ps()}
    for command in ("x", "-1", "99999999999999999999"):
        status, _, problem = shop.request("POST", f"/api/v1/commands/{command}/signal", {"signal": 9})
        assert status == 404 and problem["code"] == "command.unknown"
    assert {r["pid"] for r in shop.ps()} == before


def test_events_tell_who_and_why(shop):
    shop.up()
    shop.cli("restart", "web")
    events = [json.loads(line) for line in shop.cli("events", "--json").stdout.splitlines()]
    sequence = [event["seq"] for event in events]
    assert sequence == sorted(sequence)
    applied = next(e for e in events if e["kind"] == "project.applied")
    assert applied["actor"] == f"uid:{os.getuid()}" and "POST" in applied["cause"]
    assert [json.loads(x)["seq"] for x in shop.cli("events", "--json", "--tail", "2").stdout.splitlines()] == \
        [json.loads(x)["seq"] for x in shop.cli("events", "--json", "--tail", "3").stdout.splitlines()][-2:]


def test_status_answers_from_the_keeper_when_the_core_is_away(shop):
    shop.up()
    status = shop.status()
    os.kill(status["core"]["pid"], signal.SIGSTOP)
    try:
        os.kill(status["core"]["pid"], signal.SIGKILL)
        result = shop.cli("status", "--json", check=False)
        answer = json.loads(result.stdout)
        assert answer["keeper"]["pid"] == status["keeper"]["pid"]
    finally:
        wait_until(lambda: shop.cli("status", check=False).returncode == 0, what="the core's return")


def test_two_instances_beside_each_other(shop, tmp_path):
    shop.up()
    other = tmp_path / "other"
    other.mkdir()
    (other / "muelle.yaml").write_text(f"""
name: other
gateway: {{ listen: [], admin: "http://127.0.0.1:{free_port()}" }}
services: {{ a: {{ command: sleep 1000 }} }}
""")
    shop.cli("up", "-f", other / "muelle.yaml", "-d", "--wait")
    try:
        status = json.loads(shop.cli("status", "--json", "-f", other / "muelle.yaml").stdout)
        assert status["instance"] != shop.status()["instance"]
    finally:
        shop.cli("down", "-f", other / "muelle.yaml")
    assert len(shop.ps()) == 3


def test_a_second_project_joins_an_instance(shop, tmp_path):
    shop.up()
    other = tmp_path / "joined"
    other.mkdir()
    (other / "muelle.yaml").write_text("name: joined\ngateway: { listen: [], admin: off }\n"
                                       "services: { a: { command: /usr/bin/python3 web.py, "
                                       "routes: [ { host: joined.localhost } ] } }\n")
    (other / "web.py").write_text(WEB)
    shop.cli("up", "-f", other / "muelle.yaml", "--instance", shop.state, "-d", "--wait")
    assert sorted(p["name"] for p in shop.status()["projects"]) == ["joined", "shop"]

    def answers():  # at the first project's address: it brought none of its own
        connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=10)
        connection.request("GET", "/", headers={"Host": "joined.localhost"})
        return connection.getresponse().status == 200
    wait_until(answers, what="the joined project's route")
    shop.cli("down", "-f", other / "muelle.yaml", "--instance", shop.state)
    assert [p["name"] for p in shop.status()["projects"]] == ["shop"]


@pytest.mark.parametrize("verb", ["ps", "logs", "routes", "events", "top", "reload"])
def test_without_an_instance_every_verb_says_so(muelle, verb):
    muelle.write("muelle.yaml", "services: { a: { command: sleep 1 } }\n")
    result = muelle.cli(verb, check=False)
    assert result.returncode == 3
    lines = result.stderr.splitlines()
    assert lines[0] == "error: no instance is running here" and str(muelle.state) in lines[1] and "muelle up" in lines[2]


def test_without_an_instance_down_is_content_and_plan_says_that_all_is_new(muelle):
    muelle.write("muelle.yaml", "services: { a: { command: sleep 1 }, b: { command: sleep 1 } }\n")
    assert muelle.cli("down").stdout == "nothing is running here\n"
    plan = json.loads(muelle.cli("plan", "--json").stdout)["plan"]
    assert [(step["service"], step["action"]) for step in plan] == [("a", "create"), ("b", "create")]
    muelle.write("muelle.yaml", "services: { a: { comand: sleep 1 } }\n")
    assert muelle.cli("plan", check=False).returncode == 5
    assert not muelle.state.exists() or not list(muelle.state.iterdir())


def test_status_waits_for_a_core_that_is_coming_back(shop):
    shop.up()
    old = shop.kill("core")[0]
    status = json.loads(shop.cli("status", "--json").stdout)
    assert status["core"]["pid"] not in (0, old) and status["projects"]


def test_wrong_use_exits_2(muelle):
    for args in (["upp"], ["ps", "--nope"], ["scale"], ["scale", "web"], ["logs", "--tail"], ["completion", "csh"]):
        muelle.write("muelle.yaml", "services: { a: { command: sleep 1 } }\n")
        code = muelle.cli(*args, check=False).returncode
        assert code in (2, 3) if args[0] == "scale" and len(args) > 1 else code == 2, args


def test_following_logs_survives_the_core(shop):
    shop.write("count.yaml", f"""
name: count
gateway: {{ listen: [], admin: "http://127.0.0.1:{free_port()}" }}
services:
  talk: {{ command: 'sh -c "n=0; while :; do n=$$((n+1)); echo $$n; sleep 0.02; done"' }}
""")
    shop.up(file="count.yaml")
    with subprocess.Popen([BINARY, "logs", "talk", "--json", "-f"], cwd=shop.folder, env=shop.env,
                          stdout=subprocess.PIPE, text=True) as follower:
        numbers = []
        for line in follower.stdout:
            numbers.append(int(json.loads(line)["message"]))
            if len(numbers) == 20:
                shop.kill("core")
            if len(numbers) == 100:
                break
        follower.send_signal(signal.SIGTERM)
        assert follower.wait(10) == 0
    assert numbers == list(range(1, 101))


def test_verbs_wait_for_a_core_that_was_killed(shop):
    shop.up()
    before = shop.ps()
    os.kill(shop.pid("core"), signal.SIGKILL)
    after = json.loads(shop.cli("ps", "--json").stdout)
    assert [r["pid"] for r in after] == [r["pid"] for r in before]


def test_env_file_replaces_dot_env(shop):
    shop.write(".env", "WORD=dot\n")
    shop.write("other.env", "WORD=other\n")
    shop.write("env.yaml", f"""
name: env
gateway: {{ listen: [], admin: "http://127.0.0.1:{free_port()}" }}
services:
  a:
    command: sh -c "echo it is ${{WORD}}; sleep 1000"
""")
    shop.up("--env-file", "other.env", file="env.yaml")
    wait_until(lambda: [x["message"] for x in shop.logs("a")] == ["it is other"], what="the word")


def pids_of(shop, service):
    return {row["pid"] for row in shop.ps() if row["service"] == service and row["state"] == "running"}


def test_what_changes_something_returns_when_it_has_come_about(shop):
    shop.up()
    before = pids_of(shop, "web")
    assert "running, 2 of 2 ready" in shop.cli("restart", "web").stdout
    after = pids_of(shop, "web")
    assert len(after) == 2 and not after & before
    assert "running, 3 of 3 ready" in shop.cli("scale", "web=3").stdout
    assert after < pids_of(shop, "web")
    assert "stopped" in shop.cli("stop", "web").stdout
    assert pids_of(shop, "web") == set()
    shop.cli("start", "web")
    assert len(pids_of(shop, "web")) == 3
    shop.cli("reset")
    assert len(pids_of(shop, "web")) == 2
    before = pids_of(shop, "web")
    shop.write("muelle.yaml", (shop.folder / "muelle.yaml").read_text().replace("3 web.py", "3 -u web.py"))
    shop.cli("reload")
    after = pids_of(shop, "web")
    assert len(after) == 2 and not after & before


def test_an_action_that_fails_says_so_with_its_exit_code(shop):
    shop.up()
    shop.write("web.py", "import sys; sys.exit('no database')")
    result = shop.cli("restart", "web", check=False)
    assert result.returncode == 4
    assert "web is " in result.stderr and "muelle logs web" in result.stderr
    assert shop.cli("restart", "web", "--no-wait", check=False).returncode == 0


@pytest.mark.parametrize("verb", [["logs", "wbe"], ["logs", "-f", "wbe"], ["ps", "wbe"], ["restart", "wbe"], ["scale", "wbe=2"]])
def test_a_name_that_is_no_service_is_an_error_that_names_it(shop, verb):
    shop.up()
    result = shop.cli(*verb, check=False)
    assert result.returncode == 1
    assert "there is no service 'wbe'" in result.stderr and "did you mean 'web'?" in result.stderr


def test_top_shows_figures_on_a_narrow_terminal_too(shop):
    shop.up()
    assert re.search(r"CPU +MEMORY +REQ/S", shop.cli("top", "--once").stdout)


def test_an_application_that_needs_its_time_is_ready_soon_after(shop):
    """No probe succeeds at once; the next ones must not wait for the interval."""
    shop.write("web.py", "import time; time.sleep(0.3)\n" + WEB)
    shop.write("muelle.yaml", (shop.folder / "muelle.yaml").read_text().replace("interval: 1s", "interval: 10m"))
    shop.up("--wait-timeout", "30s")
    shop.cli("restart", "web")
