# SPDX-License-Identifier: Apache-2.0
"""Peers that leave, stall, break or speak in drops, at every stage of a request: what each costs, and whom."""
import json
import resource
import socket
import struct
import time
from pathlib import Path

import pytest

from edge_peer import Edge, Upstream, echo, free_port, request, until


def web(upstream, *more, options=""):
    return [f"service web {options}", f"endpoint web web-1 {upstream.address}", "route web * /", *more]


def reset(peer):
    """Closes with a reset instead of an end."""
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.socket.close()


@pytest.mark.parametrize("leave", [lambda client: client.socket.close(), reset], ids=["end", "reset"])
def test_a_client_that_leaves_in_its_head_costs_nobody(tmp_path, leave):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        for part in (b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA: b"):
            client = edge.connect()
            client.send(part)
            time.sleep(0.01)
            leave(client)
        until(lambda: edge.stats()["connections"] == 0)
        assert edge.stats()["requests"] == 0 and upstream.count == 0


@pytest.mark.parametrize("leave", [lambda client: client.socket.close(), reset], ids=["end", "reset"])
def test_a_client_that_leaves_in_its_body_is_recorded_and_the_upstream_told(tmp_path, leave):
    ended = []

    def serve(peer, n):
        peer.until(b"\r\n\r\n")
        while peer.more():
            pass
        ended.append(len(peer.buffer))

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        client = edge.connect()
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + b"a" * 10)
        until(lambda: upstream.count)
        client.send(b"b" * 10)
        time.sleep(0.02)
        leave(client)
        until(lambda: ended)
        assert ended[0] <= 20
        assert edge.records()[0]["flags"] & 4 and edge.stats()["in_flight"] == 0


@pytest.mark.parametrize("leave", [lambda client: client.socket.close(), reset], ids=["end", "reset"])
def test_a_client_that_leaves_in_its_answer_frees_the_upstream(tmp_path, leave):
    ended = []

    def serve(peer, n):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        try:
            while True:
                peer.send(b"x" * 65536)
        except OSError:
            ended.append(n)

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        client = edge.connect()
        client.send(request())
        client.until(b"\r\n\r\n")
        leave(client)
        until(lambda: ended)
        assert edge.records()[0]["flags"] & 4
        assert until(lambda: edge.stats()["upstream_connections"] == 0)


def test_an_upstream_that_breaks_in_the_body_costs_502_once(tmp_path):
    def serve(peer, n):
        peer.until(b"\r\n\r\n")
        peer.socket.recv(1000)
        reset(peer)

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream, options="body_size=100000000")) as edge, edge.connect() as client:
        client.send(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")
        try:
            for _ in range(50):
                client.send(b"x" * 100000)
        except OSError:
            pass
        response = client.response()
        assert response.status == 502 and response.headers["connection"] == "close"
        assert upstream.count == 1  # its body is gone: it is not sent again


def test_an_upstream_that_answers_and_stops_reading_is_heard(tmp_path):
    def serve(peer, n):
        peer.until(b"\r\n\r\n")
        peer.reply(b"enough", "403 Forbidden", ["Connection: close"])
        peer.socket.shutdown(socket.SHUT_WR)
        time.sleep(0.1)
        reset(peer)

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream, options="body_size=100000000")) as edge, edge.connect() as client:
        client.send(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 200000)
        response = client.response()
        assert response.status == 403 and response.body == b"enough"


