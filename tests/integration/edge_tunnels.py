# SPDX-License-Identifier: Apache-2.0
"""Tunnels through the real edge: WebSockets whose frames are checked, limits of a route, CONNECT."""
import asyncio
import contextlib
import os
import socket
import threading
import time

import pytest

from edge_peer import Edge, Upstream, echo, request, until
from frames import BINARY, CLOSE, HANDSHAKE, PING, PONG, TEXT, close, frame, read_close, read_frame, upgrade

MASK = b"\x11\x22\x33\x44"


def web(upstream, options="", service=""):
    return [f"service web {service}", f"endpoint web web-1 {upstream.address}", f"route web * / {options}"]


class Service:
    """Accepts WebSockets; what each connection gets lies in `got`, `peers` are their ends."""

    def __init__(self, *first, headers=(), answer=None):
        self.first, self.headers, self.answer = first, headers, answer
        self.peers, self.codes, self.asked = [], [], []

    def __call__(self, peer, n):
        self.asked.append(upgrade(peer, self.headers))
        self.peers.append(peer)
        for data in self.first:
            peer.send(data)
        if self.answer:
            self.answer(peer)
        self.codes.append(read_close(peer))


@contextlib.contextmanager
def pair(tmp_path, service, options="frames=1", more=""):
    with Upstream(service) as upstream, Edge(tmp_path, *web(upstream, options, more)) as edge:
        yield edge


def open_tunnel(edge, headers=()):
    client = edge.connect()
    client.send(request(path="/chat", headers=[*HANDSHAKE, *headers]))
    assert client.head()[0] == 101
    return client


def record(edge):
    return edge.records()[-1]


def echo_frames(peer):
    while True:
        opcode, fin, payload, masked = read_frame(peer)
        assert masked
        peer.send(frame(PONG if opcode == PING else opcode, payload, fin=fin))
        if opcode == CLOSE:
            return


def test_frames_that_are_in_order_pass_as_they_are(tmp_path):
    with pair(tmp_path, Service(answer=echo_frames)) as edge, open_tunnel(edge) as client:
        sent = [(TEXT, True, "grüße".encode()), (BINARY, True, os.urandom(200000)), (PING, True, b"x" * 125),
                (TEXT, False, b"a\xc3"), (PING, True, b""), (0, True, b"\xb1"), (BINARY, True, b"")]
        for opcode, fin, payload in sent:
            client.send(frame(opcode, payload, MASK, fin))
        for opcode, fin, payload in sent:
            assert read_frame(client) == (PONG if opcode == PING else opcode, fin, payload, False)
        client.send(close(1000, b"done", MASK))
        assert read_close(client) == 1000
        client.socket.close()
        last = record(edge)
        assert last["status"] == 101 and last["close_code"] == 1000 and last["flags"] & 2 and last["path"] == "/chat"


def test_frames_pass_however_they_are_cut(tmp_path):
    data = frame(TEXT, "ñandú".encode(), MASK) + frame(PING, b"p", MASK) + frame(BINARY, b"y" * 300, MASK)
    with pair(tmp_path, Service(answer=echo_frames)) as edge, open_tunnel(edge) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in data:
            client.send(bytes([byte]))
        assert read_frame(client)[2] == "ñandú".encode()
        assert read_frame(client)[:3] == (PONG, True, b"p")
        assert read_frame(client)[2] == b"y" * 300


@pytest.mark.parametrize("behind", [close(1000, b"", MASK), frame(PING, b"p", MASK), frame(TEXT, b"late", MASK), b"no frame at all"])
def test_what_comes_behind_a_close_is_nobodys(tmp_path, behind):
    with pair(tmp_path, Service(answer=echo_frames)) as edge, open_tunnel(edge) as client:
        client.send(frame(TEXT, b"a", MASK) + close(1000, b"done", MASK) + behind)
        assert read_frame(client)[2] == b"a"
        assert read_close(client) == 1000
        client.socket.close()
        assert record(edge)["close_code"] == 1000


@pytest.mark.parametrize("wrong", [frame(3, b"hi", MASK), frame(TEXT, b"hi", MASK, bits=0x40), frame(0, b"hi", MASK), frame(PING, b"x" * 126, MASK)])
def test_what_a_client_said_before_it_broke_the_rules_is_answered(tmp_path, wrong):
    service = Service(answer=echo_frames)
    with pair(tmp_path, service) as edge, open_tunnel(edge) as client:
        client.send(frame(TEXT, b"a", MASK) + frame(PING, b"b", MASK) + wrong + frame(TEXT, b"late", MASK))
        assert read_frame(client) == (TEXT, True, b"a", False)
        assert read_frame(client) == (PONG, True, b"b", False)
        assert read_close(client) == 1002
        client.socket.close()
        assert record(edge)["close_code"] == 1002


