# SPDX-License-Identifier: Apache-2.0
"""Bad input: one clear error each, in three lines (what, where, what to do); what runs stays untouched."""
import http.server
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from muelle import BINARY, Muelle, alive, free_port, wait_until

GOOD = """
name: good
gateway: {{ listen: [], admin: "http://127.0.0.1:{port}" }}
services: {{ a: {{ command: sleep 1000 }} }}
"""


def refused(m, text, *words, code=5, args=("up", "-d")):
    """`up` fails with that code, says all the words, and starts nothing."""
    m.write("muelle.yaml", text)
    result = m.cli(*args, check=False)
    assert result.returncode == code, (result.returncode, result.stderr)
    assert result.stderr.startswith("error: "), result.stderr
    for word in words:
        assert word in result.stderr, (word, result.stderr)
    assert len(result.stderr.splitlines()) <= 3 or "\nerror: " in result.stderr, result.stderr
    assert m.cli("status", check=False).returncode == 3
    return result.stderr


@pytest.mark.parametrize("text, words", [
    ("services: [\n", ["not valid YAML", "muelle.yaml:"]),
    ("services:\n  web:\n    comand: x\n", ["unknown key 'comand'", "muelle.yaml:3:5", "did you mean 'command'?"]),
    ("services:\n  a: {}\n", ["nothing to run", "muelle.yaml:2:", "command"]),
    ("services:\n  a: {command: x, depends_on: [b]}\n  b: {command: x, depends_on: [a]}\n", ["circle", "a → b → a"]),
    ("services:\n  a: {command: x, depends_on: [nope]}\n", ["nope"]),
    ("services:\n  a: {command: x, routes: [{host: h, path: /}]}\n  b: {command: x, routes: [{host: h, path: /}]}\n",
     ["two routes", "'h'", "'a'"]),
    ("services:\n  a: {command: /no/such/program}\n", ["/no/such/program", "muelle.yaml:2:16"]),
    ("services:\n  a: {entrypoint: no-such-program, command: -x}\n", ["no-such-program", "muelle.yaml:2:19"]),
    ("services:\n  a: {command: sleep 1, working_dir: /no/such/folder}\n", ["/no/such/folder", "muelle.yaml:2:38"]),
    ("services:\n  a: {command: sleep 1, user: nobody-of-that-name}\n", ["nobody-of-that-name", "muelle.yaml:2:31"]),
    ("services:\n  a: {command: sleep 1, env_file: no.env}\n", ["no.env", "muelle.yaml:2:35"]),
    ("services:\n  a: {command: sleep 1}\ngateway:\n  listen:\n"
     "    - {address: 'https://127.0.0.1:8443', tls: {cert: c.pem, key: k.pem}}\n",
     ["c.pem", "cannot be read", "muelle.yaml:5:"]),
    ("services:\n  a: {command: sleep 1, healthcheck: {interval: soon}}\n", ["soon"]),
    ("services:\n  a: {command: sleep 1, deploy: {replicas: -1}}\n", ["replicas"]),
    ("services:\n  a: {command: 'echo ${MISSING?say it}'}\n", ["MISSING", "say it"]),
    ("a: *b\n", ["muelle.yaml:1:"]),
    ("services:\n\ta: 1\n", ["muelle.yaml:2:1", "indent with blanks, not tabs"]),
    ("services:\n  a: {command: [sleep, {a: b}]}\n", ["an item of 'command' cannot be a map", "2:24", "expected text\n"]),
    ("services:\n  a: {command: sleep 1, user: 'nobody:no-such-group'}\n", ["NAME, UID or NAME:GROUP", "2:31"]),
    ("services:\n  a: {command: sleep 1, scale: 257}\n", ["'scale' cannot be '257'", "from 0 to 256"]),
    ("services:\n  a: {command: sleep 1}\ngateway: {listen: 'http://192.0.2.1:80', admin: none}\n",
     ["192.0.2.1:80", "muelle.yaml:3:19", "this machine has no such address: set 'gateway.listen'"]),
    ("", ["muelle.yaml"]),
], ids=lambda x: None if isinstance(x, list) else "-")
def test_a_wrong_file_is_told_with_its_place(muelle, text, words):
    refused(muelle, text, *words)