def test_heads_and_chunks_of_an_answer_in_drops(tmp_path):
    wire = (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nX-T: 1\r\n\r\n")

    def serve(peer, n):
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            peer.request()
            for i in range(0, len(wire), 3):
                peer.send(wire[i:i + 3])
                time.sleep(0.0005)

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        for _ in range(2):
            client.send(request())
            assert client.head() == (103, {"link": "</a>"})
            got = client.response()
            assert got.status == 200 and got.headers["a"] == "b" and got.body == b"abcd" and got.trailers == ["X-T: 1"]
        client.send(b"GET / HTTP/1.0\r\n\r\n")  # knows no interim answers and no chunks
        got = client.response()
        assert got.status == 200 and got.body == b"abcd"


def test_the_next_request_behind_a_chunked_body_is_kept(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        time.sleep(0.02)
        client.send(b"2\r\nde\r\n0\r\n\r\n" + request(path="/b") + request(path="/c")[:9])
        assert json.loads(client.response().body)["body"] == "abcde"
        assert json.loads(client.response().body)["line"] == "GET /b HTTP/1.1"
        client.send(request(path="/c")[9:])
        assert json.loads(client.response().body)["line"] == "GET /c HTTP/1.1"


def test_connecting_has_a_time_out_and_another_endpoint_is_tried(tmp_path):
    deaf = socket.socket()
    deaf.bind(("127.0.0.1", 0))
    deaf.listen(0)
    fill = [socket.socket() for _ in range(4)]
    for s in fill:
        s.setblocking(False)
        s.connect_ex(deaf.getsockname())
    with Upstream(echo) as upstream:
        lines = ["service web connect_ms=100 hold_ms=300", f"endpoint web web-1 127.0.0.1:{deaf.getsockname()[1]}", "route web * /"]
        with Edge(tmp_path, *lines) as edge:
            begun = time.monotonic()
            assert edge.get().status in (503, 504) and time.monotonic() - begun < 5
            edge.command(f"endpoint web web-2 {upstream.address}")
            for _ in range(4):
                assert edge.get(method="POST", body=b"x").status == 200  # nothing was sent: any method may go elsewhere
    for s in (deaf, *fill):
        s.close()


def test_nothing_listens_at_the_address(tmp_path):
    lines = ["service web hold_ms=50", f"endpoint web web-1 127.0.0.1:{free_port()}", "route web * /"]
    with Edge(tmp_path, *lines) as edge:
        got = edge.get(headers=["Accept: application/json"])
        assert got.status == 502 and json.loads(got.body)["code"] == "edge.refused"
    with Edge(tmp_path, "service web hold_ms=50", "endpoint web web-1 nowhere", "route web * /") as edge:
        assert edge.get().status == 503  # an address that is none is never asked


def test_pages_keep_what_the_client_keeps(tmp_path):
    with Edge(tmp_path) as edge, edge.connect() as client:
        for _ in range(2):
            client.send(b"GET /x HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")
            got = client.response()
            assert got.status == 404 and got.headers["connection"] == "keep-alive"
        client.send(request("HEAD"))
        assert client.response("HEAD").status == 404
        client.send(request())
        assert client.response().status == 404


def test_a_long_path_is_cut_in_its_record_only(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        path = "/" + "p" * 3000
        assert json.loads(edge.get(path + "?secret=1").body)["line"] == f"GET {path}?secret=1 HTTP/1.1"
        kept = edge.records()[0]["path"]
        assert path.startswith(kept) and 100 < len(kept) < 3000


def test_without_descriptors_clients_wait_and_are_served_later(tmp_path):
    with Upstream(echo) as upstream:
        with Edge(tmp_path, *web(upstream), args=("prlimit", "--nofile=80")) as edge:
            held = [edge.connect() for _ in range(80)]
            time.sleep(0.2)
            for client in held[:60]:
                client.socket.close()
            for client in held[60:]:
                client.send(request())
            assert [client.response().status for client in held[60:]] == [200] * 20
            for client in held[60:]:
                client.socket.close()


def free_descriptors(pid, count):
    """Leaves the process that many."""
    used = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    free = [n for n in range(max(used) + count + 2) if n not in used]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[count], resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))


def test_without_a_descriptor_for_the_service_it_says_so_and_blames_no_replica(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream, options="hold_ms=10000")) as edge:
        until(lambda: edge.stats()["connections"] == 0)
        free_descriptors(edge.process.pid, 1)
        begun = time.monotonic()
        answer = edge.get(headers=["Accept: application/json"])
        assert (answer.status, json.loads(answer.body)["code"]) == (503, "edge.out-of-descriptors")
        assert time.monotonic() - begun < 5, "no other replica would help: nobody is waited for"
        free_descriptors(edge.process.pid, 20)
        until(lambda: edge.stats()["connections"] == 0)
        assert edge.get().status == 200 and edge.stats()["held"] == 0


def test_a_tcp_client_may_speak_before_the_service_is_reached(tmp_path):
    def serve(peer, n):
        peer.send(peer.exactly(5).upper())
        while peer.more():
            pass
        peer.send(b"bye")

    port = free_port()
    with Upstream(serve) as upstream:
        with Edge(tmp_path, *web(upstream, f"listen tcp 127.0.0.1:{port} web")) as edge:
            until(lambda: socket.create_connection(("127.0.0.1", port), 1).close() or True)
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                s.sendall(b"hello")
                assert s.recv(5) == b"HELLO"
                s.shutdown(socket.SHUT_WR)
                assert s.recv(5) == b"bye" and s.recv(1) == b""
            until(lambda: edge.stats()["connections"] == 0)


def test_bytes_behind_an_upgrade_are_the_tunnels(tmp_path):
    def serve(peer, n):
        peer.until(b"\r\n\r\n")
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nfirst")
        peer.send(peer.exactly(5))
        peer.socket.shutdown(socket.SHUT_WR)
        while peer.more():
            pass

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(request(headers=["Connection: upgrade", "Upgrade: x"]) + b"early")
        assert client.head()[0] == 101
        assert client.exactly(10) == b"firstearly"
        assert client.socket.recv(1) == b""


