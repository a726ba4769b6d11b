# SPDX-License-Identifier: Apache-2.0
"""What policies make of HTTP/2 and gRPC alone: streams that nobody looked at, statuses of calls, deadlines, cancelling."""
import time

import pytest

from edge_peer import Edge, request, until
from edge_policy import BREAKER, BUDGET, GET_ETC, ON_503, OUTLIER, leave, service
from h2_backend import H2Backend, fetch
from h2_peer import END_HEADERS, HEADERS, H2Client, block, frame

UNAVAILABLE, RESOURCE_EXHAUSTED = 4096, 2048
POST = 32


def call(edge, *headers):
    return fetch(edge.port, "/a/B", method="POST", headers=["Content-Type: application/grpc", "TE: trailers", *headers], body=b"\0\0\0\0\0")


@pytest.mark.parametrize("how", ["refused", "goaway"])
def test_what_was_not_looked_at_goes_elsewhere_unbilled_and_is_no_failure(tmp_path, how):
    nothing = "retry_share_permille=1 retry_minimum=0 retry_window_ms=10000 retry_backoff_ms=1"
    options = f"retries=1 retry_when={ON_503} retry_methods={GET_ETC} {nothing} {BREAKER} outlier_consecutive=1 {OUTLIER}"
    with H2Backend("a", how) as a, H2Backend("b") as b:
        with Edge(tmp_path, *service(options, a, b)) as edge:
            assert [fetch(edge.port).status for _ in range(10)] == [200] * 10
            assert a.requests >= 5
            assert edge.command("policy web")["times"] == 0 and edge.command("policy web web-1")["times"] == 0


def test_a_stream_that_all_refuse_ends(tmp_path):
    with H2Backend("a", "refused") as a:
        with Edge(tmp_path, *service("", a)) as edge:
            assert fetch(edge.port).status == 502
            assert a.requests == 17


def test_a_call_is_tried_again_for_its_status(tmp_path):
    options = f"retries=2 retry_when={UNAVAILABLE} retry_methods={POST} {BUDGET}"
    with H2Backend("a") as a, H2Backend("b") as b:
        a.status = 14
        with Edge(tmp_path, *service(options, a, b)) as edge:
            assert ["grpc-status" in call(edge).headers for _ in range(6)] == [False] * 6
            assert a.requests >= 3
            a.status = b.status = 8  # not named
            before = a.requests + b.requests
            assert call(edge).headers["grpc-status"] == "8"
            assert a.requests + b.requests == before + 1
            assert edge.records()[-1]["close_code"] == 9


def test_what_is_no_call_has_no_such_status(tmp_path):
    options = f"retries=2 retry_when={UNAVAILABLE} retry_methods={GET_ETC} {BUDGET}"
    with H2Backend("a") as a:
        a.status = 14
        with Edge(tmp_path, *service(options, a)) as edge:
            assert fetch(edge.port).status == 200
            assert a.requests == 1


@pytest.mark.parametrize("status, failed", [(2, True), (4, True), (13, True), (14, True), (15, True), (0, False), (5, False), (8, False),
                                            (12, False), (1, False)])
def test_statuses_of_calls_that_are_failures(tmp_path, status, failed):
    with H2Backend("a") as a:
        a.status = status
        with Edge(tmp_path, *service(BREAKER, a)) as edge:
            for _ in range(3):
                assert call(edge).headers["grpc-status"] == str(status)
            until(lambda: edge.command("policy web")["in_flight"] == 0)
            assert call(edge).headers["grpc-status"] == ("14" if failed else str(status))
            assert a.requests == (3 if failed else 4)
        options = f"outlier_consecutive=3 {OUTLIER}"
        with H2Backend("b") as b, Edge(tmp_path, *service(options, a, b)) as edge:
            for _ in range(8):
                call(edge)
            assert (edge.command("policy web web-1")["times"] == 1) == failed


@pytest.mark.parametrize("total_ms, grpc, expected", [(300, "60S", 0.3), (60000, "300m", 0.3), (300, "", 0.3)])
def test_of_two_deadlines_the_sooner_counts(tmp_path, total_ms, grpc, expected):
    with H2Backend("a", "silent") as a:
        with Edge(tmp_path, *service(f"total_ms={total_ms}", a)) as edge:
            began = time.monotonic()
            answer = call(edge, *([f"grpc-timeout: {grpc}"] if grpc else []))
            assert answer.headers["grpc-status"] == "4"
            assert expected - 0.05 < time.monotonic() - began < 30
            until(lambda: a.resets == [8])  # CANCEL


def test_a_client_that_leaves_cancels_its_stream_alone(tmp_path):
    with H2Backend("a", "hold") as a:
        with Edge(tmp_path, *service("", a)) as edge:
            client = edge.connect()
            client.send(request())
            until(lambda: a.requests == 1)
            leave(client)
            until(lambda: a.resets == [8])
            a.release.set()
            assert fetch(edge.port).status == 200
            assert a.connections == 1


def test_an_answer_without_a_body_arrives_though_the_request_goes_on(tmp_path):
    """A reset behind it must not take its place."""
    with Edge(tmp_path, "service web protocol=h2c hold_ms=50", "route web * /a") as edge, H2Client(edge.port) as client:
        head = block((":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/a/B"), ("content-type", "application/grpc"))
        client.send(frame(HEADERS, END_HEADERS, 1, head))
        assert client.until(lambda: client.answer(1).reset is not None)
        assert client.answer(1).verdict() == "200" and client.answer(1).heads[0]["grpc-status"] == "14"
    with H2Backend("a") as a, Edge(tmp_path, *service("", a)) as edge, H2Client(edge.port) as client:
        a.early = 204
        client.send(frame(HEADERS, END_HEADERS, 1, block((":method", "PUT"), (":scheme", "http"), (":authority", "x"), (":path", "/"))))
        assert client.until(lambda: client.answer(1).over)
        assert client.answer(1).verdict() == "204"
