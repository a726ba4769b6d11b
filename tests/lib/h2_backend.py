# SPDX-License-Identifier: Apache-2.0
"""An HTTP/2 service that misbehaves as it is told (python3-h2), and one request of an HTTP/2 client."""
import socket
import threading
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from edge_peer import Response
from h2_peer import DATA, END_HEADERS, END_STREAM, HEADERS, WINDOW, H2Client, block, frame


class H2Backend:
    """Answers as `answer` says at the time: a status, "reset" (the stream), "refused", "goaway" (the stream was not looked at, and the
    connection takes no more), "silent", "hold", or a number of seconds before a 200. `status` is the grpc-status of an answer that is nothing
    else; `early` that of one that comes before the request's body. Each request is answered in a thread; `resets` are the codes that were sent to us."""

    def __init__(self, name="a", answer=200, port=None):
        self.name, self.answer, self.requests, self.headers = name, answer, 0, []
        self.seen, self.resets, self.connections, self.status, self.early = [], [], 0, None, None
        self.release = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", port or 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.sockets = []
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.release.set()
        self.listener.close()
        for connection in self.sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.sockets.append(connection)
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        peer.lock, peer.socket = threading.Lock(), connection
        heads, bodies = {}, {}
        try:
            with peer.lock:
                peer.initiate_connection()
                connection.sendall(peer.data_to_send())
            while data := connection.recv(65536):
                with peer.lock:
                    for event in peer.receive_data(data):
                        self.take(peer, event, heads, bodies)
                    connection.sendall(peer.data_to_send())
        except (OSError, h2.exceptions.ProtocolError):
            pass
        connection.close()

    def take(self, peer, event, heads, bodies):
        if isinstance(event, h2.events.RequestReceived):
            heads[event.stream_id], bodies[event.stream_id] = dict(event.headers), b""
            if self.early:
                peer.send_headers(event.stream_id, [(":status", str(self.early))], end_stream=True)
        elif isinstance(event, h2.events.DataReceived):
            bodies[event.stream_id] += event.data
            peer.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.resets.append(int(event.error_code))
        elif isinstance(event, h2.events.StreamEnded):
            self.requests += 1
            self.seen.append((heads[event.stream_id], bodies[event.stream_id]))
            args = (peer, event.stream_id, self.answer, bodies[event.stream_id])
            threading.Thread(target=self.one, args=args, daemon=True).start()

    def one(self, peer, stream, answer, body):
        if answer in ("hold", "silent"):
            self.release.wait(20)
        elif isinstance(answer, float):
            time.sleep(answer)
        with peer.lock:
            try:
                self.say(peer, stream, answer, body)
                peer.socket.sendall(peer.data_to_send())
            except (OSError, h2.exceptions.ProtocolError):
                pass  # the stream is gone

    def say(self, peer, stream, answer, body):
        codes = {"reset": h2.errors.ErrorCodes.INTERNAL_ERROR, "silent": h2.errors.ErrorCodes.INTERNAL_ERROR,
                 "refused": h2.errors.ErrorCodes.REFUSED_STREAM}
        if answer == "goaway":
            peer.close_connection(last_stream_id=max(stream - 2, 0))
        elif answer in codes:
            peer.reset_stream(stream, codes[answer])
        elif self.status is not None:
            peer.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", str(self.status))], end_stream=True)
        else:
            status = str(answer if isinstance(answer, int) else 200)
            peer.send_headers(stream, [(":status", status), *[tuple(line.lower().split(": ")) for line in self.headers]])
            for at in range(0, len(body) + 1, 16000):  # a body in its answer fits the windows
                peer.send_data(stream, (self.name.encode() + b" " if at == 0 else b"") + body[at:at + 16000])
            peer.end_stream(stream)


def room(client):
    """Bytes that may have been sent on stream 1."""
    return 0 if not client.settings else min(65535 + client.windows.get(0, 0), client.settings.get(WINDOW, 65535) + client.windows.get(1, 0))


def fetch(port, path="/", host="x", headers=(), method="GET", body=b""):
    """One request on a connection of its own, its body in frames of the usual size."""
    more = [tuple(line.split(": ", 1)) for line in headers]
    more = [(name.lower(), value) for name, value in more]
    if body:
        more.append(("content-length", str(len(body))))
    head = block((":method", method), (":scheme", "http"), (":authority", host), (":path", path), *more)
    with H2Client(port, timeout=25, keep=1 << 22) as client:
        client.gives_windows = True
        client.send(frame(HEADERS, END_HEADERS | (0 if body else END_STREAM), 1, head))
        for at in range(0, len(body), 16384):
            piece, last = body[at:at + 16384], at + 16384 >= len(body)
            if not client.until(lambda: client.answer(1).over or room(client) >= at + len(piece)) or client.answer(1).over:
                break
            client.send(frame(DATA, END_STREAM if last else 0, 1, piece))
        client.until(lambda: client.answer(1).over)
        answer = client.answer(1)
        finals = [head for head in answer.heads if not head.get(":status", "200").startswith("1")]
        trailers = [f"{name}: {value}" for name, value in finals[-1].items()] if len(finals) > 1 else []
        return Response(answer.status, finals[0] if finals else {}, answer.body, trailers)
