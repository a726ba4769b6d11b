# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 clients with slow peers, both ways; cancelled, broken, retried, reloaded and stopped exchanges."""
import hashlib
import subprocess
import threading
import time

import pytest

import h2_peer
from edge_peer import Edge, Upstream, until
from h2_peer import DATA, HEADERS, RST_STREAM, H2Client, frame, get, window_update

MIB = 1 << 20
PAGE = bytes(range(256)) * 4096
CANCEL = b"\0\0\0\x08"


def stream(n):
    return 2 * n + 1


class Service:
    """/big: a MiB; /cut: half of it and the end; /wait: an answer when it is told; a body is answered by its digest."""

    def __init__(self):
        self.go_on, self.bad, self.waiting, self.pause = threading.Event(), 0, 0, 0

    def read_slowly(self, peer, length):
        digest = hashlib.sha256()
        while length:
            part = peer.exactly(min(length, 65536))
            length -= len(part)
            digest.update(part)
            time.sleep(self.pause)
        return digest.hexdigest().encode()

    def __call__(self, peer, n):
        while True:
            lines = peer.until(b"\r\n\r\n").decode().split("\r\n")
            low = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
            path = lines[0].split(" ")[1]
            if path == "/die":
                self.bad += 1
                if self.bad == 1:
                    return
            if path == "/wait":
                self.waiting += 1
                self.go_on.wait(20)
            if "content-length" in low:
                peer.reply(self.read_slowly(peer, int(low["content-length"])))
            elif path == "/cut":
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MIB + PAGE[:MIB // 2])
                return
            elif path == "/cutchunked":
                peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
                return
            else:
                peer.reply(PAGE if path == "/big" else b"ok")


@pytest.fixture
def served(tmp_path):
    service = Service()
    with Upstream(service) as upstream, Edge(tmp_path, "service web retries=2", f"endpoint web web-1 {upstream.address}", "route web * /") as edge:
        edge.get()
        yield edge, service


def test_a_hundred_slow_downloads_cost_bounded_memory(served):
    edge, _ = served
    rss, most = edge.rss_kib(), 0
    with H2Client(edge.port, keep=0, receive_buffer=65536, timeout=60) as client:
        client.gives_windows = True
        for n in range(100):
            client.ask(stream(n), "/big")
        for _ in range(60):
            client.socket.settimeout(1)
            client.read(0.01)
            most = max(most, edge.rss_kib() - rss)
            time.sleep(0.01)
        assert most < 16 * 1024, f"{most} KiB"
        client.gives_windows = False
        client.send(window_update(0, 1 << 28) + b"".join(window_update(stream(n), 1 << 21) for n in range(100)))
        assert client.until(lambda: sum(a.over for a in client.answers.values()) == 100, 60)
        assert {(a.verdict(), a.size) for a in client.answers.values()} == {("200", MIB)}
    most = max(most, edge.rss_kib() - rss)
    assert most < 16 * 1024, f"{most} KiB"


def upload(client, count, step=16384):
    """A MiB on each of so many streams, as far as the windows allow."""
    client.until(lambda: client.settings)
    first = client.settings[h2_peer.WINDOW]
    for n in range(count):
        client.send(frame(HEADERS, 4, stream(n), get("/up", ("content-length", str(MIB)), method="POST")))
    sent, total = [0] * count, 0
    while min(sent) < MIB:
        moved = False
        for n in range(count):
            window = min(65535 + client.windows.get(0, 0) - total, first + client.windows.get(stream(n), 0) - sent[n])
            size = min(step, window, MIB - sent[n])
            if size > 0:
                last = sent[n] + size == MIB
                client.send(frame(DATA, int(last), stream(n), PAGE[sent[n]:sent[n] + size]))
                sent[n], total, moved = sent[n] + size, total + size, True
        if not client.read(0.001 if moved else 20):
            return


def test_a_hundred_uploads_to_a_slow_service_cost_bounded_memory(served):
    edge, service = served
    service.pause = 0.01
    rss, most = edge.rss_kib(), []
    over = threading.Event()

    def watch():
        while not over.wait(0.1):
            most.append(edge.rss_kib() - rss)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with H2Client(edge.port, timeout=60) as client:
            upload(client, 100)
            assert client.until(lambda: sum(a.over for a in client.answers.values()) == 100, 60)
            assert {a.body for a in client.answers.values()} == {hashlib.sha256(PAGE).hexdigest().encode()}
    finally:
        over.set()
        watcher.join()
    assert max(most) < 16 * 1024, f"{max(most)} KiB"


def priority_update(stream, value):
    return frame(0x10, 0, 0, stream.to_bytes(4, "big") + value)


@pytest.mark.parametrize("first, second, update", [
    ("u=6", "u=0", b""), ("u=6", None, b""), (None, "u=1", b""), ("u=3", "u=3", priority_update(3, b"u=0")), (None, None, priority_update(1, b"u=7"))])
def test_what_is_urgent_comes_first(served, first, second, update):
    edge, _ = served
    with H2Client(edge.port) as client:
        client.ask(1, "/big", *([("priority", first)] if first else []))
        assert client.until(lambda: client.answer(1).size == 65535)  # all that its window lets through
        client.ask(3, "/big", *([("priority", second)] if second else []))
        client.send(update)
        assert client.ping()
        time.sleep(0.2)  # the service's answer is on its way: of what has not come nothing can be sent
        client.send(window_update(1, 1 << 21) + window_update(3, 1 << 21))
        for n in range(1, 9):
            client.send(window_update(0, 1 << 14))
            assert client.until(lambda: client.answer(1).size + client.answer(3).size == 65535 + (n << 14))
        assert client.answer(3).size >= 6 << 14


STATES = {
    "before the body": (frame(HEADERS, 4, 1, get("/up", ("content-length", "9"), method="POST")), 0),
    "within the body": (frame(HEADERS, 4, 1, get("/up", ("content-length", "9"), method="POST")) + frame(DATA, 0, 1, b"abc"), 0.05),
    "at once": (frame(HEADERS, 5, 1, get("/wait")), 0),
    "while it waits for the answer": (frame(HEADERS, 5, 1, get("/wait")), 0.1),
    "within the answer": (frame(HEADERS, 5, 1, get("/big")), 0.1),
    "behind the answer": (frame(HEADERS, 5, 1, get("/small")), 0.2),
}


@pytest.mark.parametrize("state", STATES)
def test_cancelled_requests_leave_nothing(served, state):
    edge, service = served
    begun, pause = STATES[state]
    with H2Client(edge.port) as client:
        client.send(begun)
        time.sleep(pause)
        client.send(frame(RST_STREAM, 0, 1, CANCEL) + window_update(0, MIB))
        assert client.ping()
        assert client.fetch(3).verdict() == "200"
        assert client.goaway is None
        service.go_on.set()
        until(lambda: edge.stats()["in_flight"] == 0)


@pytest.mark.parametrize("path", ["/cut", "/cutchunked"])
def test_a_service_that_ends_within_its_answer_resets_the_stream_only(served, path):
    edge, _ = served
    with H2Client(edge.port) as client:
        client.gives_windows = True
        answer = client.fetch(1, path)
        assert answer.reset is not None and not answer.ended
        assert h2_peer.error_name(answer.reset) == "INTERNAL_ERROR"
        assert client.fetch(3).verdict() == "200" and client.goaway is None


def test_a_request_is_tried_again(served):
    edge, service = served
    with H2Client(edge.port) as client:
        assert client.fetch(1, "/die").verdict() == "200"
        assert service.bad == 2


def test_a_service_that_is_gone_is_a_bad_gateway_to_one_stream(tmp_path):
    with Edge(tmp_path, "service web connect_ms=300 hold_ms=10", "endpoint web web-1 127.0.0.1:1", "route web a /") as edge:
        with H2Client(edge.port) as client:
            assert client.fetch(1).status in (502, 503)
            client.ask(3, host="nobody")
            assert client.until(lambda: client.answer(3).over) and client.answer(3).status == 404


def test_reloads_break_nothing(served):
    edge, service = served
    with H2Client(edge.port) as client:
        client.ask(1, "/wait")
        until(lambda: service.waiting == 1)
        for n in range(1, 11):
            edge.reload(*edge.lines, f"route web host{n} /")
            assert client.fetch(stream(n)).verdict() == "200"
        service.go_on.set()
        assert client.until(lambda: client.answer(1).over) and client.answer(1).verdict() == "200"
        assert client.goaway is None


def test_an_edge_that_stops_says_so_and_answers_what_is_under_way(served):
    edge, service = served
    with H2Client(edge.port) as client, H2Client(edge.port) as idle:
        assert idle.fetch(1).status == 200
        client.ask(1, "/wait")
        until(lambda: service.waiting == 1)
        edge.process.stdin.write("quit\n")
        edge.process.stdin.flush()
        assert client.until(lambda: client.goaway is not None, 5) and client.goaway == 0
        assert idle.until(lambda: idle.ended, 5) and idle.goaway == 0
        service.go_on.set()
        assert client.until(lambda: client.answer(1).over, 5) and client.answer(1).verdict() == "200"
        client.until(lambda: client.ended, 5)
        assert client.ended
    assert edge.process.wait(10) == 0


def test_an_answer_in_front_of_the_bodys_end_is_not_lost_to_a_reset(tmp_path):
    """RST_STREAM right behind an answer (RFC 9113 §8.1) makes curl 7.88 take it for an error."""
    big = tmp_path / "big"
    big.write_bytes(bytes(4 * MIB))
    with Upstream(Service()) as upstream, Edge(tmp_path, "service web body_size=100000", f"endpoint web web-1 {upstream.address}",
                                               "route web * /") as edge:
        for _ in range(5):
            curl = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-w", "%{http_code}", "-o", "/dev/null", "-H", "Expect:",
                                   "--data-binary", f"@{big}", f"http://127.0.0.1:{edge.port}/"], stdout=subprocess.PIPE, text=True)
            assert (curl.returncode, curl.stdout) == (0, "413")
        with H2Client(edge.port) as client:
            for at, length in ((1, 4 * MIB), (3, 8 * 16384)):
                client.send(frame(HEADERS, 4, at, get("/", ("content-length", str(length)), method="POST")))
            assert client.until(lambda: client.answer(1).ended and client.answer(3).ended)
            client.send(frame(DATA, 0, 1, bytes(16384)) + b"".join(frame(DATA, n == 7, 3, bytes(16384)) for n in range(8)))
            assert client.ping() and client.answer(1).reset is None
            assert client.until(lambda: client.answer(1).reset == 0), "who goes on is asked to stop"
            assert client.answer(3).reset is None
            assert client.fetch(5, "/ok").verdict() == "200"
