# SPDX-License-Identifier: Apache-2.0
"""What is under way in an edge that is killed is lost, and said: in the event, the metrics, by the doctor. What ends in
an edge that is replaced is not."""
import json
import os
import re
import signal
import socket

import pytest

from edge_upgrade import echoes, edge, go_on, started, tunnel, upgrade
from h2_peer import H2Client
from muelle import alive, wait_until


@pytest.fixture
def gate(muelle):
    return started(muelle, threads=2)


def slow(gate):
    s = socket.create_connection(("127.0.0.1", gate.port), 10)
    s.sendall(b"GET /slow HTTP/1.1\r\nHost: up.example\r\n\r\n")
    data = b""
    while not data.endswith(b"one"):
        data += s.recv(4096)
    return s


def lost(gate):
    figures = gate.get("/api/metrics")["edge"]
    return [figures["requests_lost"], figures["tunnels_lost"]]


def exposed(gate):
    """The same in the exposition."""
    text = gate.request("GET", "/metrics")[2].decode()
    return [int(re.search(rf"^muelle_edge_{what}_lost_total (\d+)$", text, re.M)[1]) for what in ("requests", "tunnels")]


def told(gate):
    return [e["message"].split("). ", 1)[-1] for e in gate.get("/api/v1/events?kind=role.restarted&limit=100")["items"]]


def doctor(gate):
    return next(row for row in json.loads(gate.cli("doctor", "--json", check=False).stdout) if row["check"] == "traffic")


def kill(gate, stories):
    """Kills the edge and waits for the next one, and for what is said of it."""
    before = edge(gate)["pid"]
    gate.kill("edge")
    wait_until(lambda: edge(gate)["pid"] not in (0, None, before), what="the next edge")
    wait_until(lambda: len(told(gate)) == stories, what="the event")


def test_what_was_under_way_in_a_killed_edge_is_told_and_counted_once(gate):
    assert lost(gate) == [0, 0] and doctor(gate)["verdict"] == "ok"
    held = [slow(gate) for _ in range(3)]
    with H2Client(gate.port) as client:
        for stream in (1, 3):
            client.ask(stream, "/slow", host="up.example")
            assert client.until(lambda stream=stream: client.answer(stream).body == b"one")
        tunnels = [tunnel(gate), socket.create_connection(("127.0.0.1", gate.tcp), 10)]
        for s in tunnels:
            echoes(s, b"there")
        idle = socket.create_connection(("127.0.0.1", gate.port), 10)  # nothing is lost with it
        idle.sendall(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n")
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        kill(gate, 1)
    assert told(gate) == ["Lost with it: requests under way: 5, tunnels: 2."]
    assert lost(gate) == exposed(gate) == [5, 2]
    found = doctor(gate)
    assert found["verdict"] == "warning" and "5 requests under way, 2 tunnels" in found["what"], found
    kill(gate, 2)
    assert told(gate)[1] == "Nothing was under way in it."
    assert lost(gate) == [5, 2], "once"
    for s in (*held, *tunnels, idle):
        s.close()


def test_what_ends_in_an_edge_that_is_replaced_is_not_lost(gate):
    request, carried = slow(gate), tunnel(gate)
    echoes(carried, b"before")
    before, _ = upgrade(gate)
    wait_until(lambda: edge(gate)["leaving"] == 1 and edge(gate)["moved"] >= 1, what="the end of all but one")
    go_on(gate)
    assert request.recv(10) == b"two"
    wait_until(lambda: not alive(before) and edge(gate)["leaving"] == 0, what="the end of the old edge")
    echoes(carried, b"after")
    assert lost(gate) == [0, 0] and told(gate) == []
    kill(gate, 1)
    assert told(gate) == ["Lost with it: requests under way: 0, tunnels: 1."], "what moved is the next edge's"


def test_who_is_cut_at_the_end_of_the_drain_has_a_record_and_is_not_lost(muelle):
    gate = started(muelle, drain="1s")
    with slow(gate) as request:
        before, _ = upgrade(gate)
        wait_until(lambda: not alive(before) and edge(gate)["leaving"] == 0, what="the end of the old edge")
        with pytest.raises(ConnectionResetError):
            request.recv(10)
    wait_until(lambda: '"path":"/slow"' in gate.cli("logs", "edge", "--no-prefix").stdout, what="the record")
    assert lost(gate) == [0, 0]


def test_an_edge_that_is_killed_while_it_leaves_loses_what_it_had_left(gate):
    request = slow(gate)
    before, _ = upgrade(gate)
    wait_until(lambda: edge(gate)["leaving"] == 1, what="the end of all but one")
    kill(gate, 1)  # the next one: the first still carries the request
    assert told(gate) == ["Nothing was under way in it."] and lost(gate) == [0, 0]
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: lost(gate) == [1, 0], what="the loss")
    request.close()
