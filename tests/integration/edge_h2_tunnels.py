# SPDX-License-Identifier: Apache-2.0
"""WebSockets over HTTP/2 (RFC 8441): an extended CONNECT becomes an Upgrade to the service."""
import asyncio
import contextlib
import socket
import threading
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import pytest
import websockets

from edge_peer import Edge, Upstream, echo, request, until


class Session:
    """A client's HTTP/2 session, blocking."""

    def __init__(self, port):
        self.peer = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.events = []
        self.peer.initiate_connection()
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()

    def flush(self):
        self.socket.sendall(self.peer.data_to_send())

    def wait(self, kind, stream=None):
        while True:
            for event in self.events:
                if isinstance(event, kind) and (stream is None or event.stream_id == stream):
                    self.events.remove(event)
                    return event
            data = self.socket.recv(65536)
            assert data, "the edge closed the connection"
            self.events += self.peer.receive_data(data)
            self.flush()

    def connect(self, path="/", more=()):
        stream = self.peer.get_next_available_stream_id()
        self.peer.send_headers(stream, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", path),
                                        (":authority", "x"), ("sec-websocket-version", "13"), *more])
        self.flush()
        return stream

    def send(self, stream, data, end=False):
        self.peer.send_data(stream, data, end_stream=end)
        self.flush()

    def bytes(self, stream, n):
        data = b""
        while len(data) < n:
            event = self.wait(h2.events.DataReceived, stream)
            data += event.data
            self.peer.acknowledge_received_data(event.flow_controlled_length, stream)
            self.flush()
        return data


def frame(text, opcode=1):
    assert len(text) < 126
    return bytes([0x80 | opcode, 0x80 | len(text), 0, 0, 0, 0]) + text


@pytest.fixture
def service():
    seen = []
    started = threading.Event()
    loop = asyncio.new_event_loop()

    async def handler(peer, path=None):
        seen.append(dict(peer.request_headers))
        async for message in peer:
            await peer.send(message.upper())

    async def main():
        async with websockets.serve(handler, "127.0.0.1", 0, subprotocols=["chat"]) as server:
            service.port = server.sockets[0].getsockname()[1]
            started.set()
            await ended.wait()

    ended = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert started.wait(5)
    service.seen = seen
    yield service
    loop.call_soon_threadsafe(ended.set)
    thread.join(20)


@pytest.fixture
def edge(tmp_path, service):
    with Edge(tmp_path, "service web", f"endpoint web web-1 127.0.0.1:{service.port}", "route web * /") as edge:
        yield edge


def test_it_is_offered(edge):
    with Session(edge.port) as session:
        event = session.wait(h2.events.RemoteSettingsChanged)
        assert event.changed_settings[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL].new_value == 1


def test_messages_go_both_ways(edge, service):
    with Session(edge.port) as session:
        stream = session.connect("/chat?x=1", [("sec-websocket-protocol", "chat"), ("origin", "http://x")])
        head = dict(session.wait(h2.events.ResponseReceived, stream).headers)
        assert head[":status"] == "200" and head["sec-websocket-protocol"] == "chat"
        assert not {"connection", "upgrade", "sec-websocket-accept"} & set(head)
        session.send(stream, frame(b"hello"))
        assert session.bytes(stream, 7) == b"\x81\x05HELLO"
        session.send(stream, frame(b"a") + frame(b"b"))
        assert session.bytes(stream, 6) == b"\x81\x01A\x81\x01B"
        got = {name.lower(): value for name, value in service.seen[0].items()}
        assert got["upgrade"] == "websocket" and got["origin"] == "http://x" and len(got["sec-websocket-key"]) == 24


def test_the_close_goes_through_and_ends_the_stream(edge):
    with Session(edge.port) as session:
        stream = session.connect()
        session.wait(h2.events.ResponseReceived, stream)
        session.send(stream, frame(b"\x03\xe8", 8))
        assert session.bytes(stream, 4) == b"\x88\x02\x03\xe8"
        session.send(stream, b"", end=True)
        session.wait(h2.events.StreamEnded, stream)
        again = session.connect()  # the connection lives on
        assert dict(session.wait(h2.events.ResponseReceived, again).headers)[":status"] == "200"


def test_many_on_one_connection(edge):
    with Session(edge.port) as session:
        streams = [session.connect() for _ in range(30)]
        for stream in streams:
            session.wait(h2.events.ResponseReceived, stream)
        for stream in streams:
            session.send(stream, frame(b"s%d" % stream))
        for stream in streams:
            text = b"S%d" % stream
            assert session.bytes(stream, 2 + len(text)) == bytes([0x81, len(text)]) + text


