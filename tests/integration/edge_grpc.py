# SPDX-License-Identifier: Apache-2.0
"""gRPC end to end: a real client and a real server (grpcio), the real edge between them."""
import threading
import time
from concurrent import futures

import grpc
import h2.events
import pytest

from edge_h2_tunnels import Session
from edge_peer import Edge, free_port, until
from muelle import Muelle


class Service(grpc.GenericRpcHandler):
    """Bytes in, bytes out; no generated code is needed for that."""

    def __init__(self):
        self.cancelled = threading.Event()
        self.health = 1

    def service(self, details):
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
        return {
            "/test.Echo/Unary": unary(lambda message, context: b"echo " + message),
            "/test.Echo/Fail": unary(self.fail),
            "/test.Echo/Slow": unary(self.slow),
            "/test.Echo/Chat": stream(self.chat),
            "/test.Echo/Count": grpc.unary_stream_rpc_method_handler(self.count),
            "/test.Echo/Sum": grpc.stream_unary_rpc_method_handler(lambda messages, context: b"%d" % sum(map(len, messages))),
            "/grpc.health.v1.Health/Check": unary(lambda message, context: bytes([8, self.health])),
        }.get(details.method)

    def fail(self, message, context):
        context.set_trailing_metadata((("x-why", "because"), ("x-bin", b"\x00\xff"), ))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no: ünlucky 100%")

    def slow(self, message, context):
        context.add_callback(self.cancelled.set)
        time.sleep(2)
        return b"late"

    def chat(self, messages, context):
        for message in messages:
            yield message.upper()

    def count(self, message, context):
        for i in range(int(message)):
            yield b"%d" % i


@pytest.fixture
def server():
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.service = Service()
    server.add_generic_rpc_handlers((server.service,))
    server.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield server
    server.stop(0).wait()


@pytest.fixture
def edge(tmp_path, server):
    with Edge(tmp_path, "service web protocol=h2c", f"endpoint web web-1 127.0.0.1:{server.port}", "route web * /") as edge:
        yield edge


@pytest.fixture
def channel(edge):
    with grpc.insecure_channel(f"127.0.0.1:{edge.port}") as channel:
        yield channel


def test_a_unary_call(channel):
    assert channel.unary_unary("/test.Echo/Unary")(b"hello", timeout=5) == b"echo hello"


def test_large_messages(channel):
    message = b"m" * 3_000_000
    assert channel.unary_unary("/test.Echo/Unary")(message, timeout=10) == b"echo " + message


def test_many_calls_share_one_connection(channel, edge):
    call = channel.unary_unary("/test.Echo/Unary")
    answers = [call.future(b"%d" % i) for i in range(300)]
    assert [answer.result(10) for answer in answers] == [b"echo %d" % i for i in range(300)]
    assert edge.stats()["upstream_connections"] <= 4


def test_status_message_and_trailing_metadata_arrive(channel):
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/test.Echo/Fail")(b"", timeout=5)
    assert error.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert error.value.details() == "no: ünlucky 100%"
    trailing = dict(error.value.trailing_metadata())
    assert trailing["x-why"] == "because" and trailing["x-bin"] == b"\x00\xff"


def test_messages_flow_both_ways_at_once(channel):
    turn = threading.Semaphore(1)

    def messages():
        for i in range(20):
            turn.acquire()
            yield b"m%d" % i

    got = []
    for message in channel.stream_stream("/test.Echo/Chat")(messages(), timeout=10):
        got.append(message)
        turn.release()
    assert got == [b"M%d" % i for i in range(20)]


def test_streams_of_one_side(channel):
    assert len(list(channel.unary_stream("/test.Echo/Count")(b"1000", timeout=10))) == 1000
    assert channel.stream_unary("/test.Echo/Sum")(iter([b"x" * 1000] * 500), timeout=10) == b"500000"


def test_a_call_that_streams_is_as_long_as_it_likes(tmp_path, channel, server):
    """The usual limit of bodies (10 MiB) is for requests; one that is written holds for calls, too."""
    half = b"x" * (1 << 19)
    assert channel.stream_unary("/test.Echo/Sum")(iter([half] * 24), timeout=20) == b"%d" % (12 << 20)
    (tmp_path / "bound").mkdir()
    with Edge(tmp_path / "bound", "service web protocol=h2c body_size=1000000", f"endpoint web web-1 127.0.0.1:{server.port}",
              "route web * /") as edge, grpc.insecure_channel(f"127.0.0.1:{edge.port}") as bound:
        with pytest.raises(grpc.RpcError) as refused:
            bound.stream_unary("/test.Echo/Sum")(iter([half] * 24), timeout=20)
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_cancelled_call_is_cancelled_at_the_service(channel, server):
    call = channel.unary_unary("/test.Echo/Slow").future(b"")
    time.sleep(0.3)
    call.cancel()
    assert server.service.cancelled.wait(1.5)


