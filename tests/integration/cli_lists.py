# SPDX-License-Identifier: Apache-2.0
"""What the verbs that list things show when there is much of it, little room for it, or none."""
import json
import re
import subprocess
import urllib.error
import urllib.request

import pytest

from cli_terminal import Terminal
from muelle import BINARY, free_port, wait_until


@pytest.fixture
def crowd(muelle):
    """1,201 replicas without a process: containers, which no driver starts."""
    muelle.write("muelle.yaml", """
name: crowd
gateway: { listen: [], admin: off }
services:
""" + "".join(f"  {name}: {{ image: x, scale: 240 }}\n" for name in "abcde") + "  z: { command: sleep 1000 }\n")
    muelle.cli("up", "-d")
    return muelle


@pytest.fixture
def pair(muelle):
    muelle.write("muelle.yaml", f"""
name: pair
gateway: {{ listen: [], admin: "http://127.0.0.1:{free_port()}" }}
services:
  a: {{ command: sh -c 'echo a1; echo a2; exec sleep 1000' }}
  b: {{ command: sleep 1000 }}
  c: {{ command: sleep 1000 }}
""")
    muelle.up()
    return muelle


def test_more_replicas_than_a_page_are_all_listed(crowd):
    listed = json.loads(crowd.cli("ps", "--json").stdout)
    assert len({(r["service"], r["replica"]) for r in listed}) == len(listed) == 1201
    assert len(crowd.cli("ps").stdout.splitlines()) == 1202
    assert len(crowd.cli("ps", "b", "z").stdout.splitlines()) == 242
    assert crowd.cli("ps", "--services").stdout == "a\nb\nc\nd\ne\nz\n"
    assert crowd.cli("status").stdout.startswith("◐ crowd")
    assert len(crowd.cli("top", "--once").stdout.splitlines()) == 7
    before = next(r["pid"] for r in listed if r["service"] == "z")
    crowd.cli("restart", "z")  # its replica stands on the second page
    after = next(r["pid"] for r in crowd.ps() if r["service"] == "z")
    assert after != before


def lines_of(terminal):
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.text).replace("\r", "")
    return [line for line in text.split("\n") if line]


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_no_table_is_wider_than_its_terminal_or_ends_in_blanks(pair, columns):
    for verb in (["ps"], ["routes"], ["top", "--once"]):
        terminal = Terminal(pair, *verb, columns=columns)
        assert terminal.wait() == 0
        for line in lines_of(terminal):
            assert len(line) <= columns and line == line.rstrip(), (verb, line)


def test_what_is_left_out_on_a_narrow_terminal_is_what_matters_least(pair):
    terminal = Terminal(pair, "ps", columns=40)
    assert terminal.wait() == 0
    heading = lines_of(terminal)[0].split()
    assert heading[:3] == ["SERVICE", "REPLICA", "STATE"] and "PORT" not in heading


def test_events_of_several_services(pair):
    def services(*args):
        events = [json.loads(line) for line in pair.cli("events", "--json", *args).stdout.splitlines()]
        return [e["service"] for e in events]
    assert set(services("a")) == {"a"}
    assert set(services("a", "b")) == {"a", "b"}, "the second word counts too"
    assert len(services("a", "b", "-n", "3")) == 3 and len(services("-n", "2000")) == len(services("-n", "all"))
    result = pair.cli("events", "nope", check=False)
    assert result.returncode == 1 and "there is no service 'nope'" in result.stderr


def test_the_last_lines_are_the_last_ones_also_beyond_a_page(muelle):
    muelle.write("muelle.yaml", "gateway: { listen: [], admin: off }\nservices:\n"
                                "  a: { command: sh -c 'seq 30000; exec sleep 1000' }\n")
    muelle.up()
    wait_until(lambda: muelle.cli("logs", "a", "--no-prefix", "-n", 1).stdout == "30000\n", what="all lines")
    for count in (1, 9999, 10001, 25000):
        lines = muelle.cli("logs", "a", "--no-prefix", "-n", count).stdout.split()
        assert lines == [str(n) for n in range(30001 - count, 30001)], count
    assert len(muelle.cli("logs", "a", "--no-prefix").stdout.split()) == 30000


@pytest.mark.parametrize("args, words", [
    (["logs", "--stream", "foo"], "--stream wants stdout, stderr or access, not 'foo'"),
    (["logs", "--replica", "x"], "--replica wants the number of a replica, from 1, not 'x'"),
    (["logs", "--replica", "0"], "not '0'"),
])
def test_a_filter_that_can_match_nothing_is_wrong_use(pair, args, words):
    result = pair.cli(*args, check=False)
    assert result.returncode == 2 and words in result.stderr


def test_a_kind_that_no_event_has_is_told_with_those_that_there_are(pair):
    said = pair.cli("events", "--kind", "foo").stderr
    assert "there is no event of kind 'foo'; there are: " in said and "project.applied" in said
    assert pair.cli("events", "--kind", "project.applied").stderr == ""


def test_an_empty_name_is_no_name_of_a_certificate(pair):
    result = pair.cli("cert", "", check=False)
    assert result.returncode == 2 and "cannot be empty" in result.stderr


def test_the_log_of_requests_can_be_asked_for_before_there_are_any(pair):
    assert pair.cli("logs", "edge").stdout == ""
    follower = subprocess.Popen([BINARY, "logs", "-f", "edge"], cwd=pair.folder, env=pair.env, stderr=subprocess.PIPE)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            follower.communicate(timeout=0.5)
    finally:
        follower.terminate()
        follower.communicate()


def test_requests_read_as_lines_and_stay_records_for_programs(muelle):
    port = free_port()
    muelle.write("muelle.yaml", f"""
gateway: {{ listen: [ "http://127.0.0.1:{port}" ], admin: false }}
services:
  web: {{ command: python3 -m http.server $PORT --bind 127.0.0.1, healthcheck: {{ http: / }}, routes: [ {{ path: / }} ] }}
""")
    muelle.up()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/nothing", timeout=10)
    line = wait_until(lambda: muelle.cli("logs", "edge").stdout, what="the record")
    assert re.fullmatch(rf"edge \| 127\.0\.0\.1 GET 127\.0\.0\.1:{port}/nothing 404 \d+ B \d+\.\d ms web-1\n", line), line
    assert json.loads(muelle.cli("logs", "edge", "--no-prefix").stdout)["status"] == 404


def test_a_command_that_is_not_there_is_named(pair):
    result = pair.cli("exec", "a", "no-such-program", check=False)
    assert result.returncode == 127 and "command not found: no-such-program" in result.stderr
    result = pair.cli("exec", "-w", "/no/such/folder", "a", "ls", check=False)
    assert result.returncode in (126, 127) and "working directory /no/such/folder" in result.stderr
    pair.write("text", "no program\n", mode=0o644)
    result = pair.cli("exec", "a", "./text", check=False)
    assert result.returncode == 126 and "not executable: ./text" in result.stderr
