# SPDX-License-Identifier: Apache-2.0
"""Every vector of tests/vectors/http2_requests.txt through the real edge, with a service that notes what reaches it."""
import threading
import time

import pytest

import http2_vectors
from edge_peer import Edge, Upstream, until
from h2_peer import H2Client, error_name

BEHIND = 0x7ffff001  # a stream that no vector uses


class Noting:
    """A service that answers each whole request, and says which they were; `evil` is a field that none may have."""

    def __init__(self):
        self.lock = threading.Lock()
        self.seen = []
        self.under_way = 0

    def __call__(self, peer, n):
        with self.lock:
            self.under_way += 1
        try:
            while True:
                line, headers, body = peer.request()
                method, target, version = line.split(" ")
                assert version == "HTTP/1.1"
                evil = [name for name in headers if name in ("evil", "transfer_encoding", "content_length")]
                trailers = "".join(f" {trailer}" for trailer in headers.get("", []))
                cookie = " cookie=" + headers["cookie"].replace("; ", "&") if "cookie" in headers else ""
                with self.lock:
                    self.seen.append(f"{method} {headers['host']}{target} {len(body)}{cookie}{trailers}{' EVIL' if evil else ''}")
                peer.reply(b"" if method == "HEAD" else b"ok")
        finally:
            with self.lock:
                self.under_way -= 1

    def take(self):
        with self.lock:
            seen, self.seen = self.seen, []
            return sorted(item for item in seen if "/behind" not in item)


@pytest.fixture(scope="module")
def noted(tmp_path_factory):
    noting = Noting()
    with Upstream(noting) as upstream, Edge(tmp_path_factory.mktemp("edge"), "service web", f"endpoint web web-1 {upstream.address}",
                                            "route web * / connect=1") as edge:
        yield edge, noting


def send_whole(client, data):
    client.try_send(data)


def send_in_bytes(client, data):
    for i in range(len(data)):
        if not client.try_send(data[i:i + 1]):
            return


def is_request(item):
    return len(item.split(" ")) > 3


def wanted_of(item):
    """(stream, what its verdict is)."""
    stream, rest = item.split(" ", 1)
    return int(stream), "200" if is_request(item) else rest


def collect(client, expected):
    """The verdict as it was: what was said of streams and of the connection."""
    streams = {}
    for n, verdict in (wanted_of(item) for item in expected if item[0].isdigit()):
        streams[n] = f"{streams[n]} {verdict}" if n in streams else verdict
    if any(item.startswith("GOAWAY") or item == "closed" for item in expected):
        client.until(lambda: False, 5)
    else:
        client.until(lambda: all(client.answer(n).verdict() == verdict for n, verdict in streams.items()), 3)
    found = [f"{n} {answer.verdict()}" for n, answer in client.answers.items() if answer.verdict() and n != BEHIND]
    if client.goaway is not None:
        found.append("GOAWAY " + error_name(client.goaway))
    if client.ended and client.goaway is None:
        found.append("closed")
    elif not client.ended and client.goaway is not None:
        found.append("not closed")
    return sorted(found)


def lives_on(client):
    """A PING comes back, and a further request is answered."""
    if not client.ping(seconds=3):
        return "no PING comes back"
    return "" if client.fetch(BEHIND, "/behind", seconds=3).status == 200 else "no answer behind it"


def without(item, maybe):
    """ "1 200 RST X" of a stream that was answered before it went wrong is "1 RST X"."""
    for answer in maybe:
        if item.startswith(answer + " RST "):
            return answer.split(" ")[0] + item[len(answer):]
    return item


def run(noted, vector, send):
    edge, noting = noted
    maybe = [item.removeprefix("maybe ") for item in vector.expected if item.startswith("maybe ")]
    expected = [item for item in vector.expected if item not in ("alive", "silent", "PING") and not item.startswith("maybe ")]
    with H2Client(edge.port, 5, preface=vector.preface) as client:
        send(client, vector.bytes)
        raw = [without(item, maybe) for item in collect(client, expected)]
        answered = {item.split(" ")[0] for item in raw if item in maybe and "GOAWAY" not in " ".join(expected)}
        expected = [item for item in expected if item.split(" ")[0] not in answered]  # it was answered before it went wrong
        found = [item for item in raw if item not in maybe]
        wrong = ""
        if not any(item.startswith("GOAWAY") or item == "closed" for item in expected + found):
            if "silent" not in vector.expected:
                wrong = lives_on(client)
            later = [without(item, maybe) for item in collect(client, expected) if item not in maybe]
            wrong += "" if later == found else f" and later {later}"
        if "PING" in vector.expected and b"\1\2\3\4\5\6\7\0" not in client.pings:
            wrong += "no PING came back"
    wanted = sorted(f"{wanted_of(item)[0]} {wanted_of(item)[1]}" if item[0].isdigit() else item for item in expected)
    if maybe:
        until(lambda: edge.stats()["in_flight"] == 0)
        time.sleep(0.05)
    seen, asked = [item for item in noting.take() if item not in maybe], sorted(item.split(" ", 1)[1] for item in expected if is_request(item))
    if wrong or found != wanted or seen != asked:
        return f"{vector}: {wrong} expected {vector.expected}, it was {found}, the service saw {seen}"
    return None


@pytest.mark.parametrize("send", [send_whole, send_in_bytes])
def test_every_vector_gets_its_verdict_and_nothing_else_reaches_the_service(noted, send):
    vectors = http2_vectors.requests()
    assert len(vectors) >= 150
    wrong = [found for vector in vectors if len(vector.bytes) < 400 or send is send_whole
             if (found := run(noted, vector, send))]
    assert not wrong, f"{len(wrong)} wrong:\n" + "\n".join(wrong)


def test_nothing_is_left_of_them(noted):
    edge, noting = noted
    until(lambda: noting.under_way <= 1 and edge.stats()["in_flight"] == 0)
