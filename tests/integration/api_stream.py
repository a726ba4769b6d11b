# SPDX-License-Identifier: Apache-2.0
"""Server-sent events: the live stream, following logs and events, resuming, slow readers."""
import json
import socket
import time

import pytest

from muelle import Muelle, free_port, wait_until

P = "/api/v1/projects/shop"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with Muelle(tmp_path_factory.mktemp("stream")) as m:
        m.write("muelle.yaml", f"""
name: shop
gateway: {{ listen: [], admin: "http://127.0.0.1:{free_port()}" }}
services:
  a: {{ command: sleep 1000, deploy: {{ replicas: 2 }} }}
  talk: {{ command: 'sh -c "n=0; while :; do n=$$((n+1)); echo line $$n; sleep 0.05; done"' }}
""")
        m.up()
        yield m


class Stream:
    """The events of one request, as they come."""

    def __init__(self, m, path, headers=()):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(10)
        self.s.connect(str(m.socket()))
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Accept: text/event-stream", *headers]
        self.s.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.file = self.s.makefile("rb")
        self.head = []
        while (line := self.file.readline().rstrip(b"\r\n")):
            self.head.append(line.decode())
        self.text = b""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.s.close()

    def chunk(self):
        size = int(self.file.readline(), 16)
        data = self.file.read(size)
        self.file.readline()
        return data if size else None

    def next(self):
        """(event, id, data); None at the end. Comments are events without a name."""
        while b"\n\n" not in self.text:
            data = self.chunk()
            if data is None:
                return None
            self.text += data
        block, self.text = self.text.split(b"\n\n", 1)
        fields = {}
        for line in block.decode().split("\n"):
            name, _, value = line.partition(":")
            fields[name] = fields.get(name, "") + value.removeprefix(" ")
        data = json.loads(fields["data"]) if "data" in fields else fields.get("")
        return fields.get("event"), int(fields["id"]) if "id" in fields else None, data

    def until(self, name, condition=lambda data: True):
        end = time.monotonic() + 20
        while True:
            event = self.next()
            assert event is not None, "the stream ended"
            assert time.monotonic() < end, f"no {name} within 20 s"
            if event[0] == name and condition(event[2]):
                return event


def gather(stream, *wanted):
    """Reads until each of the conditions (event name, predicate of its data) has come, in any order."""
    found = {}
    end = time.monotonic() + 20
    while len(found) < len(wanted):
        event = stream.next()
        assert event is not None and time.monotonic() < end, f"only {found}"
        for i, (name, condition) in enumerate(wanted):
            if event[0] == name and condition(event[2]):
                found.setdefault(i, event)
    return [found[i] for i in range(len(wanted))]


def test_the_stream_begins_with_everything(shop):
    with Stream(shop, "/api/v1/stream") as stream:
        assert stream.head[0] == "HTTP/1.1 200 OK" and "Content-Type: text/event-stream" in stream.head
        events = []
        while not events or events[-1][0] != "ping":
            events.append(stream.next())
    assert events[0][0] == "hello" and events[0][2]["projects"] == ["shop"]
    assert sorted(e[2]["name"] for e in events if e[0] == "service") == ["a", "talk"]
    assert [e[2]["replica"] for e in events if e[0] == "replica" and e[2]["service"] == "a"] == [1, 2]


def test_changes_events_and_figures_arrive(shop):
    with Stream(shop, "/api/v1/stream?project=shop") as stream:
        stream.until("ping")
        shop.cli("scale", "a=3")
        _, event, _ = gather(
            stream, ("service", lambda s: s["name"] == "a" and s["replicas"]["desired"] == 3),
            ("event", lambda e: e["kind"] == "service.scale"),
            ("replica", lambda r: r["service"] == "a" and r["replica"] == 3 and r["state"] == "running"))
        assert event[1] == event[2]["seq"]
        shop.cli("scale", "a=2")
        stream.until("removed", lambda r: r == {"project": "shop", "service": "a", "replica": 3})
        figures = stream.until("metrics")
        assert {m["service"] for m in figures[2]["items"]} == {"a", "talk"}