@pytest.mark.parametrize("stop", ["reader", "writer"])
def test_a_tunnel_that_nobody_uses_ends(tmp_path, stop):
    def serve(peer, n):
        peer.until(b"\r\n\r\n")
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        try:
            while stop == "reader":
                peer.send(b"z" * 65536)
        except OSError:
            return
        peer.socket.recv(1)

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream, options="tunnel_idle_ms=200")) as edge, edge.connect() as client:
        client.send(request(headers=["Connection: upgrade", "Upgrade: x"]))
        assert client.head()[0] == 101
        until(lambda: edge.stats()["connections"] == 0)
        assert until(lambda: edge.stats()["upstream_connections"] == 0)


def test_a_client_that_leaves_while_it_waits_is_nobodys(tmp_path):
    with Upstream(echo) as upstream:
        lines = ["service web state=starting hold_ms=20000", f"endpoint web web-1 {upstream.address} state=starting", "route web * /"]
        with Edge(tmp_path, *lines) as edge:
            client = edge.connect()
            client.send(request(path="/gone"))
            until(lambda: edge.stats()["held"] == 1)
            reset(client)
            until(lambda: edge.stats()["connections"] == 0)
            edge.command(f"endpoint web web-1 {upstream.address}")
            assert json.loads(edge.get("/here").body)["line"] == "GET /here HTTP/1.1"
            assert upstream.count == 1
            assert [(r["path"], r["status"]) for r in edge.records(2)] == [("/gone", 0), ("/here", 200)]


def test_an_upstream_that_breaks_while_bytes_wait_for_it_costs_502_once(tmp_path):
    asked = []

    def serve(peer, n):
        asked.append(peer.until(b"\r\n\r\n"))
        time.sleep(0.3)  # the edge has filled what the kernel takes
        reset(peer)

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream, options="body_size=99999999")) as edge, edge.connect() as client:
        try:
            client.send(request("POST", "/", body=b"u" * (16 << 20)))
        except OSError:
            pass  # the page has come, and the end
        until(lambda: edge.stats()["status_5xx"] == 1)
        assert [record["status"] for record in edge.records()] == [502]
        until(lambda: edge.stats()["upstream_connections"] == 0)
        assert len(asked) == 1, "part of it had gone: it is not sent again"


@pytest.mark.parametrize("who", ["client", "service"])
def test_a_tunnel_ends_with_the_reset_of_one_side(tmp_path, who):
    ended = []

    def serve(peer, n):
        peer.until(b"\r\n\r\n")
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        peer.exactly(1)
        if who == "service":
            reset(peer)
            return
        try:
            while True:
                peer.send(b"z" * 65536)  # until nothing more is taken
        except OSError:
            ended.append(True)

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        client = edge.connect()
        client.send(request(headers=["Connection: upgrade", "Upgrade: x"]))
        assert client.head()[0] == 101
        client.send(b"1")
        if who == "client":
            client.exactly(65536)
            reset(client)
            until(lambda: ended)
        else:
            with pytest.raises((ConnectionResetError, EOFError)):
                client.exactly(1)
        until(lambda: edge.stats()["connections"] == 0 and edge.stats()["upstream_connections"] == 0)


def test_an_answer_that_is_reset_is_cut_off(tmp_path):
    def serve(peer, n):
        peer.request()
        peer.send(b"HTTP/1.0 200 OK\r\n\r\n" + b"half")
        time.sleep(0.1)
        reset(peer)

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")  # only the end of the connection says that it is whole
        assert client.head()[0] == 200
        with pytest.raises(ConnectionResetError):
            while client.more():
                pass
        assert client.buffer == b"half"


def test_a_client_that_leaves_in_an_interim_answer_frees_the_upstream(tmp_path):
    def serve(peer, n):
        peer.request()
        try:
            while True:
                peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100)
        except OSError:
            pass

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        client = edge.connect()
        client.send(request())
        assert client.head()[0] == 103
        reset(client)
        until(lambda: edge.stats()["connections"] == 0 and edge.stats()["upstream_connections"] == 0)
        assert edge.stats()["in_flight"] == 0


def test_a_flood_of_interim_answers_costs_the_service_its_connection(tmp_path):
    """They are passed on as they come, 200 of them; behind those the client gets its answer."""
    def serve(peer, n):
        peer.request()
        try:
            while True:
                peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100)
        except OSError:
            pass

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(request())
        until(lambda: edge.stats()["upstream_connections"] == 0)
        assert [client.head()[0] for _ in range(200)] == [103] * 200
        assert client.response().status == 502


def test_full_is_full_until_a_client_leaves(tmp_path):
    def serve(peer, n):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
        peer.exactly(1)

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream), gateway="threads=1 connections_max=2") as edge:
        busy = [edge.connect() for _ in range(2)]
        for client in busy:
            client.send(request())
            assert client.head()[0] == 200
        waiting = edge.connect()
        waiting.send(request(path="/waiting"))
        time.sleep(0.15)
        assert edge.stats()["accepted"] == 3 and edge.stats()["connections"] == 2  # one looked whether it listens
        reset(busy.pop())
        assert waiting.head()[0] == 200
        for client in (*busy, waiting):
            client.socket.close()