def test_a_deadline_passes(channel):
    begun = time.monotonic()
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/test.Echo/Slow")(b"", timeout=0.4)
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - begun < 1.5


def test_the_edge_keeps_a_deadline_that_nobody_else_does(edge, server):
    """A service that hangs, and a client that leaves it to us."""
    with Session(edge.port) as session:
        stream = session.peer.get_next_available_stream_id()
        session.peer.send_headers(stream, [(":method", "POST"), (":scheme", "http"), (":path", "/test.Echo/Slow"), (":authority", "x"),
                                           ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "300m")])
        session.send(stream, b"\0\0\0\0\0", end=True)
        head = dict(session.wait(h2.events.ResponseReceived, stream).headers)
        assert (head[":status"], head["grpc-status"]) == ("200", "4")
        assert server.service.cancelled.wait(1.5)
        assert edge.records()[0]["close_code"] == 5


def test_an_unknown_method_is_the_services_to_refuse(channel):
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/test.Echo/Nothing")(b"", timeout=5)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_our_own_refusals_are_calls_answers(tmp_path):
    with Edge(tmp_path, "service web protocol=h2c hold_ms=50", f"endpoint web web-1 127.0.0.1:{free_port()}", "route web * /a") as edge:
        with grpc.insecure_channel(f"127.0.0.1:{edge.port}") as channel:
            with pytest.raises(grpc.RpcError) as error:
                channel.unary_unary("/a/B")(b"", timeout=5)
            assert error.value.code() == grpc.StatusCode.UNAVAILABLE and error.value.details().startswith("web: ")
            with pytest.raises(grpc.RpcError) as error:
                channel.unary_unary("/other/B")(b"", timeout=5)
            assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_the_service_is_probed_by_its_health_service(tmp_path, server):
    with Edge(tmp_path, "service web protocol=h2c probe=grpc: probe_interval_ms=50 probe_retries=1 hold_ms=50",
              f"endpoint web web-1 127.0.0.1:{server.port}", "route web * /") as edge:
        def probe():
            return next(iter(edge.command("probes")), {"status": 0})
        assert until(lambda: probe()["status"] == 1 and probe())["body"] == "SERVING"
        server.service.health = 2
        assert until(lambda: probe()["status"] == 2 and probe())["body"] == "NOT_SERVING"
        with grpc.insecure_channel(f"127.0.0.1:{edge.port}") as channel:
            with pytest.raises(grpc.RpcError) as error:
                channel.unary_unary("/test.Echo/Unary")(b"", timeout=5)
            assert error.value.code() == grpc.StatusCode.UNAVAILABLE
        server.service.health = 1
        until(lambda: probe()["status"] == 1)


SERVER = """import grpc, os
from concurrent import futures
class Service(grpc.GenericRpcHandler):
    def service(self, details):
        answers = {"/test.Echo/Unary": b"hello", "/grpc.health.v1.Health/Check": bytes([8, 2 if os.path.exists("ill") else 1])}
        return grpc.unary_unary_rpc_method_handler(lambda message, context: answers[details.method])
server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((Service(),))
server.add_insecure_port("127.0.0.1:" + os.environ["PORT"])
server.start()
server.wait_for_termination()
"""


def test_a_file_says_what_a_service_speaks():
    with Muelle() as m:
        port = free_port()
        m.write("server.py", SERVER)
        m.write("muelle.yaml", f"""name: greet
gateway: {{ listen: [ "http://127.0.0.1:{port}" ], admin: false }}
services:
  greeter:
    command: /usr/bin/python3 server.py
    traffic: {{ protocol: http2 }}
    healthcheck: {{ grpc: true, interval: 300ms, retries: 2 }}
    routes: [ {{ host: greeter.localhost }} ]
""")
        m.up()
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.default_authority", "greeter.localhost")]) as channel:
            assert channel.unary_unary("/test.Echo/Unary")(b"", timeout=5) == b"hello"
        assert m.get("/api/v1/projects/greet/replicas")["items"][0]["probe"]["body"] == "SERVING"
        (m.folder / "ill").touch()

        def reason():
            return m.get("/api/v1/projects/greet/replicas")["items"][0]["reason"]
        assert until(lambda: reason()) == "gRPC health check said NOT_SERVING"
