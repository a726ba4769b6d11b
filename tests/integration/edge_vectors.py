# SPDX-License-Identifier: Apache-2.0
"""Every vector of tests/vectors through the real edge, with a service that notes what reaches it."""
import socket
import threading

import pytest

import http1_vectors
from edge_peer import Edge, Upstream, request, until


class Noting:
    """A service that answers each whole request, and says which they were."""

    def __init__(self):
        self.lock = threading.Lock()
        self.seen = []
        self.under_way = 0
        self.address = None

    def __call__(self, peer, n):
        with self.lock:
            self.under_way += 1
        try:
            while True:
                line, headers, body = peer.request()
                method, target, version = line.split(" ")
                assert version == "HTTP/1.1"
                with self.lock:
                    host = "" if headers["host"] == self.address else headers["host"]  # HTTP/1.0 may name none
                    self.seen.append(f"{method} {host}{target} {len(body)}")
                peer.reply(b"" if method == "HEAD" else b"ok")
        finally:
            with self.lock:
                self.under_way -= 1

    def take(self):
        with self.lock:
            seen, self.seen = self.seen, []
            return seen


@pytest.fixture(scope="module")
def noted(tmp_path_factory):
    noting = Noting()
    with Upstream(noting) as upstream, Edge(tmp_path_factory.mktemp("edge"), "service web", f"endpoint web web-1 {upstream.address}",
                                            "route web * /") as edge:
        noting.address = upstream.address
        yield edge, noting


def send_whole(client, data):
    client.send(data)


def send_in_bytes(client, data):
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for i in range(len(data)):
            client.socket.send(data[i:i + 1])
    except (BrokenPipeError, ConnectionResetError):
        pass  # it was refused already


def read_verdict(client, expected):
    """Reads what the verdict says and returns how it differs, or None."""
    for item in expected:
        if item == "more":
            client.socket.shutdown(socket.SHUT_WR)
            return None if client.closed() else "an answer to a request that is not whole"
        if item == "close":
            return None if client.closed() else "the connection lives on"
        refused = item.isdigit()
        response = client.response("GET" if refused else item.split(" ")[0])
        if response.status != (int(item) if refused else 200):
            return f"{response.status} to {item}"
        if refused:
            return None if client.closed() else "the connection lives on behind a refusal"
    client.send(request(path="/behind"))
    return None if client.response().status == 200 else "no answer behind it"


def run(noted, vector, send):
    edge, noting = noted
    with edge.connect(5) as client:
        send(client, vector.bytes)
        try:
            wrong = read_verdict(client, vector.expected)
        except (OSError, EOFError, ValueError) as error:
            wrong = f"{type(error).__name__} {error}"
    messages = [item for item in vector.expected if " " in item]
    seen = [item for item in noting.take() if not item.endswith("/behind 0")]
    if wrong or seen != messages:
        return f"{vector}: {wrong or ''} expected {vector.expected}, the service saw {seen}"
    return None


@pytest.mark.parametrize("send", [send_whole, send_in_bytes])
def test_every_request_gets_its_verdict_and_nothing_else_reaches_the_service(noted, send):
    vectors = http1_vectors.requests()
    assert len(vectors) >= 300
    wrong = [found for vector in vectors if len(vector.bytes) < 500 or send is send_whole
             if (found := run(noted, vector, send))]
    assert not wrong, "\n".join(wrong)


def test_nothing_is_left_of_them(noted):
    edge, noting = noted
    until(lambda: noting.under_way <= 1 and edge.stats()["in_flight"] == 0)


class Playing:
    """A service that gives a vector's bytes as its first answer, and plain ones behind it."""

    def __init__(self):
        self.vector = None

    def __call__(self, peer, n):
        while True:
            line, _, _ = peer.request()
            vector, self.vector = self.vector, None
            if not vector:
                peer.reply(f"from {n}".encode())
                continue
            peer.send(vector.bytes)
            if vector.eof:
                return
            if vector.expected[-1] == "101":
                peer.send(peer.exactly(4))


UPGRADE = ["Connection: upgrade", "Upgrade: websocket"]


def read_answer(client, vector):
    """How the answer differs from the verdict, or None."""
    method = "GET" if vector.method == "UPGRADE" else vector.method
    last = vector.expected[-1].split(" ")
    for item in vector.expected[:-1]:
        status, _ = client.head()
        if status != int(item):
            return f"{status} instead of {item}"
    if last[0] == "cut":
        return is_cut(client)
    if last[0] == "101":
        status, headers = client.head()
        client.send(b"ping")
        return None if status == 101 and client.exactly(4) == b"ping" else f"{status} {headers}"
    response = client.response(method)
    if response.status != int(last[0]):
        return f"{response}"
    if len(last) > 1 and len(response.body) != int(last[1]):
        return f"{len(response.body)} bytes of body"
    return None


def is_cut(client):
    try:
        response = client.response()
        return f"a whole answer: {response}"
    except (EOFError, ConnectionResetError):
        return None


def run_answer(edge, playing, vector):
    playing.vector = vector
    with edge.connect(5) as client:
        headers = UPGRADE if vector.method == "UPGRADE" else []
        method = "GET" if vector.method == "UPGRADE" else vector.method
        client.send(request(method, "/", headers=headers))
        try:
            return read_answer(client, vector)
        except (OSError, EOFError, ValueError) as error:
            return f"{type(error).__name__} {error}"


def test_every_answer_gets_its_verdict_and_its_connection_is_used_again_only_if_it_may(tmp_path):
    vectors = http1_vectors.answers()
    assert len(vectors) >= 100
    wrong = []
    playing = Playing()
    with Upstream(playing) as upstream, Edge(tmp_path, "service web retries=4294967295", f"endpoint web web-1 {upstream.address}",
                                             "route web * /") as edge:
        for vector in vectors:
            assert edge.get().status == 200  # there is an idle connection
            before = upstream.count
            found = run_answer(edge, playing, vector)
            reused = edge.get().body == f"from {before}".encode()
            may = vector.expected[-1].endswith("reuse")
            if found or reused != may:
                wrong.append(f"{vector}: {found or ''} expected {vector.expected}, used again: {reused}")
    assert not wrong, "\n".join(wrong)