def test_files_that_cannot_be_read(muelle):
    result = muelle.cli("up", "-f", "nowhere.yaml", "-d", check=False)
    assert result.returncode == 5 and "nowhere.yaml" in result.stderr
    if os.getuid() != 0:
        muelle.write("secret.yaml", "services: {}\n", mode=0o000)
        result = muelle.cli("up", "-f", "secret.yaml", "-d", check=False)
        assert result.returncode == 5 and "secret.yaml" in result.stderr
    (muelle.folder / "folder.yaml").mkdir()
    result = muelle.cli("up", "-f", "folder.yaml", "-d", check=False)
    assert result.returncode == 5 and "folder.yaml" in result.stderr
    os.mkfifo(muelle.folder / "pipe.yaml")
    result = muelle.cli("up", "-f", "pipe.yaml", "-d", check=False)
    assert result.returncode == 5 and "no regular file" in result.stderr
    muelle.write("binary.yaml", "\x00\x01\x02")
    assert muelle.cli("up", "-f", "binary.yaml", "-d", check=False).returncode == 5


def test_several_mistakes_are_told_at_once(muelle):
    error = refused(muelle, "services:\n  a: {comand: x}\n  b: {command: x, prots: []}\n", "'comand'", "'prots'")
    assert error.count("error: ") >= 2


