# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 to services: scripted peers (python3-h2) and nghttpd behind the real edge."""
import socket
import subprocess
import threading
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest

from edge_peer import Edge, free_port, request, until, wait_port
from h2_peer import DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, H2Client, field, frame, get, secret


class H2Upstream:
    """serve(connection, event, n) is called for each event of the n-th connection."""

    def __init__(self, serve, settings=None):
        self.serve, self.settings = serve, settings or {}
        self.connections, self.requests = 0, []

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.sockets = []
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.sockets:
            connection.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.sockets.append(connection)
            threading.Thread(target=self.talk, args=(connection, self.connections), daemon=True).start()

    def talk(self, connection, n):
        peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        if self.settings:
            peer.local_settings = h2.settings.Settings(client=False, initial_values=self.settings)
        peer.initiate_connection()
        peer.socket = connection
        try:
            connection.sendall(peer.data_to_send())
            while data := connection.recv(65536):
                for event in peer.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        self.requests.append((n, event.stream_id, dict(event.headers)))
                    self.serve(peer, event, n)
                connection.sendall(peer.data_to_send())
        except OSError:
            pass
        connection.close()


def answer(peer, stream, body=b"fine", status="200", headers=(), trailers=()):
    peer.send_headers(stream, [(":status", status), *headers])
    peer.send_data(stream, body, end_stream=not trailers)
    if trailers:
        peer.send_headers(stream, list(trailers), end_stream=True)


def plain(peer, event, n):
    if isinstance(event, h2.events.StreamEnded):
        answer(peer, event.stream_id)
    elif isinstance(event, h2.events.DataReceived):
        peer.acknowledge_received_data(event.flow_controlled_length, event.stream_id)


def web(upstream, *more):
    return ["service web protocol=h2c", f"endpoint web web-1 {upstream.address}", "route web * /", *more]


def test_a_request_arrives_rewritten(tmp_path):
    with H2Upstream(plain) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        response = edge.get("/a/../b?x=1", host="Shop.example:8080",
                            headers=["X-Own: 1", "Connection: close, x-hop", "X-Hop: 2", "X-Forwarded-For: 9.9.9.9", "TE: trailers"])
        assert (response.status, response.body) == (200, b"fine")
        _, _, got = upstream.requests[0]
        assert got[":method"] == "GET" and got[":path"] == "/b?x=1" and got[":authority"] == "Shop.example:8080"
        assert got[":scheme"] == "http" and got["x-own"] == "1" and got["x-forwarded-for"] == "127.0.0.1"
        assert not {"host", "connection", "x-hop", "keep-alive"} & set(got)
        assert response.headers["x-request-id"] == got["x-request-id"]
        assert edge.records()[0]["layers"] == 8  # HTTP/1 from the client, HTTP/2 to the service