def test_a_reset_ends_the_services_side(edge, service):
    with Session(edge.port) as session:
        stream = session.connect()
        session.wait(h2.events.ResponseReceived, stream)
        session.peer.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
        session.flush()
        record = edge.records()[0]
        assert record["status"] == 101


def test_a_service_that_refuses_is_heard(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, "service web", f"endpoint web web-1 {upstream.address}", "route web * /") as other:
        with Session(other.port) as session:
            stream = session.connect()
            assert dict(session.wait(h2.events.ResponseReceived, stream).headers)[":status"] == "200"
            session.wait(h2.events.StreamEnded, stream)


def test_connect_leads_to_the_service_of_a_route_that_allows_it(tmp_path):
    def serve(peer, n):
        peer.send(b"hello ")
        while data := peer.exactly(1):
            peer.send(data.upper())

    with Upstream(serve) as upstream:
        with Edge(tmp_path, "service web", f"endpoint web web-1 {upstream.address}", "route web x / connect=1") as edge, Session(edge.port) as session:
            session.peer.config.validate_outbound_headers = False
            stream = session.peer.get_next_available_stream_id()
            session.peer.send_headers(stream, [(":method", "CONNECT"), (":authority", "x:443")])
            session.flush()
            assert dict(session.wait(h2.events.ResponseReceived, stream).headers)[":status"] == "200"
            assert session.bytes(stream, 6) == b"hello "
            session.send(stream, b"there")
            assert session.bytes(stream, 5) == b"THERE"
            session.send(stream, b"", end=True)
            session.wait(h2.events.StreamEnded, stream)
            last = edge.records()[0]
            assert last["status"] == 200 and last["method"] == "CONNECT" and (last["bytes_in"], last["bytes_out"]) == (5, 11)


@pytest.mark.parametrize("head,status", [
    ([(":method", "CONNECT"), (":protocol", "chat"), (":scheme", "http"), (":path", "/"), (":authority", "x")], "501"),
    ([(":method", "CONNECT"), (":authority", "x:80")], "405"),
])
def test_other_tunnels_are_refused(edge, head, status):
    with Session(edge.port) as session:
        session.peer.config.validate_outbound_headers = False
        stream = session.peer.get_next_available_stream_id()
        session.peer.send_headers(stream, head)
        session.flush()
        assert dict(session.wait(h2.events.ResponseReceived, stream).headers)[":status"] == status


# --- services that take them over HTTP/2 ---

class H2Service:
    """Echoes what comes in an extended CONNECT (python3-h2); other requests get 200. `serve` may do something else."""

    def __init__(self, takes=True, serve=None, late=0):
        self.takes, self.serve, self.late = takes, serve, late
        self.heads, self.connections, self.resets, self.ended, self.data = [], 0, [], [], b""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.lines = ["service web protocol=h2c", f"endpoint web web-1 127.0.0.1:{self.listener.getsockname()[1]}", "route web * /"]
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        if self.takes:
            peer.local_settings = h2.settings.Settings(client=False, initial_values={8: 1})
        peer.initiate_connection()
        try:
            time.sleep(self.late)
            connection.sendall(peer.data_to_send())
            while data := connection.recv(65536):
                for event in peer.receive_data(data):
                    self.hear(peer, event)
                connection.sendall(peer.data_to_send())
        except (OSError, h2.exceptions.ProtocolError):
            pass
        connection.close()

    def hear(self, peer, event):
        if isinstance(event, h2.events.RequestReceived):
            self.heads.append(dict(event.headers))
            if self.serve and self.serve(peer, event):
                return
            tunnel = self.heads[-1][":method"] == "CONNECT"
            peer.send_headers(event.stream_id, [(":status", "200"), ("sec-websocket-protocol", "chat")][:2 if tunnel else 1],
                              end_stream=not tunnel)
        elif isinstance(event, h2.events.DataReceived):
            peer.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.data += event.data
            if not self.serve:
                peer.send_data(event.stream_id, event.data)
        elif isinstance(event, h2.events.StreamEnded) and self.heads[-1][":method"] == "CONNECT":
            self.ended.append(event.stream_id)
            if not self.serve:
                peer.end_stream(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.resets.append(event.error_code)


KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
HANDSHAKE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}",
             "Sec-WebSocket-Protocol: chat", "X-Own: 1"]


def upgrade(client, path="/chat?a=b", more=HANDSHAKE):
    client.send(request(path=path, headers=more))
    return client.response()


