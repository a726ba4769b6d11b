# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 through the real edge: heads, bodies, connections, refusals."""
import json
import os
import socket
import subprocess
import time

import pytest

from edge_peer import Client, Edge, Upstream, echo, free_port, request, until
from h2_peer import H2Client


def web(upstream, *more):
    return ["service web", f"endpoint web web-1 {upstream.address}", "route web * /", *more]


@pytest.fixture
def pair(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        yield edge, upstream


def seen(response):
    return json.loads(response.body)


def test_a_request_arrives_rewritten(pair):
    edge, _ = pair
    got = seen(edge.get("/a/b?x=1", host="Shop.example:8080", headers=["X-Own: 1", "Connection: close, x-hop", "X-Hop: 2"]))
    assert got["line"] == "GET /a/b?x=1 HTTP/1.1"
    assert got["headers"]["host"] == "Shop.example:8080"
    assert got["headers"]["x-own"] == "1"
    assert "x-hop" not in got["headers"] and "connection" not in got["headers"]
    assert got["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert got["headers"]["x-forwarded-proto"] == "http"
    assert got["headers"]["x-forwarded-host"] == "Shop.example:8080"
    assert got["headers"]["forwarded"] == 'for=127.0.0.1;proto=http;host="Shop.example:8080"'
    assert len(got["headers"]["x-request-id"]) == 32


def test_what_the_client_claims_to_be_is_dropped(pair):
    edge, _ = pair
    got = seen(edge.get(headers=["X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "Forwarded: for=6.6.6.6",
                                 "X-Real-IP: 6.6.6.6", "X-Forwarded-Host: evil"]))
    assert "6.6.6.6" not in json.dumps(got) and "evil" not in json.dumps(got)


def test_a_good_request_id_is_kept_and_a_bad_one_replaced(pair):
    edge, _ = pair
    response = edge.get(headers=["X-Request-ID: abc-123"])
    assert seen(response)["headers"]["x-request-id"] == "abc-123"
    assert response.headers["x-request-id"] == "abc-123"
    bad = seen(edge.get(headers=["X-Request-ID: a b<script>"]))
    assert len(bad["headers"]["x-request-id"]) == 32


def test_connections_are_kept_on_both_sides(pair):
    edge, upstream = pair
    with edge.connect() as client:
        for i in range(50):
            client.send(request(path=f"/{i}"))
            assert seen(client.response())["line"] == f"GET /{i} HTTP/1.1"
    assert upstream.count == 1


def test_pipelined_requests_are_answered_in_order(pair):
    edge, _ = pair
    with edge.connect() as client:
        client.send(b"".join(request(path=f"/{i}") for i in range(200)))
        for i in range(200):
            assert seen(client.response())["line"] == f"GET /{i} HTTP/1.1"


def test_pipelined_requests_with_bodies(pair):
    edge, _ = pair
    chunked = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n"
    with edge.connect() as client:
        client.send((request("POST", "/a", body=b"12345") + chunked) * 20)
        for _ in range(20):
            assert seen(client.response())["body"] == "12345"
            assert seen(client.response())["body"] == "abcde"


def test_every_cut_of_the_bytes_gives_the_same_answer(pair):
    edge, _ = pair
    data = request("POST", "/cut", headers=["X-A: b"], body=b"hello body")
    for cut in range(1, len(data), 7):
        with edge.connect() as client:
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.send(data[:cut])
            time.sleep(0.002)
            client.send(data[cut:])
            assert seen(client.response())["body"] == "hello body"


def test_http10_gets_what_it_understands(tmp_path):
    def chunks(peer, n):
        while True:
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")

    with Upstream(chunks) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as client:
            client.send(b"GET / HTTP/1.0\r\n\r\n")
            response = client.response()
            assert response.body == b"abc" and "transfer-encoding" not in response.headers
        response = edge.get()
        assert response.headers["transfer-encoding"] == "chunked" and response.body == b"abc"


def test_http10_keep_alive(pair):
    edge, _ = pair
    with edge.connect() as client:
        for _ in range(3):
            client.send(b"GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
            assert client.response().headers["connection"] == "keep-alive"


def test_a_body_that_ends_with_the_connection(tmp_path):
    def close_delimited(peer, n):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"z" * 100000)

    with Upstream(close_delimited) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as client:
            for _ in range(3):
                client.send(request())
                assert client.response().body == b"z" * 100000
        assert upstream.count == 3


def test_head_and_304_have_a_length_but_no_body(tmp_path):
    def serve(peer, n):
        while True:
            line, _, _ = peer.request()
            status = "304 Not Modified" if "/304" in line else "200 OK"
            peer.send(f"HTTP/1.1 {status}\r\nContent-Length: 1234\r\nETag: \"x\"\r\n\r\n".encode())

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as client:
            client.send(request("HEAD"))
            assert client.response("HEAD").headers["content-length"] == "1234"
            client.send(request(path="/304"))
            assert client.response().status == 304
            client.send(request("HEAD"))
            assert client.response("HEAD").status == 200
        assert upstream.count == 1


@pytest.mark.figures
def test_50_mb_in_both_directions_with_little_memory(tmp_path):
    size = 50 * 1024 * 1024

    def swallow(peer, n):
        while True:
            lines = peer.until(b"\r\n\r\n").decode().lower()
            left = int(lines.split("content-length: ")[1].split("\r\n")[0]) - len(peer.buffer)
            peer.buffer = b""
            while left > 0:
                left -= len(peer.socket.recv(min(left, 1 << 20)))
            peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
            block = b"r" * 65536
            for _ in range(size // len(block)):
                peer.send(block)

    with Upstream(swallow) as upstream:
        lines = [f"service web body_size={size}", f"endpoint web web-1 {upstream.address}", "route web * /"]
        with Edge(tmp_path, *lines) as edge:
            before = edge.rss_kib()
            with edge.connect(30) as client:
                client.send(f"PUT /big HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
                block = b"q" * 65536
                for _ in range(size // len(block)):
                    client.send(block)
                status, headers = client.head()
                assert status == 200 and int(headers["content-length"]) == size
                time.sleep(0.3)  # nobody reads: the upstream must be held back
                left = size - len(client.buffer)
                while left > 0:
                    left -= len(client.socket.recv(1 << 20))
            assert edge.rss_kib() - before < 4096
            assert edge.records()[-1]["bytes_out"] == size


def test_large_bodies_arrive_as_they_were_whatever_the_readers_pace(tmp_path):
    """Bodies that are read and sent in large pieces, to readers that stop and go on."""
    content = os.urandom(1 << 20) + os.urandom(7) + bytes(5 << 20) + os.urandom(1 << 20)

    def slowly(peer, left):
        parts, pause = [peer.buffer], 0
        left -= len(peer.buffer)
        peer.buffer = b""
        while left > 0:
            parts.append(peer.socket.recv(min(left, 700_001)))
            left -= len(parts[-1])
            pause += 1
            if pause % 5 == 0:
                time.sleep(0.01)
        return b"".join(parts)

    def echo(peer, n):
        while True:
            peer.until(b"\r\n\r\n")
            body = slowly(peer, len(content))
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with Upstream(echo) as upstream:
        lines = [f"service web body_size={len(content)}", f"endpoint web web-1 {upstream.address}", "route web * /"]
        with Edge(tmp_path, *lines) as edge, edge.connect(30) as client:
            for _ in range(3):
                client.send(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
                assert client.head()[0] == 200
                assert slowly(client, len(content)) == content
        assert upstream.count == 1


@pytest.mark.figures
def test_slow_readers_do_not_cost_memory(tmp_path):
    size = 8 * 1024 * 1024

    def big(peer, n):
        while True:
            peer.request()
            peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
            peer.send(b"b" * size)

    with Upstream(big) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        before = edge.rss_kib()
        clients = [edge.connect(30) for _ in range(20)]
        for client in clients:
            client.send(request())
        time.sleep(0.5)
        assert edge.rss_kib() - before < 20 * 160 + 4 * 1024  # and four blocks for large reads
        for client in clients:
            assert len(client.response().body) == size
            client.socket.close()


def test_chunked_both_ways_with_many_small_chunks(tmp_path):
    def serve(peer, n):
        while True:
            _, _, body = peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                      b"".join(b"1\r\n%c\r\n" % c for c in body) + b"0\r\n\r\n")

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        data = bytes(range(33, 127)) * 60
        body = b"".join(b"7\r\n%s\r\n" % data[i:i + 7] for i in range(0, len(data) - 7, 7)) + b"0\r\n\r\n"
        want = data[:(len(data) - 7 + 6) // 7 * 7]
        with edge.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            assert client.response().body == want


def test_expect_100_continue(tmp_path):
    def serve(peer, n):
        while True:
            head = peer.until(b"\r\n\r\n")
            assert b"100-continue" in head.lower()
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert peer.exactly(5) == b"12345"
            peer.reply(b"done")

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as client:
            for _ in range(2):
                client.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
                assert client.head()[0] == 100
                client.send(b"12345")
                assert client.response().body == b"done"


def test_a_final_answer_instead_of_100(tmp_path):
    def serve(peer, n):
        peer.until(b"\r\n\r\n")
        peer.reply(b"no", "403 Forbidden")

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            response = client.response()
            assert response.status == 403 and response.headers["connection"] == "close"
            assert client.closed()


def test_early_hints_pass(tmp_path):
    def serve(peer, n):
        peer.request()
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as client:
            client.send(request())
            assert client.head() == (103, {"link": "</a.css>"})
            assert client.response().body == b"x"


def test_server_sent_events_are_not_held_back(tmp_path):
    def serve(peer, n):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for i in range(5):
            peer.send(b"data: %d\n\n" % i)
            time.sleep(0.03)
        peer.socket.recv(1)

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as client:
            client.send(request())
            assert client.head()[1]["content-type"] == "text/event-stream"
            for i in range(5):
                assert int(client.until(b"\r\n"), 16) == 9
                assert client.exactly(11) == b"data: %d\n\n\r\n" % i


def test_websocket_through_the_edge(tmp_path):
    websockets = pytest.importorskip("websockets")
    import asyncio

    async def handler(socket_, path=None):
        async for message in socket_:
            await socket_.send(message)

    async def main():
        port = free_port()
        async with websockets.serve(handler, "127.0.0.1", port):
            with Edge(tmp_path, "service web", f"endpoint web web-1 127.0.0.1:{port}", "route web * /") as edge:
                async with websockets.connect(f"ws://127.0.0.1:{edge.port}/chat", max_size=None) as client:
                    for size in (0, 1, 125, 126, 65536, 1_000_000):
                        await client.send("x" * size)
                        assert len(await client.recv()) == size
                await asyncio.sleep(0.05)
                record = edge.records()[-1]
                assert record["status"] == 101 and record["flags"] & 2
    asyncio.run(main())


def test_only_101_makes_a_tunnel(tmp_path):
    def refuse(peer, n):
        while True:
            _, headers, _ = peer.request()
            assert headers["upgrade"] == "websocket" and headers["connection"].lower() == "upgrade"
            peer.reply(b"no websockets", "400 Bad Request")

    with Upstream(refuse) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as client:
            for _ in range(2):
                client.send(request(headers=["Connection: Upgrade", "Upgrade: websocket"]))
                assert client.response().status == 400


def test_101_that_nobody_asked_for_is_refused(tmp_path):
    def serve(peer, n):
        peer.request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        assert edge.get().status == 502


def test_nginx_as_upstream(tmp_path):
    port = free_port()
    (tmp_path / "www").mkdir()
    (tmp_path / "www/file").write_bytes(b"n" * 300000)
    (tmp_path / "nginx.conf").write_text(f"""daemon off; pid {tmp_path}/pid; error_log stderr crit; worker_processes 1;
      events {{}} http {{ access_log off; client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path}; fastcgi_temp_path {tmp_path};
      uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path}; server {{ listen 127.0.0.1:{port}; root {tmp_path}/www;
      location /r {{ return 301 /file; }} gzip on; gzip_types *; gzip_proxied any; }} }}""")
    (tmp_path).chmod(0o755)
    nginx = subprocess.Popen(["nginx", "-e", "stderr", "-c", str(tmp_path / "nginx.conf"), "-g", "user root;"])
    try:
        with Edge(tmp_path, "service web", f"endpoint web web-1 127.0.0.1:{port}", "route web * /") as edge:
            until(lambda: edge.get("/file").status == 200)
            assert edge.get("/file").body == b"n" * 300000
            assert edge.get("/none").status == 404
            assert edge.get("/r").status == 301
            gzipped = edge.get("/file", headers=["Accept-Encoding: gzip"])
            assert gzipped.headers["content-encoding"] == "gzip" and gzipped.headers["transfer-encoding"] == "chunked"
            curl = subprocess.run(["curl", "-sf", "--compressed", f"http://127.0.0.1:{edge.port}/file"],
                                  capture_output=True, check=True)
            assert curl.stdout == b"n" * 300000
    finally:
        nginx.terminate()
        nginx.wait()


# Refused by their heads: never a byte of them to the upstream, an answer, and the end of the connection.
SMUGGLING = {
    "both lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400),
    "list of lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4, 4\r\n\r\nabcd", 400),
    "signed length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd", 400),
    "negative length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -4\r\n\r\nabcd", 400),
    "hex length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x4\r\n\r\nabcd", 400),
    "xchunked": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "chunked twice": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "te with a tab": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n", 400),
    "te behind a tab in the name": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400),
    "te identity": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "te chunked then identity": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
    "te identity then chunked": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 501),
    "te in two lines": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "te in two lines, one other": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "te empty": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
    "te folded": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    "te quoted": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
    "both lengths, te first": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400),
    "two equal lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "length beyond all": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551617\r\n\r\na", 400),
    "bare cr in the line": (b"GET /\rGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "bare cr before the version": (b"GET / \rHTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "bare lf in the line": (b"GET /\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "tab in the line": (b"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "two spaces in the line": (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "target that is no path": (b"GET a.test/x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "target of another scheme": (b"GET ftp://a.test/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "target with a user": (b"GET http://me@a.test/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "expect something": (b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\na", 417),
    "upgrade with a body": (b"POST / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked, x\r\n\r\n", 400),
    "length empty": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", 400),
    "length with a control": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\x0b\r\n\r\nabcd", 400),
    "length in two words": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4 4\r\n\r\nabcd", 400),
    "length in arabic digits": ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \u0664\r\n\r\nabcd".encode(), 400),
    "fold before the first header": (b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    "nul in the target": (b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "delete in the target": (b"GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "fragment in the target": (b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "backslash in the target": (b"GET /a\\..\\b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "escaped dots above root": (b"GET /a/%2e%2e/%2E%2e/b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "host with a user": (b"GET / HTTP/1.1\r\nHost: me@x\r\n\r\n", 400),
    "host with a path": (b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
    "host with two ports": (b"GET / HTTP/1.1\r\nHost: x:1:2\r\n\r\n", 400),
    "host with an open bracket": (b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    "name with a control": (b"GET / HTTP/1.1\r\nHost: x\r\nA\x01: b\r\n\r\n", 400),
    "name with a letter beyond ascii": ("GET / HTTP/1.1\r\nHost: x\r\nCont\u0435nt-Length: 3\r\n\r\n".encode(), 400),
    "method with a colon": (b"GE:T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "version with two digits": (b"GET / HTTP/1.10\r\nHost: x\r\n\r\n", 400),
    "asterisk of a get": (b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "te in 1.0": (b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "space before colon": (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "obs-fold": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
    "bare lf": (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    "bare cr": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n", 400),
    "nul": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "bad host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "connection names length": (b"POST / HTTP/1.1\r\nHost: x\r\nConnection: content-length\r\nContent-Length: 1\r\n\r\nx", 400),
    "no name": (b"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400),
    "version 3": (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505),
    "http 0.9": (b"GET /\r\n\r\n", 400),
    "lower version": (b"GET / http/1.1\r\nHost: x\r\n\r\n", 400),
    "dots above root": (b"GET /../etc HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "broken escape": (b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "nul escape": (b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "connect": (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405),
    "trace": (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "long line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "long head": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 7000 + b"\r\nB: " + b"b" * 7000 + b"\r\nC: " + b"b" * 7000 + b"\r\n\r\n", 431),
    "many headers": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_what_could_be_read_in_two_ways_is_refused(pair, name):
    edge, upstream = pair
    data, status = SMUGGLING[name]
    with edge.connect() as client:
        client.send(data + request(path="/smuggled"))
        assert client.response().status == status
        assert client.closed()
    assert edge.get("/after").status == 200  # the edge lives; and by now a forwarded byte would have come
    assert [json.loads(edge.get("/one").body)["line"], upstream.count] == ["GET /one HTTP/1.1", 1]
    assert not any(record["path"] == "/smuggled" for record in edge.records(3))


CHUNKS = [b"1;" + b"e" * 5000 + b"\r\nx\r\n0\r\n\r\n", b"1;a\rb\r\nx\r\n0\r\n\r\n", b"1;a\nb\r\nx\r\n0\r\n\r\n", b"1;\0\r\nx\r\n0\r\n\r\n",
          b"1;e=e\r\nx\r\n" * 1500 + b"0\r\n\r\n", b"0\r\nA: " + b"b" * 9000 + b"\r\n\r\n", b"0\r\n" + b"A: b\r\n" * 33 + b"\r\n",
          b"3\r\nabcX0\r\n\r\n", b"3\nabc\r\n0\r\n\r\n", b"g\r\n\r\n", b" 3\r\nabc\r\n0\r\n\r\n", b"3 \r\nabc\r\n0\r\n\r\n",
          b"ffffffffffffffffff\r\n", b"-1\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b"3\r\nabc\r\n0\r\nA\r\n\r\n"]


@pytest.mark.parametrize("chunks", CHUNKS)
def test_bad_chunks_are_refused(pair, chunks):
    edge, _ = pair
    with edge.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        client.send(request(path="/smuggled"))
        assert client.response().status == 400
        assert client.closed()
    assert seen(edge.get("/after"))["line"] == "GET /after HTTP/1.1"
    assert [record["path"] for record in edge.records(2)] == ["/", "/after"]


# Answers that could be read in two ways: 502, and that connection is never used again.
ANSWERS = {
    "both lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, te first": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
    "te in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "te identity": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nabc",
    "te twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "obs-fold": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "bare cr": b"HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: c\r\nContent-Length: 0\r\n\r\n",
    "bare lf": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "nul": b"HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 0\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "no version": b"200 OK\r\nContent-Length: 0\r\n\r\n",
    "long head": b"HTTP/1.1 200 OK\r\n" + b"A: " + b"b" * 9000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    "connection names length": b"HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_that_could_be_read_in_two_ways_are_not_passed_on(tmp_path, name):
    def serve(peer, n):
        while True:
            line, _, _ = peer.request()
            peer.send(ANSWERS[name] if "/bad" in line else b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(request(path="/good") + request(path="/bad") + request(path="/good"))
        assert [client.response().status for _ in range(3)] == [200, 502, 200]
        assert upstream.count == 2


def test_what_comes_behind_an_answer_is_nobodys(tmp_path):
    """Bytes behind a whole answer would be taken for the answer to the next request."""
    def serve(peer, n):
        while True:
            line, _, _ = peer.request()
            peer.reply(line.split(" ")[1].encode())
            if n == 1:
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        for path in ("/a", "/b", "/c"):
            client.send(request(path=path))
            assert client.response().body == path.encode()
            time.sleep(0.02)
        assert upstream.count == 2


def test_the_targets_host_wins_over_the_header(tmp_path):
    """RFC 9112 §3.2.2: routing and what is forwarded follow the absolute target."""
    with Upstream(echo) as a, Upstream(echo) as b:
        lines = ["service a", f"endpoint a a-1 {a.address}", "route a a.test /", "service b", f"endpoint b b-1 {b.address}", "route b b.test /"]
        with Edge(tmp_path, *lines) as edge, edge.connect() as client:
            client.send(b"GET http://a.test/x HTTP/1.1\r\nHost: b.test\r\n\r\n")
            got = seen(client.response())
            assert got["headers"]["host"] == "a.test" and got["headers"]["x-forwarded-host"] == "a.test"
            assert got["line"] == "GET /x HTTP/1.1" and (a.count, b.count) == (1, 0)
            client.send(b"GET HTTP://B.test:99/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
            assert seen(client.response())["headers"]["host"] == "B.test:99" and (a.count, b.count) == (1, 1)


def test_bodies_have_a_maximum(tmp_path):
    with Upstream(echo) as upstream:
        lines = ["service web body_size=1000", f"endpoint web web-1 {upstream.address}", "route web * /"]
        with Edge(tmp_path, *lines) as edge:
            assert edge.get(method="POST", body=b"x" * 1000).status == 200
            assert edge.get(method="POST", body=b"x" * 1001).status == 413
            with edge.connect() as client:
                client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"64\r\n" + b"x" * 100 + b"\r\n") * 11)
                assert client.response().status == 413


def test_a_body_beyond_the_maximum_never_goes_on_whole(tmp_path):
    whole = []

    def serve(peer, n):
        whole.append(peer.request())
        peer.reply()

    chunks = b"64\r\n" + b"x" * 100 + b"\r\n"
    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)[1:], "service web body_size=1000") as edge:
        with edge.connect() as client:  # with its end, all in one read
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks * 11 + b"0\r\n\r\n")
            assert client.response().status == 413
            assert client.closed()
        assert whole == []
        assert edge.get().status == 200 and [body for _, _, body in whole] == [b""]


def test_a_half_closed_client_gets_its_answer(pair):
    edge, _ = pair
    with edge.connect() as client:
        client.send(request())
        client.socket.shutdown(socket.SHUT_WR)
        assert client.response().status == 200
        assert client.closed()


def test_slow_heads_are_timed_out(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream), gateway="threads=1 head_ms=200") as edge:
        with edge.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
            for _ in range(10):
                try:
                    client.send(b"A: b\r\n")
                except OSError:
                    break
                time.sleep(0.05)
            assert client.response().status == 408
        with edge.connect() as silent:
            assert silent.closed()


def test_idle_connections_end(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream), gateway="threads=1 keepalive_ms=150") as edge:
        with edge.connect() as client:
            client.send(request())
            assert client.response().status == 200
            assert client.closed()


def test_one_record_and_one_count_for_each_request(pair):
    edge, _ = pair
    with edge.connect() as client:
        for i in range(100):
            client.send(request("POST" if i % 2 else "GET", f"/{i}", body=b"x" * (i % 2)))
            client.response()
    records = edge.records(100)
    stats = edge.stats()
    assert stats["requests"] == stats["cell_requests"] == len(records) == 100
    assert [r["path"] for r in records] == [f"/{i}" for i in range(100)]
    assert records[1]["method"] == "POST" and records[1]["bytes_in"] == 1
    assert stats["in_flight"] == 0


def test_a_client_that_leaves_is_recorded(tmp_path):
    def never(peer, n):
        peer.request()
        peer.socket.recv(1)

    with Upstream(never) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as client:
            client.send(request())
            until(lambda: upstream.count)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        until(lambda: edge.stats()["requests"] == 1)
        assert edge.records()[0]["flags"] & 4
        assert edge.stats()["in_flight"] == 0


def test_absolute_and_asterisk_targets(pair):
    edge, _ = pair
    with edge.connect() as client:
        client.send(b"GET http://a.test:81/x/./y?q=1 HTTP/1.1\r\nHost: ignored\r\n\r\n")
        got = seen(client.response())
        assert got["line"] == "GET /x/y?q=1 HTTP/1.1" and got["headers"]["host"] == "a.test:81"
        client.send(b"GET http://a.test?q HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert seen(client.response())["line"] == "GET /?q HTTP/1.1"
        client.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
        assert seen(client.response())["line"] == "OPTIONS * HTTP/1.1"


def test_ipv6_clients_are_quoted(tmp_path):
    port = free_port()
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream, f"listen http [::1]:{port}")) as edge:
        with socket.create_connection(("::1", port), 5) as s:
            client = Client.__new__(Client)
            client.socket, client.buffer = s, b""
            client.send(request(host="h"))
            got = seen(client.response())["headers"]
            assert got["x-forwarded-for"] == "::1"
            assert got["forwarded"] == 'for="[::1]";proto=http;host="h"'
        assert edge.records()[0]["family"] == 6


def test_an_early_answer_ends_a_long_request(tmp_path):
    def refuse(peer, n):
        peer.until(b"\r\n\r\n")
        peer.reply(b"too much", "413 Content Too Large", headers=["Connection: close"])
        time.sleep(0.2)

    with Upstream(refuse) as upstream:
        lines = ["service web body_size=100000000", f"endpoint web web-1 {upstream.address}", "route web * /"]
        with Edge(tmp_path, *lines) as edge, edge.connect() as client:
            client.send(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 100000)
            response = client.response()
            assert response.status == 413 and response.body == b"too much"
            assert response.headers["connection"] == "close"


def upload(client, mib):
    """The head of one that is too large, and all of its body before anything is read, as many clients do it."""
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (mib << 20))
    for _ in range(mib):
        client.send(b"x" * (1 << 20))


def small(upstream):
    return ["service web body_size=1000", f"endpoint web web-1 {upstream.address}", "route web * /"]


def test_who_sends_too_much_before_it_reads_has_its_answer(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *small(upstream)) as edge:
        for _ in range(3):
            with edge.connect() as client:
                upload(client, 30)
                assert client.response().status == 413 and client.closed()
        with edge.connect() as client, pytest.raises(OSError):  # there is an end to it
            upload(client, 80)


def test_who_sends_too_much_slowly_has_its_answer_within_seconds(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *small(upstream)) as edge:
        with edge.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n")
            for _ in range(4):
                client.send(b"x")
                time.sleep(0.5)
            assert edge.stats()["connections"] == 1
            assert client.response().status == 413
            until(lambda: edge.stats()["connections"] == 0, 3)  # a pause
        with edge.connect() as client, pytest.raises(OSError):
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n")
            for _ in range(16):
                client.send(b"x")
                time.sleep(0.5)


def test_what_is_thrown_away_keeps_nobody_out_and_no_edge_up(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *small(upstream), gateway="threads=1 connections_max=2") as edge:
        with edge.connect() as lingers, edge.connect() as idle, edge.connect() as third:
            idle.send(request())
            assert idle.response().status == 200
            lingers.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n")
            assert lingers.response().status == 413
            third.send(request())
            assert third.response().status == 200
            idle.send(request())
            assert idle.response().status == 200
        with edge.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n")
            assert client.response().status == 413
            edge.process.stdin.write("quit 5000\n")
            edge.process.stdin.flush()
            with pytest.raises(OSError):
                for _ in range(20):
                    client.socket.send(b"x")
                    time.sleep(0.1)
            assert edge.process.wait(1) == 0


def test_pages_have_a_date_and_no_store(tmp_path):
    with Edge(tmp_path) as edge:
        response = edge.get()
        assert response.headers["date"].endswith(" GMT") and response.headers["cache-control"] == "no-store"


def test_an_answer_without_a_date_gets_one(tmp_path):
    """RFC 9110 6.6.1: whoever forwards it and has a clock; one that is there stays."""
    def serve(peer, n):
        while True:
            line, _, _ = peer.request()
            date = b"Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n" if "/dated" in line else b""
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + date + b"\r\nok")
    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge, H2Client(edge.port) as client:
        for path, year in (("/", str(time.gmtime().tm_year)), ("/dated", "1994")):
            assert year in edge.get(path).headers["date"]
            fields = client.fetch(1 if path == "/" else 3, path).heads[0]
            assert year in fields["date"] and list(fields).count("date") == 1