def test_a_field_that_must_not_be_kept_is_not_kept_behind_us(tmp_path):
    """RFC 7541 6.2.3: whoever forwards it says it in the same form."""
    kept = []

    def serve(peer, event, n):
        if isinstance(event, h2.events.RequestReceived):
            kept.append({item[0]: item.indexable for item in event.headers if item[0].startswith("x-pin")})
        plain(peer, event, n)

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge, H2Client(edge.port) as client:
        head = get() + secret(b"x-pin", b"1234") + field(b"x-pin-not", b"1")
        for stream in (1, 3, 5):
            client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, head))
            until(lambda: len(kept) == stream // 2 + 1)
        assert [k["x-pin"] for k in kept] == [False] * 3 and kept[0]["x-pin-not"]


SECRETS = {":method": "POST", ":path": "/reset?token=1", ":authority": "shop", "x-request-id": "me", "trailer": "x-sum",
           "max-forwards": "3", ":scheme": "http"}


@pytest.mark.parametrize("name,also", [
    (":method", set()), (":path", set()), (":authority", {"x-forwarded-host", "forwarded"}), ("x-request-id", set()),
    ("trailer", set()), ("max-forwards", set()), ("x-sum", set())])
def test_what_we_say_again_by_itself_is_not_kept_either(tmp_path, name, also):
    """Pseudo-header fields, what they are said again in, and trailers; and nothing else."""
    kept = set()
    rest = SECRETS | ({":method": "OPTIONS"} if name == "max-forwards" else {})

    def serve(peer, event, n):
        if isinstance(event, (h2.events.RequestReceived, h2.events.TrailersReceived)):
            kept.update(item[0] for item in event.headers if not item.indexable)
        if isinstance(event, h2.events.StreamEnded):
            answer(peer, event.stream_id)

    def say(item):
        return (secret if item == name else field)(item.encode(), rest.get(item, "42").encode())

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge, H2Client(edge.port) as client:
        head = b"".join(say(item) for item in sorted(rest))  # the pseudo-header fields first
        client.send(frame(HEADERS, END_HEADERS, 1, head) + frame(DATA, 0, 1, b"body")
                    + frame(HEADERS, END_HEADERS | END_STREAM, 1, say("x-sum")))
        client.until(lambda: client.answer(1).over)
        assert client.answer(1).status == 200 and kept == {name, *also}
        assert upstream.requests[0][2][":path"] == "/reset?token=1"


@pytest.mark.parametrize("name", [":status", "trailer", "x-sum"])
def test_the_same_of_answers(tmp_path, name):
    def serve(peer, event, n):
        if isinstance(event, h2.events.StreamEnded):
            def say(item, value):
                return (secret if item == name else field)(item.encode(), value)

            stream = event.stream_id
            peer.socket.sendall(peer.data_to_send()
                                + frame(HEADERS, END_HEADERS, stream, say(":status", b"200") + say("trailer", b"x-sum"))
                                + frame(DATA, 0, stream, b"body")
                                + frame(HEADERS, END_HEADERS | END_STREAM, stream, say("x-sum", b"42") + field(b"y", b"1")))

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge, H2Client(edge.port) as client:
        got = client.fetch(1)
        assert got.heads[-1] == {"x-sum": "42", "y": "1"}
        assert got.secret == ({"x-sum", "y"} if name == "x-sum" else {name})  # trailers together


@pytest.mark.parametrize("call", [False, True])
def test_the_same_of_our_own_answers(tmp_path, call):
    with Edge(tmp_path) as edge, H2Client(edge.port) as client:
        kind = field(b"content-type", b"application/grpc") if call else b""
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, get() + kind + secret(b"x-request-id", b"me")))
        client.until(lambda: client.answer(1).over)
        got = client.answer(1)
        assert got.heads[-1]["x-request-id"] == "me" and got.secret == {"x-request-id"}


def test_clients_share_a_connection(tmp_path):
    with H2Upstream(plain) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        for _ in range(20):
            assert edge.get().status == 200
        assert upstream.connections == 1 and [stream for _, stream, _ in upstream.requests] == list(range(1, 41, 2))