def test_a_service_that_takes_websockets_over_http2_gets_them_so(tmp_path):
    with H2Service() as service, Edge(tmp_path, *service.lines) as edge:
        assert edge.get().status == 200
        with edge.connect() as client:
            response = upgrade(client)
            assert response.status == 101 and response.headers["sec-websocket-accept"] == ACCEPT
            assert response.headers["upgrade"] == "websocket" and response.headers["sec-websocket-protocol"] == "chat"
            head = service.heads[-1]
            assert {name: head[name] for name in (":method", ":protocol", ":scheme", ":path", ":authority")} == {
                ":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", ":path": "/chat?a=b", ":authority": "x"}
            assert head["sec-websocket-version"] == "13" and head["x-own"] == "1" and head["sec-websocket-protocol"] == "chat"
            assert not {"upgrade", "connection", "sec-websocket-key"} & set(head)
            for text in (b"one", b"x" * 100):
                client.send(frame(text))
                assert client.exactly(len(frame(text))) == frame(text)
            until(lambda: edge.stats()["tunnels"] == 1)
            assert service.connections == 1
        until(lambda: service.ended or service.resets)
        assert edge.get().status == 200 and service.connections == 1  # the connection lives on


@pytest.mark.parametrize("check", [False, True])
def test_a_service_that_grants_a_websocket_and_says_no_more(tmp_path, check):
    """RFC 8441 5: END_STREAM is the end of what it says, also at once; the client's half lives on, or it is told by a Close."""
    def serve(peer, event):
        peer.send_headers(event.stream_id, [(":status", "200")], end_stream=True)
        return True

    with H2Service(serve=serve) as service:
        lines = [line + " frames=1" if check and line.startswith("route") else line for line in service.lines]
        with Edge(tmp_path, *lines) as edge, edge.connect() as client:
            response = upgrade(client)
            assert response.status == 101 and response.headers["sec-websocket-accept"] == ACCEPT
            if check:
                head = client.exactly(2)
                assert head[0] == 0x88 and client.exactly(head[1])[:2] == b"\x03\xf6"  # 1014
                client.send(bytes([0x88, 0x80, 0, 0, 0, 0]))
            assert client.closed()
            client.send(frame(b"last words"))
            if not check:
                until(lambda: service.data)
                assert edge.stats()["tunnels"] == 1
        until(lambda: service.ended or service.resets)


def test_the_same_to_a_client_of_http2(tmp_path):
    def serve(peer, event):
        peer.send_headers(event.stream_id, [(":status", "200")], end_stream=True)
        return True

    with H2Service(serve=serve) as service, Edge(tmp_path, *service.lines) as edge, Session(edge.port) as session:
        stream = session.connect("/chat")
        assert dict(session.wait(h2.events.ResponseReceived, stream).headers)[":status"] == "200"
        session.wait(h2.events.StreamEnded, stream)


def test_an_accept_of_the_service_itself_is_nothing_to_its_client(tmp_path):
    """There is no key over HTTP/2, so what it says is of no key of ours (RFC 8441 5)."""
    def serve(peer, event):
        if dict(event.headers)[":method"] == "CONNECT":
            peer.send_headers(event.stream_id, [(":status", "200"), ("sec-websocket-accept", "A" * 27 + "="), ("x-own", "1")])
            return True

    with H2Service(serve=serve) as service, Edge(tmp_path, *service.lines) as edge:
        with edge.connect() as client:
            client.send(request(path="/chat", headers=HANDSHAKE))
            head = client.until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 ") and b"x-own: 1" in head.lower()
            assert [line for line in head.lower().split(b"\r\n") if line.startswith(b"sec-websocket-accept")] == [
                b"sec-websocket-accept: " + ACCEPT.lower().encode()]



def test_http2_clients_too(tmp_path):
    with H2Service() as service, Edge(tmp_path, *service.lines) as edge:
        assert edge.get().status == 200
        with Session(edge.port) as session:
            streams = [session.connect(f"/{i}") for i in range(5)]
            for stream in streams:
                assert dict(session.wait(h2.events.ResponseReceived, stream).headers)[":status"] == "200"
                session.send(stream, frame(b"hello"))
                assert session.bytes(stream, len(frame(b"hello"))) == frame(b"hello")
            session.send(streams[0], frame(b"bye"), end=True)
            session.wait(h2.events.StreamEnded, streams[0])
            assert service.connections == 1


@pytest.mark.parametrize("late", [0, 0.3])
def test_the_first_one_waits_until_the_service_has_said_that_it_takes_them(tmp_path, late):
    """Nothing may be asked in a connection before its settings have come."""
    with H2Service(late=late) as service, Edge(tmp_path, *service.lines) as edge:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(edge.connect()) for _ in range(3)]
            for client in clients:
                client.send(request(headers=HANDSHAKE))
            for client in clients:
                assert client.response().status == 101
                client.send(frame(b"hello"))
                assert client.exactly(len(frame(b"hello"))) == frame(b"hello")
        assert service.connections == 1


