# SPDX-License-Identifier: Apache-2.0
"""Answers and calls whose pieces are far apart: server-sent events and streams of gRPC have a time of their own."""
import socket
import sys
import time

import grpc
import pytest

from edge_peer import Edge
from muelle import free_port, wait_until

# Each word of the path is a piece, a number a pause in tenths of a second.
SERVER = """
import os, socket, threading, time
def serve(s):
    data = b""
    while b"\\r\\n\\r\\n" not in data: data += s.recv(4096)
    path = data.split()[1].decode().strip("/").split("/")
    kind = {"events": "text/event-stream; charset=utf-8", "text": "text/event-streams"}[path[0]]
    s.sendall(f"HTTP/1.1 200 OK\\r\\nContent-Type: {kind}\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n".encode())
    for part in path[1:]:
        if part.isdigit(): time.sleep(int(part) / 10)
        else: s.sendall(b"%x\\r\\n%s\\r\\n" % (len(part), part.encode()))
    s.sendall(b"0\\r\\n\\r\\n")
with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as listener:
    while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def read(port, path):
    """The pieces, and whether the answer ended in order."""
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(f"GET /{path} HTTP/1.1\r\nHost: s.localhost\r\n\r\n".encode())
        got = b""
        try:
            while not got.endswith(b"\r\n0\r\n\r\n") and (part := s.recv(4096)):
                got += part
        except ConnectionResetError:
            pass
        body = got.partition(b"\r\n\r\n")[2]
        return body.count(b"piece"), body.endswith(b"0\r\n\r\n")


def test_the_files_time_of_streams_acts(muelle):
    port = free_port()
    text = f"""
name: s
gateway: {{ admin: false, listen: [ "http://127.0.0.1:{port}" ] }}
services:
  s: {{ command: [ {sys.executable}, server.py ], routes: [ {{ host: s.localhost }} ],
        traffic: {{ timeouts: {{ idle: 500ms, stream: 2s }} }} }}
"""
    muelle.write("server.py", SERVER)
    muelle.write("muelle.yaml", text)
    muelle.up()
    assert read(port, "events/piece/10/piece/10/piece") == (3, True)
    assert read(port, "text/piece/3/piece") == (2, True)
    assert read(port, "text/piece/10/piece") == (1, False)  # a body like others
    began = time.monotonic()
    assert read(port, "events/piece/50/piece") == (1, False)
    assert 1.5 < time.monotonic() - began < 4
    muelle.write("muelle.yaml", text.replace("stream: 2s", "stream: 500ms"))
    muelle.cli("reload")
    wait_until(lambda: read(port, "events/piece/10/piece") == (1, False), what="the shorter time")


@pytest.fixture
def calls(tmp_path):
    """A service of gRPC that answers each message, at the time of the caller."""
    from concurrent import futures

    def echo(requests, context):
        for message in requests:
            yield message
    handler = grpc.method_handlers_generic_handler("s.S", {"Echo": grpc.stream_stream_rpc_method_handler(echo)})
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    lines = ["service s protocol=h2c idle_ms=300 first_byte_ms=5000 stream_ms=1500", f"endpoint s s-1 127.0.0.1:{port}", "route s * /"]
    with Edge(tmp_path, *lines) as edge:
        yield edge
    server.stop(0)


def test_a_caller_may_take_its_time_between_messages(calls):
    def slowly(pauses):
        for pause in pauses:
            yield b"message"
            time.sleep(pause)
    with grpc.insecure_channel(f"127.0.0.1:{calls.port}") as channel:
        call = channel.stream_stream("/s.S/Echo")
        assert list(call(slowly([0.6, 0.6, 0.6, 0.6]))) == [b"message"] * 4
        with pytest.raises(grpc.RpcError):
            list(call(slowly([0.1, 4])))
