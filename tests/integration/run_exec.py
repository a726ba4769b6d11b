# SPDX-License-Identifier: Apache-2.0
"""Commands beside a service, asked of the API as a client of our own would: whom they run as, how many there may be,
what ends them, what is refused."""
import array
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from muelle import Muelle, alive, wait_until  # noqa: E402


@pytest.fixture
def m(tmp_path):
    with Muelle(tmp_path) as muelle:
        muelle.write("muelle.yaml", "name: t\ngateway: { listen: [], admin: off }\n"
                                    "services:\n  a: { command: sleep 600 }\n  b: { command: sleep 600 }\n")
        yield muelle


class Command:
    """A stream of events of one command; its output is a pipe's other end."""

    def __init__(self, m, service, *words, **body):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(m.socket()))
        read, write = os.pipe()
        text = json.dumps({"command": words, **body}).encode()
        head = (f"POST /api/v1/projects/t/services/{service}/exec HTTP/1.1\r\nHost: localhost\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n").encode()
        with open(os.devnull) as null:
            fds = array.array("i", [null.fileno(), write, write])
            self.sock.sendmsg([head], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        self.sock.sendall(text)
        os.close(write)
        self.output = os.fdopen(read)
        self.text = ""

    def event(self, *names):
        """The data of the next event that has one of these names."""
        def found():
            for part in self.text.replace("\r", "").split("\n\n"):
                lines = [line for line in part.split("\n") if line]
                for name in names:
                    if f"event: {name}" in lines:
                        return json.loads(next(line for line in lines if line.startswith("data: "))[6:])
            more = self.sock.recv(65536).decode()
            assert more, f"the stream ended: {self.text}"
            self.text += more
            return None
        return wait_until(found, 20, f"{names} in {self.text}")

    def close(self):
        self.output.close()
        self.sock.close()


def test_a_command_runs_as_the_user_of_its_service(m):
    if os.geteuid() != 0:
        pytest.skip("only root gives a service another user")
    m.write("muelle.yaml", "name: t\ngateway: { listen: [], admin: off }\n"
                           "services: { a: { command: sleep 600, user: nobody, working_dir: /tmp } }\n")
    m.up()
    command = Command(m, "a", "id", "-un")
    assert command.output.read() == "nobody\n"
    assert command.event("exited") == {"exit_code": 0}
    command.close()


def test_so_many_commands_and_no_more(m):
    m.up()
    commands = [Command(m, "a", "sleep", "600") for _ in range(64)]
    pids = [command.event("started")["pid"] for command in commands]
    last = Command(m, "a", "true")
    assert last.event("problem")["code"] == "exec.busy"
    assert last.output.read() == ""  # its descriptors are closed
    last.close()
    for command in commands:
        command.close()
    wait_until(lambda: not any(alive(pid) for pid in pids), what="their end")

    def free():
        again = Command(m, "a", "true")
        event = again.event("exited", "problem")
        again.close()
        return event == {"exit_code": 0}
    wait_until(free, what="room for another")


def test_a_command_that_ignores_every_signal_is_killed_with_its_children(m):
    m.up()
    command = Command(m, "a", "sh", "-c", "trap '' HUP TERM; sleep 600 & echo $!; wait; sleep 600")
    other = Command(m, "a", "sleep", "600")
    started, child = command.event("started"), int(command.output.readline())
    other.event("started")
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        assert m.request("POST", f"/api/v1/commands/{started['id']}/signal", {"signal": int(number)})[0] == 204
    assert command.event("exited") == {"exit_code": 128 + signal.SIGKILL}
    wait_until(lambda: not alive(child), what="the end of its child")
    command.close()
    other.close()


def test_a_service_without_a_process_has_no_command_beside_it(m):
    m.up()
    m.cli("scale", "b=0")
    wait_until(lambda: not [r for r in m.ps() if r["service"] == "b"], what="none")
    command = Command(m, "b", "true")
    problem = command.event("problem")
    assert (problem["status"], problem["code"]) == (404, "replica.unknown") and "'b'" in problem["detail"]
    command.close()


def test_a_command_gets_the_environment_of_the_replica_that_is_named(m):
    m.up()
    m.cli("scale", "a=2")
    for words, port in (("a", 1), ("a/1", 1), ("a/2", 2)):
        for verb in ("exec", "run"):
            said = m.cli(verb, words, "printenv", "MUELLE_REPLICA", "PORT").stdout.split()
            assert said == [str(port), str(next(r["port"] for r in m.ps() if r["service"] == "a" and r["replica"] == port))]
    wrong = m.cli("exec", "a/3", "true", check=False)
    assert wrong.returncode == 127 and "service 'a' has no replica 3" in wrong.stderr and "muelle scale a=3" in wrong.stderr
    wrong = m.cli("exec", "a/x", "true", check=False)
    assert wrong.returncode == 2 and "'a/x' is no SERVICE/REPLICA" in wrong.stderr
    for verb in ("ps", "restart", "stop", "logs", "events"):
        wrong = m.cli(verb, "a/1", check=False)
        assert wrong.returncode == 2 and f"'{verb}' takes services" in wrong.stderr, wrong
    assert "'muelle logs a --replica 1'" in m.cli("logs", "a/1", check=False).stderr


def test_commands_outlive_a_core_and_the_next_one_ends_what_nobody_asks_for(m):
    m.up()
    command = Command(m, "a", "sleep", "600")
    pid = command.event("started")["pid"]
    core = m.get("/api/v1/instance")["core"]["pid"]
    os.kill(core, signal.SIGTERM)
    wait_until(lambda: not alive(core), what="the end of the core")
    wait_until(lambda: not alive(pid), 20, what="the end of a command whose asker is gone")
    command.close()
