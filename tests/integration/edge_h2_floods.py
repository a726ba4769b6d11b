# SPDX-License-Identifier: Apache-2.0
"""Clients that send in HTTP/2 what costs work and brings nothing: each is ended with the right GOAWAY, others are served."""
import struct
import time

import pytest

import h2_peer
from edge_peer import Edge, Upstream, echo, until
from h2_peer import H2Client, frame, get, settings, window_update

PAGE = b"x" * (1 << 20)
DROPS = 1500


def serve(peer, n):
    while True:
        line, _, _ = peer.request()
        if "/slow" in line:
            time.sleep(0.2)
        if "/drip" in line:
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(DROPS):
                peer.send(b"64\r\n" + b"x" * 100 + b"\r\n")
                time.sleep(0.001)
            peer.send(b"0\r\n\r\n")
            continue
        peer.reply(PAGE if "/big" in line else b"ok")


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    with Upstream(serve) as upstream, Edge(tmp_path_factory.mktemp("edge"), "service web", f"endpoint web web-1 {upstream.address}",
                                           "route web * /", gateway="threads=1 head_ms=600 keepalive_ms=600") as edge:
        edge.get()
        yield edge


def stream(n):
    return 2 * n + 1


FLOODS = {
    "PING": lambda n: frame(h2_peer.PING, 0, 0, b"12345678"),
    "SETTINGS": lambda n: settings((h2_peer.WINDOW, 65535)),
    "empty SETTINGS": lambda n: settings(),
    "WINDOW_UPDATE": lambda n: window_update(0, 1),
    "PRIORITY": lambda n: frame(h2_peer.PRIORITY, 0, stream(n + 5), struct.pack(">IB", 0, 16)),
    "PRIORITY_UPDATE": lambda n: frame(0x10, 0, 0, struct.pack(">I", 1) + b"u=%d" % (n % 8)),
    "rapid reset": lambda n: frame(h2_peer.HEADERS, 5, stream(n), get("/slow")) + frame(h2_peer.RST_STREAM, 0, stream(n), b"\0\0\0\x08"),
    "malformed requests": lambda n: frame(h2_peer.HEADERS, 5, stream(n), h2_peer.block((":method", "GET"), ("X", "y"))),
    "empty DATA": lambda n: (frame(h2_peer.HEADERS, 4, 1, get(method="POST")) if n == 0 else b"") + frame(h2_peer.DATA, 0, 1),
    "padded empty DATA": lambda n: (frame(h2_peer.HEADERS, 4, 1, get(method="POST")) if n == 0 else b"") + frame(h2_peer.DATA, 8, 1, b"\4" + b"\0" * 4),
    "CONTINUATION": lambda n: frame(h2_peer.HEADERS, 1, 1, get()) if n == 0 else frame(h2_peer.CONTINUATION, 0, 1),
    "full CONTINUATION": lambda n: frame(h2_peer.HEADERS, 1, 1, get()) if n == 0 else frame(h2_peer.CONTINUATION, 0, 1, h2_peer.field(b"a", b"b" * 8000)),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_with_enhance_your_calm_and_others_are_served(edge, name):
    before, rss = edge.stats(), edge.rss_kib()
    with H2Client(edge.port) as flood, H2Client(edge.port) as other:
        assert other.fetch(1).status == 200
        sent = 0
        while sent < 40000 and not flood.ended:
            for _ in range(50):
                if not flood.try_send(FLOODS[name](sent)):
                    break
                sent += 1
            flood.read(0.001)
        flood.until(lambda: False, 1)
        assert flood.ended and flood.goaway is not None, f"{sent} frames"
        assert h2_peer.error_name(flood.goaway) == "ENHANCE_YOUR_CALM"
        assert other.fetch(3).status == 200
    assert edge.rss_kib() - rss < 4096
    if "CONTINUATION" not in name:  # those end it by their number
        assert edge.stats()["limit_glitches"] == before["limit_glitches"] + 1
        assert edge.stats()["glitches"] - before["glitches"] >= 50
    until(lambda: edge.stats()["in_flight"] == 0)


def test_who_reads_much_may_open_windows_as_often_as_he_likes(edge):
    with H2Client(edge.port, keep=0) as client:
        client.gives_windows = True
        for n in range(60):
            answer = client.fetch(stream(n), "/big")
            assert answer.verdict() == "200" and answer.size == len(PAGE), f"{n} {answer.verdict()} {client.goaway}"


def test_who_measures_the_way_by_a_ping_behind_each_message_is_no_flood(edge):
    """As grpc-go does: a window update and a PING behind a DATA frame, however small, while none is under way."""
    with H2Client(edge.port) as client:
        client.gives_windows = True
        client.ask(1, "/drip")
        while not client.answer(1).over:
            got = client.answer(1).size
            assert client.until(lambda: client.answer(1).size > got or client.answer(1).over) and client.ping(), client.goaway
        assert client.answer(1).size == 100 * DROPS and len(client.pings) > DROPS * 0.9


def test_requests_without_a_window_cost_no_memory(edge):
    rss = edge.rss_kib()
    with H2Client(edge.port, pairs=[(h2_peer.WINDOW, 0)], keep=0) as client:
        client.until(lambda: client.settings)
        for n in range(100):
            client.ask(stream(n), "/big")
        assert client.until(lambda: sum(a.status == 200 for a in client.answers.values()) == 100)
        time.sleep(0.3)
        grown = edge.rss_kib() - rss
        assert grown < 12 * 1024, f"{grown} KiB"
        client.gives_windows = True
        client.send(settings((h2_peer.WINDOW, 1 << 20)) + window_update(0, 1 << 27))
        assert client.until(lambda: sum(a.ended for a in client.answers.values()) == 100, 20)
        assert {a.size for a in client.answers.values()} == {len(PAGE)}


def test_a_table_of_hpack_is_no_bomb(edge):
    """One field of 4000 bytes, then named 15,000 times by one byte each."""
    rss = edge.rss_kib()
    bomb = get() + b"\x40" + h2_peer.integer(1, 7) + b"x" + h2_peer.integer(4000, 7) + b"y" * 4000
    with H2Client(edge.port) as client:
        client.send(frame(h2_peer.HEADERS, 5, 1, bomb))
        assert client.until(lambda: client.answer(1).over)
        for n in range(1, 20):
            client.try_send(frame(h2_peer.HEADERS, 5, stream(n), get() + b"\xbe" * 15000))
        client.until(lambda: client.ended or client.answer(stream(19)).over, 5)
        refused = [a.verdict() for n, a in client.answers.items() if n > 1 and a.verdict()]
        assert set(refused) <= {"431"} and (refused or client.goaway is not None)
    assert edge.rss_kib() - rss < 4096


def test_bodies_of_one_byte_frames_are_taken(edge):
    with H2Client(edge.port) as client:
        client.send(frame(h2_peer.HEADERS, 4, 1, get(method="POST")))
        client.send(frame(h2_peer.DATA, 0, 1, b"x") * 5000 + frame(h2_peer.DATA, 1, 1))
        assert client.until(lambda: client.answer(1).over)
        assert client.answer(1).verdict() == "200"


@pytest.mark.parametrize("begun", [h2_peer.PREFACE[:10], h2_peer.PREFACE, h2_peer.PREFACE + settings(),
                                   h2_peer.PREFACE + settings() + frame(h2_peer.HEADERS, 1, 1, get()),
                                   h2_peer.PREFACE + settings() + frame(h2_peer.HEADERS, 1, 1, get())[:12]])
def test_who_says_no_more_is_ended_in_time(edge, begun):
    with H2Client(edge.port, preface=False) as client:
        client.send(begun)
        client.until(lambda: client.ended, 5)
        assert client.ended
        assert client.goaway in ((None,) if len(begun) < len(h2_peer.PREFACE) else (0, 1))


def half_a_field(name, value, sent):
    """HEADERS and CONTINUATION up to the middle of one field."""
    block = (b"\0" + h2_peer.integer(name, 7) + b"a" * name + h2_peer.integer(value, 7) + b"b" * value)[:sent]
    pieces = [block[i:i + 16384] for i in range(0, len(block), 16384)]
    return b"".join(frame(h2_peer.CONTINUATION if i else h2_peer.HEADERS, 0, 1, piece) for i, piece in enumerate(pieces))


HALVES = {
    "more than anybody takes": (half_a_field(65000, 65000, 130000), 30),
    "a value of it": (half_a_field(10, 65000, 40000), 16),
    "all but the end of what is taken": (half_a_field(10, 16000, 15900), 32),
    "little": (half_a_field(10, 65000, 20), 16),
    "a byte of a large frame": (frame(h2_peer.HEADERS, 0, 1, b"\0", length=16384), 4),
}


@pytest.mark.parametrize("what", HALVES)
def test_half_a_field_costs_little(tmp_path, what):
    begun, most_kib = HALVES[what]
    with Edge(tmp_path, "service web", "route web * /", gateway="threads=1") as edge:
        clients = [H2Client(edge.port) for _ in range(100)]
        assert all(client.ping() for client in clients)
        before = edge.rss_kib()
        for client in clients:
            client.send(begun)
        time.sleep(0.5)
        each = (edge.rss_kib() - before) / len(clients)
        assert each < most_kib, f"{each:.1f} KiB"
        for client in clients:
            client.socket.close()


def test_a_head_that_does_not_come_ends_the_connection(tmp_path):
    """Nothing else may come in front of its rest."""
    with Edge(tmp_path, "service web", "route web * /", gateway="threads=1 head_ms=300 keepalive_ms=60000") as edge:
        with H2Client(edge.port) as client:
            assert client.ping()
            client.send(half_a_field(10, 65000, 40000))
            client.until(lambda: client.ended, 5)
            assert client.ended and client.answer(1).status == 408 and client.goaway == 0


def test_the_rest_of_a_head_that_was_answered_reaches_nobody(edge):
    """Also with another request under way: its connection has no use any more, and the edge lives on."""
    pid = edge.process.pid
    for end in (0, 4):
        with H2Client(edge.port) as client:
            assert client.ping()
            client.send(window_update(0, 1 << 20))
            client.ask(1, "/big")  # as far as its window goes
            client.send(frame(h2_peer.HEADERS, 1, 3, get("/a")[:20]))
            assert client.until(lambda: client.answer(3).over, 5) and client.answer(3).status == 408
            client.try_send(frame(h2_peer.CONTINUATION, end, 3, get("/a")[20:] + h2_peer.field(b"x-of", b"another")))
            with H2Client(edge.port) as other:
                assert other.fetch(1).status == 200
            client.until(lambda: client.ended, 5)
            assert client.ended and client.goaway == 0
    assert edge.process.poll() is None and edge.process.pid == pid


@pytest.mark.parametrize("code", [0, 8])
def test_a_client_that_leaves_takes_its_requests_along(edge, code):
    """Whatever error it says: what is under way is bounded by the streams."""
    with H2Client(edge.port) as client:
        client.until(lambda: client.settings)
        for n in range(100):
            client.ask(stream(n), "/slow")
            client.send(frame(h2_peer.RST_STREAM, 0, stream(n), struct.pack(">I", code)))
        assert client.ping()
        until(lambda: edge.stats()["in_flight"] == 0, 0.15)


def test_leaving_what_was_answered_early_is_no_abuse(edge):
    with H2Client(edge.port) as client:
        client.gives_windows = True
        for n in range(400):
            client.send(frame(h2_peer.HEADERS, 4, stream(n), get("/", ("content-length", str(1 << 30)), method="POST")))
            assert client.until(lambda: client.answer(stream(n)).ended) and client.answer(stream(n)).status == 413
            client.send(frame(h2_peer.RST_STREAM, 0, stream(n), bytes(4)))
        assert client.ping() and client.goaway is None


def test_who_claims_to_be_a_call_is_bound_as_all_are(edge):
    """The service speaks HTTP/1: it takes none."""
    head = get("/", ("content-type", "application/grpc"), ("content-length", str(1 << 30)), method="POST")
    with H2Client(edge.port) as client:
        client.send(frame(h2_peer.HEADERS, 4, 1, head))
        assert client.until(lambda: client.answer(1).ended) and client.answer(1).heads[0]["grpc-status"] == "8"


def test_a_field_that_is_too_long_costs_its_request_only(edge):
    with H2Client(edge.port) as client:
        assert client.fetch(1, "/", ("x-kept", "1")).status == 200
        head = get() + b"\x40" + b"\x03big" + h2_peer.integer(60000, 7) + b"b" * 60000 + h2_peer.field(b"x", b"y")
        client.send(frame(h2_peer.HEADERS, 1, 3, head[:16384]) + frame(h2_peer.CONTINUATION, 0, 3, head[16384:32768])
                    + frame(h2_peer.CONTINUATION, 0, 3, head[32768:49152]) + frame(h2_peer.CONTINUATION, 4, 3, head[49152:]))
        assert client.until(lambda: client.answer(3).over) and client.answer(3).verdict() == "431"
        assert client.fetch(5).status == 200


def test_an_idle_connection_is_told_before_it_ends(edge):
    with H2Client(edge.port) as client:
        assert client.fetch(1).status == 200
        start = time.monotonic()
        client.until(lambda: client.ended, 5)
        assert client.ended and client.goaway == 0 and 0.4 < time.monotonic() - start < 3


def test_a_body_that_does_not_come_ends_its_stream_only(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, "service web idle_ms=400", f"endpoint web web-1 {upstream.address}", "route web * /") as edge:
        with H2Client(edge.port) as client:
            client.send(frame(h2_peer.HEADERS, 4, 1, get(method="POST")) + frame(h2_peer.DATA, 0, 1, b"x"))
            assert client.until(lambda: client.answer(1).over, 15), client.answers
            assert client.answer(1).status != 200
            assert client.fetch(3).status == 200