def test_a_port_that_is_taken_is_told_with_its_owner(muelle):
    port = free_port()
    server = http.server.HTTPServer(("127.0.0.1", port), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for text in (f"gateway: {{ listen: [ 'http://127.0.0.1:{port}' ], admin: 'http://127.0.0.1:{free_port()}' }}\n",
                     f"gateway: {{ listen: [], admin: 'http://127.0.0.1:{port}' }}\n"):
            muelle.write("muelle.yaml", text + "services: { a: { command: sleep 1000 } }\n")
            result = muelle.cli("up", "-d", "--wait", check=False)
            assert result.returncode != 0
            assert str(port) in result.stderr and "python" in result.stderr and str(os.getpid()) in result.stderr, \
                result.stderr
            muelle.cli("down", check=False)
    finally:
        server.shutdown()
        server.server_close()


def test_a_bad_file_for_a_running_instance_touches_nothing(muelle):
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.up()
    before = muelle.ps()
    muelle.write("muelle.yaml", "services: [\n")
    for args in (("up", "-d"), ("reload", "-f", "muelle.yaml"), ("plan",)):
        assert muelle.cli(*args, check=False).returncode == 5
    assert muelle.ps() == before


def test_a_pipe_in_the_files_place_does_not_hold_up_the_core(muelle):
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.up()
    (muelle.folder / "muelle.yaml").unlink()
    os.mkfifo(muelle.folder / "muelle.yaml")
    os.kill(muelle.pid("core"), signal.SIGHUP)
    said = wait_until(lambda: muelle.cli("events", "--kind", "project.reload-failed").stdout, what="the event")
    assert "no regular file" in said
    (muelle.folder / "muelle.yaml").unlink()
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    assert muelle.cli("reload", timeout=10).returncode == 0


def test_up_twice_at_once_makes_one_instance(muelle):
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    processes = [subprocess.Popen([BINARY, "up", "-d", "--wait"], cwd=muelle.folder, env=muelle.env, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    results = [(p.communicate(timeout=60), p.returncode) for p in processes]
    assert [code for _, code in results] == [0] * 4, results
    assert len(muelle.ps()) == 1
    assert len({json.loads(muelle.cli("status", "--json").stdout)["keeper"]["pid"] for _ in range(3)}) == 1


def test_a_copied_folder_does_not_reach_the_original(muelle):
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.up()
    before = muelle.ps()
    folder = muelle.folder / "copy"
    folder.mkdir()
    shutil.copy(muelle.folder / "muelle.yaml", folder)
    shutil.copytree(muelle.state, folder / ".muelle", symlinks=True)

    def cli(*args):
        return subprocess.run([BINARY, *args], cwd=folder, env=muelle.env, text=True, capture_output=True, timeout=60)
    assert cli("ps").returncode == 3
    assert "nothing is running here" in cli("down").stdout
    result = cli("up", "-d")
    assert result.returncode == 1 and "a copy of that of another instance" in result.stderr
    assert str(muelle.state) in result.stderr
    assert muelle.ps() == before
    shutil.rmtree(folder / ".muelle")
    (folder / "muelle.yaml").write_text(GOOD.format(port=free_port()))
    assert cli("up", "-d").returncode == 0
    assert cli("down").returncode == 0 and muelle.ps() == before


def as_nobody(*args, cwd="/"):
    def become():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        return subprocess.run([BINARY, *args], cwd=cwd, env={"PATH": os.environ["PATH"]}, text=True, capture_output=True,
                              timeout=60, preexec_fn=become)
    except (PermissionError, subprocess.SubprocessError):
        pytest.skip("takes root, and a binary that others may run")


def test_a_state_folder_of_somebody_else_is_told():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        state = Path(folder) / ".muelle"
        state.mkdir(mode=0o700)
        (state / "instance.json").write_text("{}")
        result = as_nobody("ps", "--state-dir", state)
        assert result.returncode == 3 and "belongs to user root" in result.stderr, result.stderr


def test_limits_that_cannot_be_held_are_told():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        (Path(folder) / "muelle.yaml").write_text(
            "gateway: { listen: [], admin: false }\nservices: { a: { command: sleep 600, mem_limit: 50m } }\n")
        up = as_nobody("up", "-d", cwd=folder)
        down = as_nobody("down", cwd=folder)
        assert up.returncode == down.returncode == 0
        assert "the limits of 'a' do not work here" in up.stderr


def test_a_state_folder_of_a_newer_version_is_left_alone(muelle):
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.up()
    muelle.down()
    with sqlite3.connect(muelle.state / "work.db") as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute("PRAGMA user_version = 9999")
    result = muelle.cli("up", "-d", check=False)
    assert result.returncode != 0
    assert "newer" in result.stderr and str(muelle.state) in result.stderr, result.stderr
    assert muelle.cli("status", check=False).returncode == 3
    with sqlite3.connect(muelle.state / "work.db") as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == 9999
        db.execute(f"PRAGMA user_version = {version}")
    muelle.up()


def test_a_damaged_state_folder_is_told(muelle):
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.state.mkdir()
    (muelle.state / "instance.json").write_text("{}")
    result = muelle.cli("up", "-d", check=False)
    assert result.returncode == 1 and "damaged" in result.stderr and "instance.json" in result.stderr
    (muelle.state / "instance.json").unlink()
    (muelle.state / "work.db").write_text("this is no database, and long enough to look at " * 40)
    result = muelle.cli("up", "-d", check=False)
    assert result.returncode != 0 and "work.db" in result.stderr, result.stderr


def test_a_stale_run_folder_does_not_stand_in_the_way(muelle):
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.up()
    muelle.note_pids()
    muelle.kill("keeper", "core", "edge")
    pids = {r for r in muelle.pids}
    muelle.up()
    row = muelle.ps()[0]
    assert row["pid"] in pids, "the service was adopted, not started again"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount")
def test_a_full_disk_is_told_and_what_runs_goes_on(muelle, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk]).returncode != 0:
        pytest.skip("cannot mount here")
    try:
        muelle.write("muelle.yaml", GOOD.format(port=free_port()))
        state = ["--state-dir", disk / "state"]
        muelle.cli("up", "-d", "--wait", *state)
        try:
            before = json.loads(muelle.cli("ps", "--json", *state).stdout)
            ballast = os.open(disk / "ballast", os.O_WRONLY | os.O_CREAT)
            try:
                while os.write(ballast, b"x" * 4096):
                    pass
            except OSError:
                pass
            os.close(ballast)
            result = muelle.cli("scale", "a=2", *state, check=False)
            assert result.returncode == 1 and "No space left" in result.stderr and "make room" in result.stderr, result.stderr
            assert [r["pid"] for r in json.loads(muelle.cli("ps", "--json", *state).stdout)] == [r["pid"] for r in before]
            (disk / "ballast").unlink()
            muelle.cli("scale", "a=2", *state)
            wait_until(lambda: len(json.loads(muelle.cli("ps", "--json", *state).stdout)) == 2, what="scale")
            (running,) = {r["pid"] for r in before}
            with open(disk / "ballast", "wb", buffering=0) as ballast, pytest.raises(OSError):
                while ballast.write(b"x" * 4096):
                    pass
            muelle.cli("down", *state)  # in the room that is kept for it
            assert not alive(running)
            assert "nothing is running here" in muelle.cli("down", *state).stdout
            (disk / "ballast").unlink()
            muelle.cli("up", "-d", "--wait", *state)
            assert "is taken down by" in muelle.cli("events", "-n", "all", *state).stdout, "it was written down"
        finally:
            (disk / "ballast").unlink(missing_ok=True)
            muelle.cli("down", *state)
        with open(disk / "ballast", "wb", buffering=0) as ballast, pytest.raises(OSError):
            while ballast.write(b"x" * 4096):
                pass
        # A start that found no room says so, and leaves nothing that keeps the next one from starting.
        result = muelle.cli("up", "-d", "--state-dir", disk / "other", check=False)
        assert result.returncode == 1 and "No space left" in result.stderr, result.stderr
        result = muelle.cli("up", "-d", *state, check=False)
        assert result.returncode == 1 and "no room on the disk" in result.stderr, result.stderr
        (disk / "ballast").unlink()
        state = ["--state-dir", disk / "other"]
        muelle.cli("up", "-d", "--wait", *state)
        muelle.cli("down", *state)
    finally:
        subprocess.run(["umount", "-l", disk])
        shutil.rmtree(disk, ignore_errors=True)


def test_the_address_that_is_taken_stands_once_in_the_sentence(muelle):
    port = free_port()
    text = "gateway: {{ listen: 'http://127.0.0.1:{}', admin: false }}\nservices: {{ a: {{ command: sleep 1000 }} }}\n"
    muelle.write("muelle.yaml", text.format(port))
    muelle.up()
    with Muelle() as other:
        other.write("muelle.yaml", text.format(port))
        error = other.cli("up", "-d", check=False).stderr
        assert error.startswith(f"error: 127.0.0.1:{port} is taken by muelle: keeper (pid {muelle.pid('keeper')})"), error
        assert f"{other.folder}/muelle.yaml:1:20\n" in error
        assert "join it with --instance DIR, or set 'gateway.listen' to another port\n" in error
        other.write("muelle.yaml", "gateway: { admin: false }\nservices:\n  a:\n    command: sleep 1000\n"
                                   f"    ports: ['127.0.0.1:{port}:80']\n")
        error = other.cli("up", "-d", check=False).stderr
        assert f"{other.folder}/muelle.yaml:5:12\n" in error and "set 'ports' to another port\n" in error


@pytest.mark.skipif(os.getuid() != 0, reason="makes a network of its own")
def test_a_default_port_that_is_taken_names_the_key_to_set(muelle):
    muelle.write("muelle.yaml", "services:\n  a:\n    command: sleep 1000\n    routes: [{host: a.localhost}]\n")
    for port, key in ((7070, "gateway.admin"), (8080, "gateway.listen")):
        script = (f"ip link set lo up; rm -f http.log; {sys.executable} -m http.server --bind 127.0.0.1 {port} >http.log 2>&1 & server=$!; "
                  f"until grep -q Serving http.log; do sleep 0.05; done; {BINARY} up -d; code=$?; "
                  f"{BINARY} down; kill $server; wait $server; exit $code")
        result = subprocess.run(["unshare", "-n", "sh", "-c", script.replace("-m http", "-u -m http")], cwd=muelle.folder,
                                env=muelle.env, text=True, capture_output=True, timeout=60)
        assert result.returncode == 1, result
        assert f"127.0.0.1:{port} is taken by python" in result.stderr, result.stderr
        assert f"set '{key}' to another port: the file does not, so it is the default" in result.stderr, result.stderr
        assert "  at " + str(muelle.folder / "muelle.yaml") + "\n" in result.stderr, result.stderr


def test_status_shows_no_link_where_there_is_no_dashboard(muelle):
    muelle.write("muelle.yaml", "gateway: { admin: false }\nservices: { a: { command: sleep 1000 } }\n")
    muelle.up()
    assert "login" not in muelle.cli("status").stdout


LOST = "the state folder of the running instance was removed"


def test_a_state_folder_removed_under_a_running_instance_is_said_and_down_ends_it(muelle):
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.up()
    muelle.note_pids()
    pids = set(muelle.pids)
    shutil.rmtree(muelle.state)
    for verb in (["ps"], ["status"]):
        result = muelle.cli(*verb)
        assert LOST in result.stderr and f"  at {muelle.state}\n" in result.stderr and result.stdout
    result = muelle.cli("up", "-d", check=False)
    assert result.returncode == 1 and LOST in result.stderr and "'muelle down' ends" in result.stderr
    assert not muelle.state.exists(), "nothing makes it anew"
    muelle.cli("down")
    wait_until(lambda: not any(map(alive, pids)), what="the end of all")
    assert "nothing is running here" in muelle.cli("down").stdout
    muelle.up()
    assert [r["state"] for r in muelle.ps()] == ["running"]


def test_without_its_state_folder_a_core_does_not_come_back_as_another_one(muelle):
    """It would know none of the services that run, and stop them."""
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.up()
    muelle.note_pids()
    pids = set(muelle.pids)
    (replica,) = muelle.ps()
    core = muelle.pid("core")
    shutil.rmtree(muelle.state)
    os.kill(core, signal.SIGKILL)
    result = muelle.cli("ps", check=False)
    assert result.returncode == 1 and LOST in result.stderr and "'muelle down --kill' ends" in result.stderr
    assert alive(replica["pid"]) and "1 processes are watched" in muelle.cli("status", check=False).stdout
    assert LOST in muelle.cli("down", check=False).stderr
    muelle.cli("down", "--kill")
    wait_until(lambda: not any(map(alive, pids)), what="the end of all")


def test_a_project_renamed_in_its_file_is_not_started_beside_itself(muelle):
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.up()
    before = muelle.ps()
    muelle.write("muelle.yaml", (muelle.folder / "muelle.yaml").read_text().replace("name: good", "name: better"))
    for args in (["up", "-d"], ["reload"], ["plan"]):
        result = muelle.cli(*args, check=False)
        assert result.returncode != 0 and "runs as project 'good' already" in result.stderr, result.stderr
        assert f"{muelle.folder}/muelle.yaml:2:7\n" in result.stderr and "'muelle down --project good'" in result.stderr
    assert muelle.ps() == before
    muelle.cli("up", "-d", "--project", "second")  # wanted: said with a name
    assert {p["name"] for p in muelle.status()["projects"]} == {"good", "second"}
    muelle.cli("down", "--project", "second")
    muelle.cli("down", "--project", "good")
    muelle.up()
    assert [p["name"] for p in muelle.status()["projects"]] == ["better"]


def test_mistakes_beyond_those_that_are_kept_are_counted_by_reload_too(muelle):
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.up()
    muelle.write("muelle.yaml", "services:\n  a:\n    command: x\n" + "".join(f"    unknown{i}: x\n" for i in range(25)))
    result = muelle.cli("reload", check=False)
    assert result.returncode == 5
    assert result.stderr.count("unknown key") == 20
    assert result.stderr.endswith("error: and 5 more\n"), result.stderr


def test_top_says_that_the_core_is_gone(muelle):
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.up()
    with subprocess.Popen([BINARY, "top"], cwd=muelle.folder, env=muelle.env, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as top:
        assert "SERVICE" in top.stdout.readline()
        muelle.kill("core")
        assert top.wait(10) == 1
        assert "the core is gone" in top.stderr.read()


@pytest.mark.parametrize("args, words", [
    (("exec", "-e", "DEBUG", "a", "true"), "'DEBUG' is no NAME=VALUE"),
    (("exec", "-e", "=1", "a", "true"), "'=1' is no NAME=VALUE"),
    (("ps", "--project", "p" * 64), "more than 63 bytes"),
    (("ps", "--state-dir", "d" * 1100), "longer than 1023 bytes"),
])
def test_what_would_be_cut_or_lost_is_refused(muelle, args, words):
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.up()
    result = muelle.cli(*args, check=False)
    assert result.returncode == 2, result.stderr
    assert words in result.stderr


def test_of_a_variable_given_twice_the_last_one_counts(muelle):
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.up()
    assert muelle.cli("exec", "-e", "A=1", "-e", "A=2", "a", "sh", "-c", "echo $A").stdout == "2\n"


def test_the_api_says_how_many_replicas_there_may_be(muelle):
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.up()
    status, _, body = muelle.request("POST", "/api/v1/projects/good/services/a/scale", {"replicas": 257})
    assert status == 400 and body["expected"] == "0 to 256", body


def test_a_configuration_that_nests_by_aliases_does_not_end_the_core(muelle):
    """Each line is flat enough; as JSON their sum ended the process that wrote it."""
    chain = "".join(f"  m{i}: &a{i} {'[' * 40}*a{i - 1}{']' * 40}\n" for i in range(1, 4))
    muelle.write("muelle.yaml", GOOD.format(port=free_port()))
    muelle.up()
    core = muelle.pid("core")
    muelle.write("muelle.yaml", GOOD.format(port=free_port()) + "models:\n  m0: &a0 [x]\n" + chain)
    result = muelle.cli("reload", check=False)
    assert result.returncode == 5 and "nesting goes too deep" in result.stderr
    assert muelle.pid("core") == core
