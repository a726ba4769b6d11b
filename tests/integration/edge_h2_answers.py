# SPDX-License-Identifier: Apache-2.0
"""Every vector of tests/vectors/http2_answers.txt: what a service says in HTTP/2, and what becomes of it."""
import contextlib
import socket
import struct
import threading

import http2_vectors
from edge_peer import Edge, Upstream, request, until
from h2_peer import (ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, error_name,
                     frame, settings)

PING_TEXT = b"\1\2\3\4\5\6\7\0"


class Service:
    """Gives the bytes of `vector` to the next request, and a plain answer to every further one."""

    def __init__(self):
        self.vector, self.heard, self.asked = None, [], 0
        self.lock = threading.Lock()

    def take(self, vector):
        with self.lock:
            self.vector, self.heard, self.asked = vector, [], 0

    def hear(self, what):
        with self.lock:
            self.heard.append(what)

    def __call__(self, peer, n):
        assert peer.exactly(len(PREFACE)) == PREFACE
        own, bare = None, self.vector is not None and not self.vector.preface
        if not bare:
            peer.send(settings())
        try:
            while True:
                head = peer.exactly(9)
                payload = peer.exactly(int.from_bytes(head[:3], "big"))
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
                if kind == HEADERS:
                    with self.lock:
                        vector, self.vector = self.vector, None
                        self.asked += 1
                    own = own or vector
                    peer.send(vector.bytes if vector else
                              frame(HEADERS, END_HEADERS, stream, b"\x88") + frame(DATA, END_STREAM, stream, b"from %d" % n))
                elif kind == SETTINGS and not flags & ACK:
                    peer.send(frame(SETTINGS, ACK))
                elif own and kind == RST_STREAM:
                    self.hear("RST " + error_name(struct.unpack(">I", payload)[0]))
                elif own and kind == GOAWAY and payload[4:8] != bytes(4):
                    self.hear("GOAWAY " + error_name(struct.unpack(">I", payload[4:8])[0]))
                elif own and kind == PING and flags & ACK and payload == PING_TEXT:
                    self.hear("PING")
        except (EOFError, OSError):
            if own:
                self.hear("closed")
            raise


def answer(edge):
    """What the client gets: statuses, the length, or that it was cut."""
    found = []
    with edge.connect(8) as client:
        client.send(request("POST", headers=["Content-Length: 0"]))
        while True:
            try:
                response = client.response()
                if response.status >= 200:
                    return [*found, f"200 {len(response.body)}" if response.status == 200 else str(response.status)]
                found.append(str(response.status))
            except (EOFError, ConnectionResetError):
                return [*found, "cut"]
            except TimeoutError:
                return [*found, "no answer"]


def run(edge, service, upstream, vector):
    for connection in upstream.connections:  # a new one, so that the request has stream 1
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    until(lambda: edge.stats()["upstream_connections"] == 0)
    service.take(vector)
    before = upstream.count + 1
    found = answer(edge)
    ends = any(item.startswith("GOAWAY") or item == "closed" for item in vector.expected)
    said = [item for item in vector.expected if item.split(" ")[0] in ("RST", "GOAWAY", "PING", "closed")]

    def heard():
        with service.lock:
            return [item for item in service.heard if item != "closed" or "closed" in vector.expected]
    try:
        until(lambda: len(heard()) >= len(said) and (not ends or "closed" in service.heard), 5)
    except AssertionError:
        pass
    found += heard()
    behind = edge.get().body.decode()
    same = behind == f"from {before}"
    if found != vector.expected or same == ends:
        return f"{vector}: expected {vector.expected}, it was {found}, the next came {behind} (before: {before})"
    return None


def test_every_answer_gets_its_verdict(tmp_path):
    vectors = http2_vectors.answers()
    assert len(vectors) >= 100
    service = Service()
    wrong = []
    with Upstream(service) as upstream, Edge(tmp_path, "service web protocol=h2c", f"endpoint web web-1 {upstream.address}",
                                             "route web * /") as edge:
        assert edge.get().status == 200
        for vector in vectors:
            if found := run(edge, service, upstream, vector):
                wrong.append(found)
    assert not wrong, f"{len(wrong)} wrong:\n" + "\n".join(wrong)