def test_a_service_that_says_nothing_more_does_not_keep_a_client_from_hearing_it(tmp_path):
    def deaf(peer):
        time.sleep(5)

    with pair(tmp_path, Service(answer=deaf)) as edge, open_tunnel(edge) as client:
        start = time.monotonic()
        client.send(frame(3, b"hi", MASK))
        assert read_close(client) == 1002
        assert 0.8 < time.monotonic() - start < 3


BROKEN = {
    "not masked": (frame(TEXT, b"hi"), 1002),
    "a reserved bit": (frame(TEXT, b"hi", MASK, bits=0x40), 1002),
    "a reserved opcode": (frame(3, b"hi", MASK), 1002),
    "a continuation of nothing": (frame(0, b"hi", MASK), 1002),
    "a ping in fragments": (frame(PING, b"hi", MASK, fin=False), 1002),
    "a close code that must not be sent": (close(1005, b"", MASK), 1002),
    "a text that is not UTF-8": (frame(TEXT, b"\xff\xfe", MASK), 1007),
    "a message beyond the limit": (frame(BINARY, b"x" * 1001, MASK), 1009),
    "a message in frames beyond the limit": (frame(BINARY, b"x" * 900, MASK, fin=False) + frame(0, b"x" * 101, MASK), 1009),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_client_that_breaks_the_rules_is_told_and_the_service_hears_that_it_is_gone(tmp_path, what):
    data, code = BROKEN[what]
    service = Service()
    with pair(tmp_path, service, "frames=1 message_max=1000") as edge, open_tunnel(edge) as client:
        client.send(data)
        assert read_close(client) == code
        assert client.closed()
        until(lambda: service.codes)
        # in the middle of a message a Close may come, in the middle of a frame (its head had gone) it may not
        assert service.codes == ["end" if what == "a text that is not UTF-8" else 1001]
        assert record(edge)["close_code"] == code


@pytest.mark.parametrize("what, data, code", [
    ("masked", frame(TEXT, b"hi", MASK), 1002), ("not UTF-8", frame(TEXT, b"ok\xff"), 1007),
    ("too big", frame(BINARY, b"x" * 1001), 1009)])
def test_a_service_that_breaks_the_rules_is_told_and_the_client_hears_of_a_bad_gateway(tmp_path, what, data, code):
    service = Service(data)
    with pair(tmp_path, service, "frames=1 message_max=1000") as edge, open_tunnel(edge) as client:
        expected = "end" if what == "not UTF-8" else 1014  # half a frame had gone: nothing can be said behind it
        assert read_close(client) == expected
        until(lambda: service.codes)
        assert service.codes == [code]
        assert record(edge)["close_code"] == code


def test_compressed_frames_pass_when_both_agreed_on_them(tmp_path):
    hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00"
    service = Service(frame(TEXT, hello, bits=0x40), headers=["Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"])
    with pair(tmp_path, service) as edge, open_tunnel(edge, ["Sec-WebSocket-Extensions: permessage-deflate"]) as client:
        assert client.exactly(9)[0] == 0xc1


@pytest.mark.parametrize("headers", [["Sec-WebSocket-Extensions: x-own"], ["Sec-WebSocket-Extensions: permessage-deflate, x-own"]])
def test_an_extension_that_cannot_be_checked_is_refused(tmp_path, headers):
    with pair(tmp_path, Service(headers=headers)) as edge, edge.connect() as client:
        client.send(request(headers=HANDSHAKE))
        assert client.response().status == 502


def test_an_answer_to_another_key_is_refused(tmp_path):
    def serve(peer, n):
        peer.until(b"\r\n\r\n")
        peer.send(b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOA=\r\n\r\n")
    with pair(tmp_path, serve) as edge, edge.connect() as client:
        client.send(request(headers=HANDSHAKE))
        assert client.response().status == 502


def test_what_is_no_handshake_does_not_reach_the_service(tmp_path):
    service = Service()
    with pair(tmp_path, service) as edge:
        version = [line.replace("13", "8") for line in HANDSHAKE]
        with edge.connect() as client:
            client.send(request(headers=version))
            response = client.response()
            assert response.status == 426 and response.headers["sec-websocket-version"] == "13"
        for bad in (HANDSHAKE[:3], HANDSHAKE[:3] + ["Sec-WebSocket-Key: short"], HANDSHAKE + ["Content-Length: 3"]):
            with edge.connect() as client:
                client.send(request(headers=bad))
                assert client.response().status == 400
        with edge.connect() as client:
            client.send(request("POST", headers=HANDSHAKE))
            assert client.response().status == 400
    assert service.asked == []


def test_a_silent_client_is_asked_and_its_answer_is_life_that_the_service_does_not_see(tmp_path):
    got = []

    def serve(peer, n):
        upgrade(peer)
        while True:
            got.append(read_frame(peer))

    with pair(tmp_path, serve, "frames=1 ping_ms=150 tunnel_ms=100000") as edge, open_tunnel(edge) as client:
        for _ in range(3):
            opcode, _, payload, masked = read_frame(client)
            assert opcode == PING and not masked and payload.startswith(b"muelle")
            client.send(frame(PONG, payload, MASK))
        client.send(frame(PONG, b"own", MASK) + frame(TEXT, b"hi", MASK))
        until(lambda: len(got) == 2)
        assert [(f[0], f[2]) for f in got] == [(PONG, b"own"), (TEXT, b"hi")]


def test_a_client_that_does_not_answer_a_ping_is_gone(tmp_path):
    service = Service()
    with pair(tmp_path, service, "frames=1 ping_ms=150") as edge, open_tunnel(edge) as client:
        assert read_frame(client)[0] == PING
        assert read_close(client) == 1001
        until(lambda: service.codes)
        assert service.codes == [1001]
        last = record(edge)
        assert last["close_code"] == 1006 and last["flags"] & 4


def test_a_ping_does_not_break_a_frame_of_the_service(tmp_path):
    def serve(peer, n):
        upgrade(peer)
        data = frame(BINARY, b"z" * 1000)
        peer.send(data[:500])
        time.sleep(0.5)  # longer than the client may be silent
        peer.send(data[500:])
        read_close(peer)

    with pair(tmp_path, serve, "frames=1 ping_ms=100") as edge, open_tunnel(edge) as client:
        assert read_frame(client)[:3] == (BINARY, True, b"z" * 1000)
        assert read_frame(client)[0] == PING


@pytest.mark.parametrize("options", ["frames=1 tunnel_ms=200", "tunnel_ms=200"])
def test_a_tunnel_that_nobody_uses_ends_with_the_time_of_its_route(tmp_path, options):
    code = 1001
    service = Service()
    with pair(tmp_path, service, options, "tunnel_idle_ms=60000") as edge, open_tunnel(edge) as client:
        assert read_close(client) == code
        until(lambda: service.codes == [code])
        until(lambda: edge.stats()["connections"] == 0)


def test_a_service_that_goes_without_a_word_is_made_up_for(tmp_path):
    def serve(peer, n):
        upgrade(peer)
        peer.send(frame(TEXT, b"bye"))

    with pair(tmp_path, serve) as edge, open_tunnel(edge) as client:
        assert read_frame(client)[2] == b"bye"
        assert read_close(client) == 1014


def test_both_sides_are_told_when_a_replica_leaves(tmp_path):
    service = Service()
    with pair(tmp_path, service) as edge, open_tunnel(edge) as client:
        until(lambda: service.peers)
        edge.command(f"endpoint web web-1 {edge.lines[1].split()[3]} state=draining")
        assert read_close(client) == 1012
        until(lambda: service.codes == [1001])
        assert record(edge)["close_code"] == 1012


def test_both_sides_are_told_when_the_edge_stops(tmp_path):
    service = Service()
    with pair(tmp_path, service) as edge:
        client = open_tunnel(edge)
        until(lambda: service.peers)
        edge.process.stdin.close()
        assert read_close(client) == 1001
        assert edge.process.wait(20) == 0
        until(lambda: service.codes == [1001])


def test_a_route_has_as_many_tunnels_as_it_may(tmp_path):
    service = Service()
    with Upstream(service) as upstream, \
            Edge(tmp_path, *web(upstream, "tunnels_max=2"), gateway="threads=2") as edge:
        first, second = open_tunnel(edge), open_tunnel(edge)
        with edge.connect() as third:
            third.send(request(headers=HANDSHAKE))
            assert third.response().status == 503
        first.socket.close()
        until(lambda: edge.stats()["connections"] <= 1)
        with open_tunnel(edge), edge.connect() as third:
            third.send(request(headers=HANDSHAKE))
            assert third.response().status == 503
        second.socket.close()


def test_a_request_that_became_no_tunnel_does_not_count_as_one(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream, "tunnels_max=1")) as edge:
        for _ in range(3):
            with edge.connect() as client:
                client.send(request(headers=HANDSHAKE))
                assert client.response().status == 200


@pytest.mark.parametrize("options", ["", "frames=1"])
@pytest.mark.parametrize("slow", ["client", "service"])
def test_a_side_that_does_not_read_stops_the_other(tmp_path, slow, options):
    sent = []

    def pour(send, mask):
        try:
            while True:
                send(frame(BINARY, b"z" * 60000, mask))
                sent.append(60000)
        except OSError:
            pass

    def serve(peer, n):
        upgrade(peer)
        if slow == "client":
            pour(peer.send, None)
        else:
            time.sleep(2)

    with pair(tmp_path, serve, options) as edge, open_tunnel(edge) as client:
        if slow == "service":
            threading.Thread(target=pour, args=(client.send, MASK), daemon=True).start()
        before = until(lambda: len(sent) > 5 and sum(sent))

        def stalls():
            now = sum(sent)
            time.sleep(0.3)
            return now == sum(sent)
        until(stalls)
        assert before and sum(sent) < 64 << 20
        assert edge.rss_kib() < 40 << 10


def test_sleeping_tunnels_do_not_keep_requests_out(tmp_path):
    service = Service()
    with pair(tmp_path, service, "", "connections_max=2 hold_ms=100") as edge:
        clients = [open_tunnel(edge) for _ in range(5)]
        assert len(clients) == 5
        for client in clients:
            client.socket.close()


def test_an_idle_tunnel_holds_no_buffer(tmp_path):
    count = 400
    service = Service()
    with pair(tmp_path, service, "") as edge:
        warm = [open_tunnel(edge) for _ in range(50)]
        before = edge.rss_kib()
        clients = [open_tunnel(edge) for _ in range(count)]
        until(lambda: len(service.peers) == count + 50)
        grown = (edge.rss_kib() - before) * 1024 / count
        assert grown < 4096, f"{grown:.0f} bytes a tunnel"
        for client in clients + warm:
            client.socket.close()


@pytest.mark.parametrize("host, status", [("x:443", 200), ("elsewhere:22", 405)])
def test_connect_leads_to_the_service_of_a_route_that_allows_it_and_nowhere_else(tmp_path, host, status):
    def serve(peer, n):
        peer.send(b"hello " + peer.exactly(5))

    with Upstream(serve) as upstream:
        lines = ["service web", f"endpoint web web-1 {upstream.address}", "route web x / connect=1", "route web elsewhere /"]
        with Edge(tmp_path, *lines) as edge, edge.connect() as client:
            client.send(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\nearly".encode())
            if status == 200:
                head = client.until(b"\r\n\r\n")
                assert head == b"HTTP/1.1 200 Connection established"
                assert client.exactly(11) == b"hello early" and client.closed()
                client.socket.close()
            else:
                assert client.response().status == 405
            last = record(edge)
            assert last["status"] == status and last["method"] == "CONNECT"


def test_connect_is_refused_where_no_route_allows_it(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n")
        assert client.response().status == 405


def test_connect_to_a_service_that_is_away_is_answered(tmp_path):
    lines = ["service web hold_ms=1 retries=4294967295", "endpoint web web-1 127.0.0.1:1", "route web * / connect=1"]
    with Edge(tmp_path, *lines) as edge, edge.connect() as client:
        client.send(b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n")
        assert client.response().status == 502


@pytest.mark.parametrize("options", ["", "frames=1 ping_ms=2500 message_max=3000000"])
def test_a_real_websocket_library_on_both_ends(tmp_path, options):
    websockets = pytest.importorskip("websockets")
    from muelle import free_port

    async def handler(socket, path):
        async for message in socket:
            await socket.send(message)

    async def talk():
        port = free_port()
        async with websockets.serve(handler, "127.0.0.1", port, max_size=None):
            lines = ["service web", f"endpoint web web-1 127.0.0.1:{port}", f"route web * / {options}"]
            with Edge(tmp_path, *lines) as edge:
                async with websockets.connect(f"ws://127.0.0.1:{edge.port}/", max_size=None) as client:
                    for message in ["hi", "ñ" * 70000, os.urandom(1 << 20), "", b""]:
                        await client.send(message)
                        assert await client.recv() == message
                    if options:  # silent for longer than a ping and the time for its answer: the library answers
                        await asyncio.sleep(6)
                    assert await (await client.ping()) is None or True
                if options:
                    async with websockets.connect(f"ws://127.0.0.1:{edge.port}/", compression=None, max_size=None) as client:
                        with pytest.raises(websockets.ConnectionClosed) as error:
                            await client.send(os.urandom(3000001))
                            await client.recv()
                        assert error.value.rcvd.code == 1009
    asyncio.run(talk())


def test_events_are_never_held_back_and_comments_keep_the_stream(tmp_path):
    gates = [threading.Event() for _ in range(3)]

    def serve(peer, n):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for i, gate in enumerate(gates):
            peer.send(b"data: %d\n\n" % i)
            assert gate.wait(10)  # the client has it before anything more is said
        for _ in range(4):
            time.sleep(0.8)
            peer.send(b": ping\n\n")
        peer.send(b"data: end\n\n")

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream, service="idle_ms=2500 stream_ms=2500")) as edge, edge.connect() as client:
        client.send(request(headers=["Accept: text/event-stream"]))
        assert client.head()[0] == 200
        for i, gate in enumerate(gates):
            client.until(b"data: %d\n\n" % i)
            gate.set()
        client.until(b"data: end\n\n")  # longer than the time for silence, but a comment came in each
