# SPDX-License-Identifier: Apache-2.0
"""`muelle core` as a process of its own: what it refuses to start beside, what it says then, what a signal does."""
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from muelle import BINARY, Muelle, alive, wait_until  # noqa: E402

PROJECT = "name: t\ngateway: { listen: [], admin: off }\nservices: { a: { command: sleep 600 } }\n"


@pytest.fixture
def m(tmp_path):
    with Muelle(tmp_path) as muelle:
        muelle.write("muelle.yaml", PROJECT)
        yield muelle


def core(*args):
    done = subprocess.run([BINARY, "core", *map(str, args)], text=True, capture_output=True, timeout=30)
    return done.returncode, done.stderr


def test_a_core_that_is_not_told_its_folders_says_how_it_is_called():
    for args in ([], ["--state-dir"], ["--state-dir", "/tmp"], ["--run-dir", "/tmp"]):
        code, said = core(*args)
        assert code == 2 and said == "usage: muelle core --state-dir DIR --run-dir DIR\n"


def test_no_core_starts_beside_another(tmp_path):
    with open(tmp_path / "core.lock", "w") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, said = core("--state-dir", tmp_path / "state", "--run-dir", tmp_path)
    assert code == 3 and said == "muelle: core: another core runs here (pid 4711)\n"
    assert not (tmp_path / "state").exists()


def test_a_core_without_a_place_for_its_lock_does_not_touch_the_state(tmp_path):
    code, said = core("--state-dir", tmp_path / "state", "--run-dir", tmp_path / "none")
    assert code == 3 and "core.lock cannot be taken" in said
    assert not (tmp_path / "state").exists()


def test_a_core_that_cannot_start_leaves_word_of_it(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "instance.json").write_text("{}")
    code, said = core("--state-dir", state, "--run-dir", tmp_path)
    assert code == 1 and "the file that names the instance is damaged" in said and str(state) in said
    word = (tmp_path / "core.problem").read_text().splitlines()
    assert word[0] == "state.damaged" and word[2] == str(state / "instance.json") and "backup" in word[4]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_core_that_is_ended_comes_back_and_services_run_on(m, name):
    m.up()
    pid = m.get("/api/v1/projects/t/replicas")["items"][0]["pid"]
    before = m.get("/api/v1/instance")["core"]["pid"]
    os.kill(before, getattr(signal, name))

    def another():
        try:
            code, _, body = m.request("GET", "/api/v1/instance")
        except (OSError, StopIteration):  # nobody answers, or its socket is not there
            return False
        return code == 200 and body["core"]["pid"] != before
    wait_until(another, what="another core")
    assert m.get("/api/v1/projects/t/replicas")["items"][0]["pid"] == pid
    assert alive(pid)


def test_a_hangup_takes_up_what_the_file_says_and_tells_of_what_it_cannot(m):
    def events(kind):
        return m.get(f"/api/v1/events?limit=100&kind={kind}")["items"]
    m.up()
    pid = m.get("/api/v1/instance")["core"]["pid"]
    applied = len(events("project.applied"))
    m.write("muelle.yaml", PROJECT.replace("sleep 600 }", "sleep 601 }"))
    os.kill(pid, signal.SIGHUP)
    wait_until(lambda: len(events("project.applied")) == applied + 1, what="what the file says now")
    m.write("muelle.yaml", PROJECT.replace("command", "comand"))
    os.kill(pid, signal.SIGHUP)
    told = wait_until(lambda: events("project.reload-failed"), what="word of a bad file")
    assert told[0]["severity"] == "error" and "Reload changed nothing" in told[0]["message"]
    assert "muelle.yaml" in told[0]["message"] and told[0]["cause"] == "SIGHUP"
    assert m.get("/api/v1/instance")["core"]["pid"] == pid