def test_what_was_measured_before_comes_at_the_start(shop):
    with Stream(shop, "/api/v1/stream") as first:
        for _ in range(3):
            first.until("metrics")
    with Stream(shop, "/api/v1/stream") as stream:
        histories = {}
        while not (event := stream.next())[0] == "ping":
            if event[0] == "history":
                histories[event[2]["service"]] = event[2]
    assert set(histories) == {"a", "talk"}
    columns = {k: v for k, v in histories["a"].items() if k not in ("project", "service")}
    assert len({len(column) for column in columns.values()}) == 1 and len(columns["time"]) >= 3
    assert columns["time"] == sorted(columns["time"]) and abs(columns["time"][-1] - time.time()) < 15
    assert columns["memory_bytes"][-1] > 0
    with Stream(shop, "/api/v1/stream?project=other") as other:
        while not (event := other.next())[0] == "ping":
            assert event[0] != "history"


def test_a_log_that_says_nothing_is_no_dead_connection(shop):
    with Stream(shop, P + "/logs?follow=1&service=a&tail=0") as stream:
        stream.s.settimeout(40)
        assert stream.chunk().startswith(b": alive")


def test_last_event_id_continues_without_hole_or_double(shop):
    events = shop.get("/api/v1/events?limit=1000")["items"]
    first = events[1]["seq"]
    with Stream(shop, "/api/v1/stream", [f"Last-Event-ID: {first}"]) as stream:
        got = [stream.until("event")[1] for _ in range(len(events) - 2)]
    assert got == [e["seq"] for e in events[2:]]


def test_another_projects_news_do_not_arrive(shop):
    with Stream(shop, "/api/v1/stream?project=other") as stream:
        events = []
        while not events or events[-1][0] != "ping":
            events.append(stream.next())
        assert [e[0] for e in events] == ["hello", "ping"]


def test_following_logs_goes_on_behind_the_last_line(shop):
    with Stream(shop, P + "/logs?follow=1&service=talk&tail=3") as stream:
        seen = [stream.until("log") for _ in range(10)]
    numbers = [int(e[2]["message"].split()[1]) for e in seen]
    assert numbers == list(range(numbers[0], numbers[0] + 10))
    with Stream(shop, P + "/logs?follow=1&service=talk", [f"Last-Event-ID: {seen[4][1]}"]) as stream:
        again = [stream.until("log") for _ in range(20)]
    assert [int(e[2]["message"].split()[1]) for e in again] == list(range(numbers[5], numbers[5] + 20))


def test_following_logs_from_the_beginning_loses_nothing(shop):
    with Stream(shop, P + "/logs?follow=1&service=talk") as stream:
        numbers = [int(stream.until("log")[2]["message"].split()[1]) for _ in range(60)]
    assert numbers == list(range(1, 61))


def test_following_events(shop):
    last = shop.get("/api/v1/events?tail=1")["items"][0]["seq"]
    with Stream(shop, f"/api/v1/events?follow=1&after={last - 2}") as stream:
        assert [stream.until("event")[1] for _ in range(2)] == [last - 1, last]
        shop.cli("restart", "a")
        assert stream.until("event", lambda e: e["kind"] == "service.restart")[1] == last + 1


def test_a_reader_that_goes_away_is_forgotten(shop):
    for _ in range(20):
        with Stream(shop, "/api/v1/stream") as stream:
            stream.next()
    wait_until(lambda: len([f for f in open_sockets(shop) if "core.sock" in f]) < 10, what="closed connections")


def open_sockets(m):
    with open("/proc/net/unix") as f:
        return [line for line in f if str(m.socket()) in line]


def test_a_reader_that_is_too_slow_does_not_hold_up_anybody(shop):
    with Stream(shop, P + "/logs?follow=1&service=talk") as slow, Stream(shop, "/api/v1/stream") as live:
        slow.next()
        end = time.monotonic() + 3
        while time.monotonic() < end:
            live.next()
        started = time.monotonic()
        shop.get("/healthz")
        assert time.monotonic() - started < 1
