# SPDX-License-Identifier: Apache-2.0
"""Expect: 100-continue (RFC 9110 §10.1.1) and interim answers, in every order of what client, edge and service say; and
that a service which may have read a body as a request never gets another one on that connection."""
import threading
import time

import pytest

from edge_peer import Edge, Upstream, request, until
from h2_peer import DATA, END_HEADERS, END_STREAM, HEADERS, H2Client, frame, get

POST = b"POST /%s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EVIL = b"GET /evil HTTP/1.1\r\nHost: x\r\n\r\n"


class Service:
    """Does what `script` says with the first request, and answers every further one with its number and path."""

    def __init__(self, script):
        self.script, self.seen, self.lock = script, [], threading.Lock()

    def __call__(self, peer, n):
        while True:
            line, *lines = peer.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, value in (item.split(": ", 1) for item in lines)}
            with self.lock:
                self.seen.append((n, line.split(" ")[1], headers))
                script, self.script = self.script, None
            if script:
                script(peer, headers)
            else:
                if "content-length" in headers:
                    peer.exactly(int(headers["content-length"]))
                peer.reply(f"{n} {line.split(' ')[1]}".encode())

    def paths(self):
        with self.lock:
            return [path for _, path, _ in self.seen]


def web(upstream, *options):
    return ["service web " + " ".join(options), f"endpoint web web-1 {upstream.address}", "route web * /"]


def early(client, what=POST % b"a"):
    client.send(what + b"12345")


def reads(peer, headers):
    peer.send(CONTINUE)
    assert peer.exactly(5) == b"12345"
    peer.reply(b"done")


def reads_silently(peer, headers):
    assert peer.exactly(5) == b"12345"
    peer.reply(b"done")


def refuses(peer, headers):
    """It does not look at the body, whatever of it has come or is to come, and takes its time with what comes behind."""
    peer.reply(b"no", "403 Forbidden")
    time.sleep(0.3)


def next_connection(edge):
    """Which connection of the service gets the next request."""
    return edge.get("/next").body.decode()


# --- the body comes at once ---


def test_a_body_that_comes_at_once_is_read_and_both_connections_go_on(tmp_path):
    service = Service(reads)
    with Upstream(service) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        early(client)
        assert client.head()[0] == 100
        assert client.response().body == b"done"
        client.send(request(path="/b"))
        assert client.response().body == b"1 /b"


def test_without_100_the_answer_counts_but_the_connection_of_the_service_is_not_used_again(tmp_path):
    service = Service(reads_silently)
    with Upstream(service) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        early(client)
        assert client.response().body == b"done"
        client.send(request(path="/b"))
        assert client.response().body == b"2 /b"


@pytest.mark.parametrize("length", ["Content-Length: 31", "Transfer-Encoding: chunked"])
def test_a_body_that_the_service_did_not_look_at_is_never_its_next_request(tmp_path, length):
    service = Service(refuses)
    body = EVIL if "Length" in length else b"1f\r\n" + EVIL + b"\r\n0\r\n\r\n"
    assert len(EVIL) == 31
    with Upstream(service) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(f"POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{length}\r\n\r\n".encode() + body)
        assert client.response().status == 403
        assert next_connection(edge) == "2 /next"
        assert "/evil" not in [path for n, path, _ in service.seen if n > 1]


def test_a_service_that_answers_in_front_of_the_body_gets_no_further_request(tmp_path):
    """Without Expect: the rest of the body goes to it while it still answers, and then nothing more."""
    sent = threading.Event()

    def hasty(peer, headers):
        peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nn")
        assert sent.wait(5)
        peer.send(b"o")
        time.sleep(0.3)

    service = Service(hasty)
    with Upstream(service) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 31\r\n\r\n")
        assert client.head()[0] == 413 and client.exactly(1) == b"n"
        client.send(EVIL)
        time.sleep(0.1)
        sent.set()
        assert client.exactly(1) == b"o"
        assert next_connection(edge) == "2 /next"


# --- the client waits ---


def test_the_client_waits_for_100_and_then_sends(tmp_path):
    service = Service(reads)
    with Upstream(service) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(POST % b"a")
        assert client.head()[0] == 100
        client.send(b"12345")
        assert client.response().body == b"done"
        client.send(request(path="/b"))
        assert client.response().body == b"1 /b"


def test_100_twice_and_103_are_passed_on_and_the_answer_comes_behind(tmp_path):
    def talks(peer, headers):
        peer.send(CONTINUE + b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + CONTINUE)
        reads_silently(peer, headers)

    with Upstream(Service(talks)) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(POST % b"a")
        assert [client.head()[0] for _ in range(3)] == [100, 103, 100]
        client.send(b"12345")
        assert client.response().body == b"done"
        assert next_connection(edge) == "1 /next"


