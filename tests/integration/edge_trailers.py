# SPDX-License-Identifier: Apache-2.0
"""Trailers behind chunked bodies, between raw peers: passed on, or dropped, but never made into headers."""
import time

import pytest

from edge_peer import Edge, Upstream, echo, request

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
SECTION = (b"X-Sum:  7 \r\nContent-Length: 1\r\nAuthorization: Basic eA==\r\nHost: evil\r\nX-Forwarded-For: 6.6.6.6\r\n"
           b"Transfer-Encoding: chunked\r\nSet-Cookie: a=b\r\ngrpc-status: 0\r\n")
KEPT = ["X-Sum: 7", "grpc-status: 0"]


def web(upstream, *more):
    return ["service web", f"endpoint web web-1 {upstream.address}", "route web * /", *more]


def answer_with(section, head=ANSWER):
    def serve(peer, n):
        while True:
            peer.request()
            peer.send(head + b"\r\n3\r\nabc\r\n0\r\n" + section + b"\r\n")
    return serve


@pytest.fixture
def pair(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        yield edge, upstream


def echoed(response):
    import json
    return json.loads(response.body)


def test_trailers_of_a_request_reach_the_upstream(pair):
    edge, upstream = pair
    with edge.connect() as client:
        for _ in range(3):
            client.send(HEAD + b"Trailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\n" + SECTION + b"\r\n")
            got = echoed(client.response())
            assert got["headers"][""] == KEPT and got["body"] == "abc"
            assert got["headers"]["trailer"] == "X-Sum" and got["headers"]["host"] == "x"
            assert "x-sum" not in got["headers"] and "6.6.6.6" not in str(got)
            client.send(HEAD + b"\r\n3\r\nabc\r\n0\r\n\r\n")
            assert echoed(client.response())["headers"][""] == []
    assert upstream.count == 1


def test_trailers_of_an_answer_reach_the_client(tmp_path):
    with Upstream(answer_with(SECTION, ANSWER + b"Trailer: X-Sum, grpc-status\r\n")) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as client:
            for _ in range(3):
                client.send(request(headers=["Connection: TE", "TE: trailers"]))
                got = client.response()
                assert got.body == b"abc" and got.trailers == KEPT
                assert got.headers["trailer"] == "X-Sum, grpc-status" and "x-sum" not in got.headers
        assert upstream.count == 1


def test_every_cut_of_the_trailers_gives_the_same(tmp_path):
    data = HEAD + b"\r\n3\r\nabc\r\n0\r\n" + SECTION + b"\r\n"
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        for cut in range(len(HEAD) + 2, len(data), 11):
            client.send(data[:cut])
            time.sleep(0.002)
            client.send(data[cut:])
            assert echoed(client.response())["headers"][""] == KEPT


def test_the_upstream_learns_that_trailers_are_taken(pair):
    edge, _ = pair
    got = echoed(edge.get(headers=["Connection: TE, close", "TE: gzip;q=0.5, trailers"]))["headers"]
    assert got["te"] == "trailers" and got["connection"] == "TE"
    assert "te" not in echoed(edge.get())["headers"]
    assert "te" not in echoed(edge.get(headers=["Connection: TE", "TE: gzip"]))["headers"]


def test_without_chunks_there_are_no_trailers(tmp_path):
    with Upstream(answer_with(b"X-Sum: 7\r\n", ANSWER + b"Trailer: X-Sum\r\n")) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as client:
            client.send(b"GET / HTTP/1.0\r\n\r\n")
            got = client.response()
            assert got.body == b"abc" and "trailer" not in got.headers


def test_trailers_that_connection_lists_are_for_one_hop(tmp_path):
    head = ANSWER + b"Connection: x-sum\r\n"
    with Upstream(answer_with(b"X-Sum: 7\r\n", head)) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        got = edge.get()
        assert got.body == b"abc" and got.trailers == []


def test_a_repeated_request_has_its_trailers_once(tmp_path):
    """The first connection dies before an answer: an idempotent request is sent again, trailers and all."""
    def serve(peer, n):
        if n == 1:
            peer.request()
            peer.reply(b"warm")
            peer.request()
            return
        echo(peer, n)

    with Upstream(serve) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(request())
        assert client.response().body == b"warm"
        client.send(HEAD.replace(b"POST", b"PUT") + b"\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n")
        got = echoed(client.response())
        assert got["headers"][""] == ["X-Sum: 7"] and got["body"] == "abc" and got["connection"] == 2


TOO_MUCH = {
    "section too long": b"X: " + b"a" * 9000 + b"\r\n\r\n",
    "too many lines": b"X: a\r\n" * 33 + b"\r\n",
    "no colon": b"X\r\n\r\n",
    "space before colon": b"X : a\r\n\r\n",
    "folded": b"X: a\r\n b\r\n\r\n",
    "bare lf": b"X: a\n\r\n",
    "nul": b"X: \0\r\n\r\n",
    "no name": b": a\r\n\r\n",
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_bad_trailers_of_a_request_are_refused(pair, name):
    edge, _ = pair
    with edge.connect() as client:
        client.send(HEAD + b"\r\n3\r\nabc\r\n0\r\n" + TOO_MUCH[name] + request(path="/smuggled"))
        assert client.response().status == 400
        assert client.closed()


@pytest.mark.parametrize("name", TOO_MUCH)
def test_bad_trailers_of_an_answer_cut_it_off(tmp_path, name):
    with Upstream(answer_with(TOO_MUCH[name])) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as client:
            client.send(request())
            with pytest.raises((EOFError, ConnectionResetError)):
                client.response()
