# SPDX-License-Identifier: Apache-2.0
"""Services whose output is a pipe or a terminal: what they see, what arrives, what survives kills of the roles."""
import json
import os
import signal
import time

import pytest

from muelle import alive, free_port, wait_until

COUNTER = "i=0; while :; do i=$$((i+1)); echo line $$i; echo err $$i >&2; sleep 0.002; done"


def project(m, service):
    m.write("muelle.yaml", f"""
name: feeds
gateway: {{ listen: [], admin: "http://127.0.0.1:{free_port()}" }}
services:
  a:
{service}
""")


def lines(m, stream="stdout"):
    return [r["message"] for r in m.logs("a", "--tail", "300000") if r["stream"] == stream]


def numbers(m, stream, word):
    return [int(line.split()[1]) for line in lines(m, stream) if line.startswith(word)]


def test_a_terminal_is_one_and_its_lines_arrive(muelle):
    project(muelle, """
    tty: true
    command: sh -c 'test -t 0 && test -t 1 && test -t 2 && echo all three; stty size; python3 -c "print(1)"; sleep 1000'
""")
    muelle.up()
    wait_until(lambda: lines(muelle)[:3] == ["all three", "50 200", "1"], 10, "the lines")


def test_a_pipe_keeps_both_streams_apart(muelle):
    project(muelle, """
    logging: { mode: pipe }
    command: sh -c 'test -p /dev/stdout && echo a pipe; echo bad >&2; echo again > /dev/stdout; sleep 1000'
""")
    muelle.up()
    wait_until(lambda: lines(muelle) == ["a pipe", "again"] and lines(muelle, "stderr") == ["bad"], 10, "the lines")


@pytest.mark.parametrize("how", ["logging: { mode: file }", "logging: { mode: pipe }", "tty: true"])
def test_the_last_line_is_there_and_it_starts_anew(muelle, how):
    project(muelle, f"""
    {how}
    restart: "no"
    command: sh -c 'echo first; printf "the end"; exit 3'
""")
    muelle.cli("up", "-d")
    wait_until(lambda: muelle.ps()[0]["exit"], 10, "its end")
    wait_until(lambda: "the end" in json.dumps(muelle.get("/api/v1/events")), 10, "the event, once it is committed")
    assert "last line: the end" in muelle.cli("start", "a", check=False).stderr
    wait_until(lambda: lines(muelle) == ["first", "the end"] * 2, 10, "a second life's output")


PIPE, TERMINAL = "logging: { mode: pipe }", "tty: true"


@pytest.mark.parametrize("how, roles", [
    (PIPE, ["core"]), (PIPE, ["keeper"]), (PIPE, ["core", "edge"]), (PIPE, ["core", "keeper"]),
    (TERMINAL, ["core"]), (TERMINAL, ["keeper"]), (TERMINAL, ["core", "edge"])])
def test_no_line_is_lost_when_roles_are_killed(muelle, how, roles):
    project(muelle, f"""
    {how}
    command: sh -c '{COUNTER}'
""")
    muelle.up()
    pid = muelle.ps()[0]["pid"]
    wait_until(lambda: len(numbers(muelle, "stdout", "line")) > 20, 10, "some lines")
    for _ in range(3):
        muelle.kill(*roles)
        time.sleep(0.3)
    assert alive(pid)
    before = numbers(muelle, "stdout", "line")[-1]
    wait_until(lambda: numbers(muelle, "stdout", "line")[-1] > before + 50, 20, "lines after the kills")
    seen = numbers(muelle, "stdout", "line")
    assert seen == list(range(1, len(seen) + 1))
    if "pipe" in how:
        seen = numbers(muelle, "stderr", "err")
        assert seen == list(range(1, len(seen) + 1))


def test_a_program_waits_while_no_core_reads_its_pipe(muelle):
    """More than a pipe holds is written while the core stands still: the program waits, nothing is lost."""
    project(muelle, """
    logging: { mode: pipe }
    command: sh -c 'seq 1 200000; sleep 1000'
""")
    muelle.up()
    core = muelle.pid("core")
    os.kill(core, signal.SIGSTOP)
    time.sleep(0.3)
    os.kill(core, signal.SIGCONT)
    wait_until(lambda: len(muelle.logs("a", "--tail", "300000")) >= 200000, 40, "all lines")
    assert lines(muelle) == [str(i) for i in range(1, 200001)]


WRITER = """
import os, signal, socket, sys, time
name, end, i = sys.argv[1].encode(), None, 0
door = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
def stop(*_):
    global end
    end = time.monotonic() + 0.5
signal.signal(signal.SIGTERM, stop)
while end is None or time.monotonic() < end:
    i += 1
    os.write(1, b"%s %d\\n" % (name, i))
    if i % 20 == 0:
        time.sleep(0.001)
os.write(1, b"%s ends after %d\\n" % (name, i))
"""


@pytest.mark.parametrize("old, new", [("file", "pipe"), ("pipe", "file")])
def test_no_line_is_lost_or_mixed_when_the_mode_of_a_routed_service_changes(muelle, old, new):
    def write(mode, name):
        project(muelle, f"""
    logging: {{ mode: {mode} }}
    command: python3 writer.py {name}
    stop_grace_period: 5s
    routes: [ {{ host: a.localhost }} ]
""")

    muelle.write("writer.py", WRITER)
    write(old, "first")
    muelle.up()
    wait_until(lambda: len(numbers(muelle, "stdout", "first")) > 200, 10, "some lines")
    write(new, "second")
    muelle.cli("reload")
    wait_until(lambda: len([line for line in lines(muelle) if line.startswith("second")]) > 200, 20, "the second one's")
    muelle.cli("stop", "a")
    wait_until(lambda: any(line.startswith("second ends") for line in lines(muelle)), 10, "its end")
    seen = lines(muelle)
    for name in ("first", "second"):
        count = int(next(line for line in seen if line.startswith(f"{name} ends after")).split()[3])
        assert [line for line in seen if line.startswith(name)][:-1] == [f"{name} {i}" for i in range(1, count + 1)]