def test_the_first_one_goes_by_http1_if_it_does_not(tmp_path):
    def serve(peer, n):
        data = peer.until(b"\r\n\r\n")
        if data.startswith(b"PRI"):
            peer.send(b"\0\0\0\4\0\0\0\0\0")
            peer.more()
        else:
            assert b"upgrade: websocket" in data.lower()
            peer.send(f"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n".encode())
        peer.more()

    with Upstream(serve) as upstream, Edge(tmp_path, "service web protocol=h2c", f"endpoint web web-1 {upstream.address}",
                                           "route web * /") as edge:
        for count in (2, 3):
            with edge.connect() as client:
                assert upgrade(client).status == 101
            assert upstream.count == count  # it is known then


def test_a_service_that_never_says_it_is_given_up_in_time(tmp_path):
    with Upstream(lambda peer, n: peer.closed()) as upstream, \
            Edge(tmp_path, "service web protocol=h2c connect_ms=300", f"endpoint web web-1 {upstream.address}", "route web * /") as edge:
        with edge.connect() as client:
            assert upgrade(client).status in (502, 504)


@pytest.mark.parametrize("more", [HANDSHAKE[:3], HANDSHAKE[:2] + HANDSHAKE[3:], ["Connection: Upgrade", "Upgrade: other"]])
def test_what_is_no_handshake_goes_by_http1(tmp_path, more):
    with H2Service() as service, Edge(tmp_path, *service.lines) as edge:
        assert edge.get().status == 200
        with edge.connect() as client:
            upgrade(client, more=more)
        assert service.connections > 1 and len(service.heads) == 1


def test_a_service_that_takes_none_is_asked_by_http1(tmp_path):
    with H2Service(takes=False) as service, Edge(tmp_path, *service.lines) as edge:
        assert edge.get().status == 200
        with edge.connect() as client:
            upgrade(client)
        assert service.connections > 1 and len(service.heads) == 1


@pytest.mark.parametrize("status", ["403", "302"])
def test_a_refusal_over_http2_is_heard(tmp_path, status):
    def serve(peer, event):
        tunnel = dict(event.headers)[":method"] == "CONNECT"
        if tunnel:
            peer.send_headers(event.stream_id, [(":status", status), ("content-length", "2")])
            peer.send_data(event.stream_id, b"no", end_stream=True)
        return tunnel

    with H2Service(serve=serve) as service, Edge(tmp_path, *service.lines) as edge:
        assert edge.get().status == 200
        with edge.connect() as client:
            response = upgrade(client)
            assert (response.status, response.body) == (int(status), b"no")
        assert edge.get().status == 200 and service.connections == 1


def test_a_reset_of_the_service_ends_the_client(tmp_path):
    def serve(peer, event):
        tunnel = dict(event.headers)[":method"] == "CONNECT"
        if tunnel:
            peer.send_headers(event.stream_id, [(":status", "200")])
            peer.reset_stream(event.stream_id, 2)
        return tunnel

    with H2Service(serve=serve) as service, Edge(tmp_path, *service.lines) as edge:
        assert edge.get().status == 200
        with edge.connect() as client:
            client.send(request(path="/", headers=HANDSHAKE))
            with pytest.raises((EOFError, ConnectionResetError)):
                client.response()
                client.exactly(1)
        assert edge.get().status == 200 and service.connections == 1


@pytest.mark.parametrize("code", [7, 13])
def test_what_was_refused_is_asked_again_by_http1(tmp_path, code):
    """REFUSED_STREAM, HTTP_1_1_REQUIRED."""
    def serve(peer, event):
        tunnel = dict(event.headers)[":method"] == "CONNECT"
        if tunnel:
            peer.reset_stream(event.stream_id, code)
        return tunnel

    with H2Service(serve=serve) as service, Edge(tmp_path, *service.lines) as edge:
        assert edge.get().status == 200
        with edge.connect() as client:
            upgrade(client)
        assert [head[":method"] for head in service.heads] == ["GET", "CONNECT"] and service.connections > 1


def test_frames_are_checked_there_too(tmp_path):
    with H2Service() as service:
        lines = [*service.lines[:2], "route web * / frames=1"]
        with Edge(tmp_path, *lines) as edge:
            assert edge.get().status == 200
            with edge.connect() as client:
                assert upgrade(client).status == 101
                client.send(b"\x83\x80\0\0\0\0")  # a reserved opcode
                assert client.exactly(2)[0] == 0x88