def test_a_final_answer_behind_100_before_the_body_ends_both_connections(tmp_path):
    def changes_its_mind(peer, headers):
        peer.send(CONTINUE + b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")

    with Upstream(Service(changes_its_mind)) as upstream, Edge(tmp_path, *web(upstream)) as edge:
        with edge.connect() as client:
            client.send(POST % b"a")
            assert client.head()[0] == 100
            response = client.response()
            assert response.status == 403 and response.headers["connection"] == "close"
            assert client.closed()
        assert next_connection(edge) == "2 /next"


def test_a_client_that_sends_after_a_final_answer_has_sent_no_request(tmp_path):
    service = Service(refuses)
    with Upstream(service) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(b"POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 31\r\n\r\n")
        assert client.response().status == 403
        client.socket.sendall(EVIL)
        assert client.closed()
        assert next_connection(edge) == "2 /next" and "/evil" not in service.paths()


def test_a_client_that_loses_its_patience_sends_without_100(tmp_path):
    def slow(peer, headers):
        reads_silently(peer, headers)

    with Upstream(Service(slow)) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(POST % b"a")
        time.sleep(0.3)
        client.send(b"12345")
        assert client.response().body == b"done"


def test_a_service_that_says_nothing_is_to_blame_not_the_client_that_waits(tmp_path):
    done = threading.Event()
    with Upstream(Service(lambda peer, headers: done.wait(10))) as upstream:
        with Edge(tmp_path, *web(upstream, "first_byte_ms=300")) as edge, edge.connect() as client:
            client.send(POST % b"a")
            response = client.response()
            assert response.status == 504 and edge.stats()["limit_body_rate"] == 0
            assert client.closed()
        done.set()


def test_a_client_that_got_100_and_sends_nothing_is_to_blame(tmp_path):
    def asks(peer, headers):
        peer.send(CONTINUE)
        peer.socket.recv(1)

    with Upstream(Service(asks)) as upstream, Edge(tmp_path, *web(upstream, "first_byte_ms=300", "idle_ms=300")) as edge:
        with edge.connect() as client:
            client.send(POST % b"a")
            assert client.head()[0] == 100
            assert client.response().status == 408 and edge.stats()["limit_body_rate"] == 1


def test_what_the_edge_answers_itself_needs_no_body(tmp_path):
    with Upstream(Service(reads)) as upstream, Edge(tmp_path, *web(upstream, "body_size=4")) as edge:
        for path, status in ((b"a", 413),):
            with edge.connect() as client:
                client.send(POST % path)
                response = client.response()
                assert response.status == status and response.headers["connection"] == "close" and client.closed()


# --- who does not wait ---


@pytest.mark.parametrize("head", ["GET /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
                                  "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
                                  "POST /a HTTP/1.0\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n12345"])
def test_an_expectation_of_nothing_is_not_passed_on(tmp_path, head):
    service = Service(None)
    with Upstream(service) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(head.encode())
        assert client.response().body == b"1 /a"
        assert "expect" not in service.seen[0][2]
        assert next_connection(edge) == "1 /next"


def test_http_1_0_gets_no_interim_answer(tmp_path):
    def talks(peer, headers):
        peer.send(CONTINUE)
        reads_silently(peer, headers)

    with Upstream(Service(talks)) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n12345")
        assert client.response().body == b"done"


# --- upgrades ---

UPGRADE = b"POST /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: tcp\r\n"


def test_a_refused_upgrade_with_a_body_leaves_no_connection_behind(tmp_path):
    """A service that takes an upgrade for bodiless reads the body as a request."""
    service = Service(refuses)
    with Upstream(service) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(UPGRADE + b"Content-Length: 31\r\n\r\n" + EVIL)
        assert client.response().status == 403
        assert next_connection(edge) == "2 /next"


def test_101_in_front_of_the_bodys_end_is_refused(tmp_path):
    def switches(peer, headers):
        peer.send(b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: tcp\r\n\r\n")
        peer.socket.recv(1)

    with Upstream(Service(switches)) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(UPGRADE + b"Content-Length: 31\r\n\r\n")
        assert client.response().status == 502


def test_an_upgrade_with_a_whole_body_is_a_tunnel(tmp_path):
    def switches(peer, headers):
        assert peer.exactly(5) == b"12345"
        peer.send(b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: tcp\r\n\r\n")
        peer.send(peer.exactly(4))

    with Upstream(Service(switches)) as upstream, Edge(tmp_path, *web(upstream)) as edge, edge.connect() as client:
        client.send(UPGRADE + b"Content-Length: 5\r\n\r\n12345")
        assert client.head()[0] == 101
        client.send(b"ping")
        assert client.exactly(4) == b"ping"


# --- HTTP/2 clients ---


def ask(client, stream, *more):
    client.send(frame(HEADERS, END_HEADERS, stream, get("/a", ("expect", "100-continue"), *more, method="POST")))


def test_an_http2_client_gets_100_and_sends_its_body(tmp_path):
    service = Service(reads)
    with Upstream(service) as upstream, Edge(tmp_path, *web(upstream)) as edge, H2Client(edge.port) as client:
        ask(client, 1, ("content-length", "5"))
        assert client.until(lambda: client.answer(1).heads, 5)
        assert client.answer(1).heads[0] == {":status": "100"}
        client.send(frame(DATA, END_STREAM, 1, b"12345"))
        assert client.until(lambda: client.answer(1).ended, 5) and client.answer(1).body == b"done"


def test_an_http2_client_is_refused_before_its_body(tmp_path):
    service = Service(refuses)
    with Upstream(service) as upstream, Edge(tmp_path, *web(upstream)) as edge, H2Client(edge.port) as client:
        ask(client, 1)
        assert client.until(lambda: client.answer(1).over, 5) and client.answer(1).status == 403
        client.send(frame(DATA, END_STREAM, 1, EVIL))
        assert client.fetch(3, "/b").status == 200 and client.answer(3).body == b"2 /b"
        until(lambda: "/evil" not in service.paths())


def test_an_http2_client_that_expects_nothing_is_not_passed_on_as_one_that_does(tmp_path):
    service = Service(None)
    with Upstream(service) as upstream, Edge(tmp_path, *web(upstream)) as edge, H2Client(edge.port) as client:
        client.ask(1, "/a", ("expect", "100-continue"))
        assert client.until(lambda: client.answer(1).ended, 5) and client.answer(1).body == b"1 /a"
        assert "expect" not in service.seen[0][2]