def test_a_body_with_and_without_a_length(tmp_path):
    sums = {}

    def count(peer, event, n):
        if isinstance(event, h2.events.DataReceived):
            sums[event.stream_id] = sums.get(event.stream_id, 0) + len(event.data)
        if isinstance(event, h2.events.StreamEnded):
            answer(peer, event.stream_id, b"%d" % sums.get(event.stream_id, 0))
        elif isinstance(event, h2.events.DataReceived):
            peer.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    with H2Upstream(count) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        assert edge.get(method="POST", body=b"x" * 500_000).body == b"500000"
        with edge.connect() as client:
            client.send(request("POST", headers=["Transfer-Encoding: chunked"]) + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
            assert client.response().body == b"7"
        heads = [head for _, _, head in upstream.requests]
        assert heads[0]["content-length"] == "500000" and "content-length" not in heads[1]
        assert "transfer-encoding" not in heads[1]


def test_an_answer_without_a_length_and_with_trailers(tmp_path):
    def serve(peer, event, n):
        if isinstance(event, h2.events.StreamEnded):
            answer(peer, event.stream_id, b"body", headers=[("trailer", "x-sum")], trailers=[("x-sum", "42")])

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        response = edge.get(headers=["TE: trailers"])
        assert response.body == b"body" and response.trailers == ["x-sum: 42"] and response.headers["trailer"] == "x-sum"


def test_interim_answers_pass(tmp_path):
    def serve(peer, event, n):
        if isinstance(event, h2.events.StreamEnded):
            peer.send_headers(event.stream_id, [(":status", "103"), ("link", "</a.css>; rel=preload")])
            peer.socket.sendall(peer.data_to_send())
            time.sleep(0.05)
            answer(peer, event.stream_id)

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(request())
        early = client.response()
        assert early.status == 103 and early.headers["link"].startswith("</a.css>")
        assert client.response().body == b"fine"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_was_refused_is_asked_again(tmp_path, method):
    """REFUSED_STREAM: the peer did not look at it (RFC 9113 §8.7), so any method may be repeated."""
    def serve(peer, event, n):
        if isinstance(event, h2.events.RequestReceived) and event.stream_id == 1 and n == 1:
            peer.reset_stream(event.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
        elif isinstance(event, h2.events.StreamEnded) and (event.stream_id, n) != (1, 1):
            answer(peer, event.stream_id)

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        assert edge.get(method=method).body == b"fine"
        assert len(upstream.requests) == 2


@pytest.mark.parametrize("method,status", [("GET", 200), ("POST", 502)])
def test_what_was_reset_is_asked_again_if_that_is_safe(tmp_path, method, status):
    def serve(peer, event, n):
        if isinstance(event, h2.events.StreamEnded):
            if len(upstream.requests) == 1:
                peer.reset_stream(event.stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
            else:
                answer(peer, event.stream_id)

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        assert edge.get(method=method).status == status
        assert edge.get().status == 200 and upstream.connections == 1


def test_goaway_moves_requests_to_another_connection(tmp_path):
    def serve(peer, event, n):
        if isinstance(event, h2.events.StreamEnded):
            if n == 1 and event.stream_id == 3:
                peer.close_connection(last_stream_id=1)  # not looked at
            else:
                answer(peer, event.stream_id, b"%d" % n)

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        assert edge.get().body == b"1"
        assert edge.get(method="POST").body == b"2"
        assert edge.get().body == b"2"


def test_a_connection_that_ends_between_requests_costs_none(tmp_path):
    def serve(peer, event, n):
        if isinstance(event, h2.events.StreamEnded):
            answer(peer, event.stream_id)
            peer.close_connection()

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        for _ in range(10):
            assert edge.get(method="POST").status == 200
        assert upstream.connections == 10


def test_an_answer_that_breaks_off_is_not_taken_for_whole(tmp_path):
    def serve(peer, event, n):
        if isinstance(event, h2.events.StreamEnded):
            peer.send_headers(event.stream_id, [(":status", "200")])
            peer.send_data(event.stream_id, b"half")
            peer.reset_stream(event.stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(request())
        with pytest.raises((EOFError, ConnectionResetError)):
            client.response()


def test_a_peer_that_takes_one_stream_at_a_time(tmp_path):
    live, most = set(), [0]
    lock = threading.Lock()

    def serve(peer, event, n):
        if isinstance(event, h2.events.RequestReceived):
            with lock:
                live.add((n, event.stream_id))
                most[0] = max(most[0], sum(1 for connection, _ in live if connection == n))
        if isinstance(event, h2.events.StreamEnded):
            time.sleep(0.02)
            with lock:
                live.discard((n, event.stream_id))
            answer(peer, event.stream_id)

    settings = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1}
    with H2Upstream(serve, settings) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        assert edge.get().status == 200  # its settings are known now
        got = []
        threads = [threading.Thread(target=lambda: got.append(edge.get().status)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == [200] * 12 and most[0] == 1


@pytest.mark.parametrize("head", [
    [(":status", "200"), ("connection", "close")],
    [(":status", "200"), ("transfer-encoding", "chunked")],
    [(":status", "101")],
    [("x", "y")],
])
def test_answers_that_are_not_http2_are_refused(tmp_path, head):
    def serve(peer, event, n):
        if isinstance(event, h2.events.StreamEnded):
            peer.config.validate_outbound_headers = False
            peer.config.normalize_outbound_headers = False
            peer.send_headers(event.stream_id, head, end_stream=head[0][1] != "101")

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        assert edge.get(method="POST").status == 502


@pytest.mark.parametrize("error", [h2.errors.ErrorCodes.NO_ERROR, h2.errors.ErrorCodes.CANCEL])
@pytest.mark.parametrize("size", [100, 10_000_000])
def test_an_answer_is_whole_when_its_service_wants_no_more_of_the_request(tmp_path, size, error):
    """RFC 9113 8.1: also if the request waits for a window that never opens."""
    def serve(peer, event, n):
        if isinstance(event, h2.events.RequestReceived):
            answer(peer, event.stream_id, b"enough")
            peer.reset_stream(event.stream_id, error)

    with H2Upstream(serve) as upstream, Edge(tmp_path, "service web protocol=h2c body_size=100000000", *web(upstream)[1:]) as edge:
        with edge.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + b"x" * min(size - 10, 60_000))
            assert client.response().body == b"enough"
        assert upstream.connections == 1


def test_resets_of_a_service_cost_nobody_elses_request(tmp_path):
    """One behind each answer, as gRPC servers do when they reject a call; or in place of it."""
    waiting = []

    def serve(peer, event, n):
        if isinstance(event, h2.events.RequestReceived):
            path = dict(event.headers)[":path"]
            if path == "/wait":
                waiting.append(event.stream_id)
                return
            if path == "/behind":
                answer(peer, event.stream_id)
                peer.socket.sendall(peer.data_to_send() + frame(RST_STREAM, 0, event.stream_id, bytes(4)))
            elif path == "/instead":
                peer.reset_stream(event.stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
            elif path == "/last":
                answer(peer, waiting.pop(), b"waited")
                answer(peer, event.stream_id)

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as patient, edge.connect() as client:
            patient.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: waiting)
            for n in range(1000):
                path, status = ((b"/behind", 200), (b"/instead", 502))[n % 2]
                client.send(b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % path)
                assert client.response().status == status
            client.send(b"GET /last HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.response().status == 200
            assert patient.response().body == b"waited"
        assert upstream.connections == 1


def test_a_service_that_says_more_behind_its_end_answers_and_is_left(tmp_path):
    """RFC 9113 5.1, half-closed (remote): a stream error of type STREAM_CLOSED; the answer is there to its end."""
    resets = []

    def serve(peer, event, n):
        if isinstance(event, h2.events.RequestReceived) and dict(event.headers)[":method"] == "POST":
            stream = event.stream_id
            peer.socket.sendall(peer.data_to_send() + frame(HEADERS, END_HEADERS, stream, b"\x88")
                                + frame(DATA, END_STREAM, stream, b"ok") + frame(DATA, END_STREAM, stream, b"evil"))
        elif isinstance(event, h2.events.StreamReset):
            resets.append(event.error_code)
        elif isinstance(event, h2.events.StreamEnded):
            answer(peer, event.stream_id)

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n0123456789")
            response = client.response()  # it was whole
            assert (response.status, response.body) == (200, b"ok")
            assert client.closed() and b"evil" not in client.buffer  # whose request was not taken whole
        until(lambda: resets == [h2.errors.ErrorCodes.STREAM_CLOSED])
        assert edge.get().body == b"fine" and upstream.connections == 1


def test_half_a_head_of_an_answer_costs_its_connection_only(tmp_path):
    """Nothing can come behind it: the next request goes by another one."""
    def serve(peer, event, n):
        if isinstance(event, h2.events.StreamEnded):
            if n == 1:
                peer.socket.sendall(peer.data_to_send() + frame(HEADERS, 0, event.stream_id, b"\x88"))
            else:
                answer(peer, event.stream_id)

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)[1:], "service web protocol=h2c first_byte_ms=300") as edge:
        assert edge.get(method="POST").status == 504
        assert edge.get(method="POST").body == b"fine" and upstream.connections == 2
        until(lambda: edge.stats()["upstream_connections"] == 1)


def test_a_slow_service_holds_the_client_back(tmp_path):
    """What nobody reads is not read from the client: memory stays as it is."""
    def serve(peer, event, n):
        if isinstance(event, h2.events.DataReceived):
            pass  # its windows stay closed

    with H2Upstream(serve) as upstream, Edge(tmp_path, "service web protocol=h2c body_size=1000000000",
                                             f"endpoint web web-1 {upstream.address}", "route web * /") as edge:
        before = edge.rss_kib()
        with edge.connect(3) as client:
            client.send(request("POST", headers=["Content-Length: 500000000"]))
            client.socket.settimeout(1)
            sent = 0
            with pytest.raises(TimeoutError):
                while True:
                    sent += client.socket.send(b"x" * 65536)
            assert sent < 50_000_000 and edge.rss_kib() - before < 2048


def test_upgrades_go_by_a_connection_of_their_own(tmp_path):
    """A WebSocket needs HTTP/1.1 to a service that is not known to speak RFC 8441."""
    def serve(peer, event, n):
        pass

    with H2Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        response = edge.get(headers=["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])
        assert response.status == 502 and upstream.connections >= 1 and not upstream.requests


def test_nghttpd_as_upstream(tmp_path):
    (tmp_path / "big").write_bytes(b"b" * 3_000_000)
    port = free_port()
    server = subprocess.Popen(["nghttpd", "--no-tls", "-d", str(tmp_path), str(port)], stdout=subprocess.DEVNULL)
    try:
        wait_port(port)
        with Edge(tmp_path, "service web protocol=h2c", f"endpoint web web-1 127.0.0.1:{port}", "route web * /") as edge:
            assert edge.get("/big").body == b"b" * 3_000_000
            load = subprocess.run(["h2load", "-n", "2000", "-c", "4", "-m", "20", f"http://127.0.0.1:{edge.port}/big2"],
                                  capture_output=True, text=True, timeout=60).stdout
            assert "2000 done" in load and "0 errored" in load
            until(lambda: edge.stats()["upstream_connections"] == 1)
    finally:
        server.terminate()
        server.wait()
