# SPDX-License-Identifier: Apache-2.0
"""Breakers, retries, outliers, queues, limits and fallbacks of a service through the real edge, with back ends that misbehave: each once
with HTTP/1 on both sides, and once with HTTP/2, but for tests of one of them."""
import collections
import random
import socket
import struct
import threading
import time

import pytest

import h2_backend
from edge_peer import Edge, Upstream, request, until
from h2_backend import H2Backend

GET_ETC = 0x1f  # GET, HEAD, OPTIONS, PUT, DELETE
CONNECT, RESET, TIMEOUT, ON_502, ON_503 = 1, 2, 4, 32, 64
NOT_REPEATED = 512  # of a record's flags
BUDGET = "retry_share_permille=1000 retry_minimum=100 retry_window_ms=10000 retry_backoff_ms=1"


def only_http1(test):
    test.only_http1 = True
    return test


def pytest_generate_tests(metafunc):
    one = getattr(metafunc.function, "only_http1", False)
    metafunc.parametrize("version", ["http1"] if one else ["http1", "http2"], indirect=True)


SPOKEN = {"version": "http1"}


@pytest.fixture(autouse=True)
def version(request, monkeypatch):
    """What Edge.get and Backend speak."""
    monkeypatch.setitem(SPOKEN, "version", request.param)
    if request.param == "http2":
        monkeypatch.setattr(Edge, "get", lambda edge, *args, **how: h2_backend.fetch(edge.port, *args, **how))


def Backend(*args, **more):
    return (H2Backend if SPOKEN["version"] == "http2" else H1Backend)(*args, **more)


class H1Backend(Upstream):
    """Answers as `answer` says at the time: a status, "reset", "silent", or a number of seconds before a 200."""

    def __init__(self, name="a", answer=200, port=None):
        self.name, self.answer, self.requests, self.headers = name, answer, 0, []
        self.release = threading.Event()
        super().__init__(self.talk, port)

    def talk(self, peer, n):
        while True:
            line, headers, body = peer.request()
            self.requests += 1
            answer = self.answer
            if answer == "reset":
                return
            if answer == "silent":
                self.release.wait(20)
                return
            if answer == "hold":
                self.release.wait(20)
                answer = 200
            if isinstance(answer, float):
                time.sleep(answer)
                answer = 200
            peer.reply(self.name.encode() + b" " + body, f"{answer} X", self.headers)
            if headers.get("connection") == "close":
                return


def speaks(*backends):
    return "protocol=h2c" if any(isinstance(backend, H2Backend) for backend in backends) else ""


def service(edge_options, *backends, name="web"):
    return [f"service {name} {speaks(*backends)} {edge_options}", *[f"endpoint {name} {name}-{i + 1} {b.address}" for i, b in enumerate(backends)],
            f"route {name} * /"]


def leave(client):
    """With a reset: a mere FIN may be a client that has said all and still listens."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


def statuses(edge, n, **how):
    return [edge.get(**how).status for _ in range(n)]


def many(edge, n, results, **how):
    """n requests at once, each in a thread."""
    def one():
        began = time.monotonic()
        response = edge.get(**how)
        results.append((response.status, time.monotonic() - began, response))
    threads = [threading.Thread(target=one) for _ in range(n)]
    for thread in threads:
        thread.start()
    return threads


# --- retries ---

def test_an_answer_is_tried_again_elsewhere_when_its_status_says_so(tmp_path):
    with Backend("a", 503) as a, Backend("b") as b:
        options = f"retries=2 retry_when={ON_503} retry_methods={GET_ETC} {BUDGET}"
        with Edge(tmp_path, *service(options, a, b)) as edge:
            assert statuses(edge, 20) == [200] * 20
            assert a.requests >= 10
            assert edge.stats()["retries"] == a.requests


def test_what_may_not_arrive_twice_is_not_tried_again(tmp_path):
    with Backend("a", 503) as a:
        options = f"retries=2 retry_when={ON_503} retry_methods={GET_ETC} {BUDGET}"
        with Edge(tmp_path, *service(options, a)) as edge:
            assert edge.get(method="POST", body=b"x").status == 503
            assert a.requests == 1
            assert edge.get(method="PUT", body=b"x").status == 503
            assert a.requests == 4


def test_a_status_that_is_not_named_is_an_answer(tmp_path):
    with Backend("a", 502) as a:
        with Edge(tmp_path, *service(f"retries=2 retry_when={ON_503} retry_methods={GET_ETC} {BUDGET}", a)) as edge:
            assert edge.get().status == 502
            assert a.requests == 1


def test_a_field_of_the_answer_asks_for_another_try(tmp_path):
    with Backend("a", 418) as a:
        a.headers = ["X-Again: 1"]
        options = f"retries=1 retry_when={RESET} retry_header=x-again retry_methods={GET_ETC} {BUDGET}"
        with Edge(tmp_path, *service(options, a)) as edge:
            assert edge.get().status == 418
            assert a.requests == 2


def test_the_body_is_sent_again(tmp_path):
    with Backend("a", 503) as a, Backend("b") as b:
        options = f"retries=1 retry_when={ON_503} retry_methods={GET_ETC} {BUDGET}"
        with Edge(tmp_path, *service(options, a, b)) as edge:
            bodies = [edge.get(method="PUT", body=b"body %d" % i).body for i in range(4)]
            assert bodies == [b"b body %d" % i for i in range(4)]


@pytest.mark.parametrize("size", [1, 16_000, 64_000, 65_536])
def test_a_body_that_fits_the_buffer_is_sent_again(tmp_path, size):
    body = bytes(i * 7 % 251 for i in range(size))
    with Backend("a", 503) as a, Backend("b", 503) as b, Backend("c") as c:
        options = f"retries=2 retry_when={ON_503} retry_methods={GET_ETC} {BUDGET}"
        with Edge(tmp_path, *service(options, a, b, c)) as edge:
            answers = [edge.get(method="PUT", body=body) for _ in range(6)]
            assert [answer.status for answer in answers] == [200] * 6
            assert all(answer.body == b"c " + body for answer in answers)
            assert a.requests + b.requests >= 6
            assert sum(record["flags"] & NOT_REPEATED for record in edge.records(6)) == 0


def test_a_body_that_does_not_fit_goes_once_and_the_record_says_so(tmp_path):
    with Backend("a", 503) as a:
        options = f"retries=2 retry_when={ON_503} retry_methods={GET_ETC} {BUDGET}"
        with Edge(tmp_path, *service(options, a)) as edge:
            assert edge.get(method="PUT", body=b"x" * 90_000).status == 503
            assert a.requests == 1 and edge.records()[0]["flags"] & NOT_REPEATED
            edge.reload(*service(options + " retry_buffer=100000", a))
            assert edge.get(method="PUT", body=b"x" * 90_000).status == 503
            assert a.requests == 4 and not edge.records()[0]["flags"] & NOT_REPEATED
            edge.reload(*service(options + " retry_buffer=4294967295", a))
            assert edge.get(method="PUT", body=b"x" * 20_000).status == 503
            assert a.requests == 5 and edge.records()[0]["flags"] & NOT_REPEATED


@only_http1
def test_an_upload_whose_replica_is_lost_goes_on_at_another(tmp_path):
    """Half of it is sent when the first replica is lost; the second one gets both halves."""
    halves, half, lost = [b"1" * 30_000, b"2" * 30_000], threading.Event(), threading.Event()

    def dies(peer, n):
        peer.until(b"\r\n\r\n")
        if n > 1:
            return peer.reply(b"next")
        peer.exactly(30_000)
        half.set()
        lost.wait(10)
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.socket.close()
    with Upstream(dies) as a, H1Backend("b") as b:
        options = f"retries=1 retry_when={RESET} retry_methods={GET_ETC} {BUDGET}"
        with Edge(tmp_path, *service(options, a)) as edge, edge.connect() as client:
            client.send(request("PUT", headers=["Transfer-Encoding: chunked"]) + b"%x\r\n" % 60_000 + halves[0])
            assert half.wait(10)
            edge.reload(*service(options, a, b))
            lost.set()
            until(lambda: edge.stats()["retries"] == 1)
            client.send(halves[1] + b"\r\n0\r\n\r\n" + request("GET", "/next"))
            assert client.response().body == b"b " + b"".join(halves)
            assert client.response().status == 200


def test_a_slow_replica_is_given_up_for_another(tmp_path):
    with Backend("a", "silent") as a, Backend("b") as b:
        options = f"retries=1 first_byte_ms=100 retry_when={TIMEOUT} retry_methods={GET_ETC} {BUDGET}"
        with Edge(tmp_path, *service(options, a, b)) as edge:
            assert statuses(edge, 4) == [200] * 4
            a.release.set()


def test_the_budget_bounds_a_storm(tmp_path):
    with Backend("a", 503) as a:
        budget = "retry_share_permille=200 retry_minimum=0 retry_window_ms=60000 retry_backoff_ms=1"
        options = f"retries=3 retry_when={ON_503} retry_methods={GET_ETC} {budget}"
        with Edge(tmp_path, *service(options, a)) as edge:
            assert statuses(edge, 100) == [503] * 100
            assert 115 <= a.requests <= 120


def test_a_whole_request_has_a_time(tmp_path):
    with Backend("a", "silent") as a:
        options = f"total_ms=1000 first_byte_ms=400 retries=9 retry_when={TIMEOUT} retry_methods={GET_ETC} {BUDGET}"
        with Edge(tmp_path, *service(options, a)) as edge:
            began = time.monotonic()
            assert edge.get().status == 504
            assert 0.9 < time.monotonic() - began
            assert a.requests in (2, 3)  # not ten
        with Edge(tmp_path, *service("total_ms=300", a)) as edge, edge.connect() as client:
            a.answer = 200
            client.send(request())
            assert client.response().status == 200
            time.sleep(0.4)  # an idle connection has no such time
            a.answer = "silent"
            client.send(request())
            assert client.response().status == 504
        a.release.set()


# --- breaker ---

BREAKER = "breaker_consecutive=3 breaker_open_ms=300 breaker_probes=1"


def test_the_breaker_opens_refuses_and_closes_again(tmp_path):
    with Backend("a", 500) as a:
        with Edge(tmp_path, *service(BREAKER, a)) as edge:
            assert statuses(edge, 3) == [500] * 3
            refused = edge.get(headers=["Accept: application/json"])
            assert refused.status == 503 and b"edge.breaker-open" in refused.body
            assert int(refused.headers["retry-after"]) >= 1
            assert a.requests == 3
            shown = edge.command("policy web")
            assert (shown["state"], shown["times"], shown["refused"], shown["in_flight"]) == (1, 1, 1, 0)
            a.answer = 200
            time.sleep(0.35)
            assert statuses(edge, 3) == [200] * 3
            assert edge.command("policy web")["state"] == 0


def test_a_failed_probe_opens_it_again(tmp_path):
    with Backend("a", 500) as a:
        with Edge(tmp_path, *service(BREAKER, a)) as edge:
            statuses(edge, 3)
            time.sleep(0.35)
            assert statuses(edge, 2) == [500, 503]
            assert a.requests == 4
            assert edge.command("policy web")["times"] == 2


def test_clients_that_leave_do_not_open_it_and_their_probes_do_not_leak(tmp_path):
    with Backend("a", "hold") as a:
        with Edge(tmp_path, *service(BREAKER, a)) as edge:
            for _ in range(10):
                before = a.requests
                client = edge.connect()
                client.send(request())
                until(lambda: a.requests > before)
                leave(client)
            a.release.set()
            assert edge.get().status == 200
            a.answer = 500
            statuses(edge, 3)
            time.sleep(0.35)
            a.answer, before = "silent", a.requests
            a.release.clear()
            client = edge.connect()  # the probe's client leaves
            client.send(request())
            until(lambda: a.requests > before)
            leave(client)
            until(lambda: edge.command("policy web")["in_flight"] == 0)
            a.answer = 200
            assert edge.get().status == 200
            a.release.set()


def test_threads_share_a_breaker_and_a_reload_keeps_it(tmp_path):
    with Backend("a", 500) as a:
        lines = service(BREAKER.replace("300", "60000"), a)
        with Edge(tmp_path, *lines, gateway="threads=4") as edge:
            until(lambda: 503 in statuses(edge, 4))
            assert statuses(edge, 8) == [503] * 8
            edge.reload(*lines)
            assert statuses(edge, 8) == [503] * 8
            edge.reload(*service("", a))
            assert statuses(edge, 2) == [500] * 2


def test_a_request_is_one_failure_however_many_tries_it_had(tmp_path):
    with Backend("a", 503) as a:
        options = f"{BREAKER.replace('300', '60000')} retries=5 retry_when={ON_503} retry_methods={GET_ETC} {BUDGET}"
        with Edge(tmp_path, *service(options, a)) as edge:
            assert statuses(edge, 2) == [503] * 2
            assert a.requests == 12 and edge.command("policy web")["state"] == 0
            assert statuses(edge, 2) == [503] * 2
            assert a.requests == 18 and edge.command("policy web")["state"] == 1


def test_a_failed_try_counts_also_when_its_client_does_not_wait_for_the_next(tmp_path):
    with Backend("a", 503) as a:
        options = (f"{BREAKER.replace('300', '60000')} retries=3 retry_when={ON_503} retry_methods={GET_ETC} "
                   f"{BUDGET.replace('retry_backoff_ms=1', 'retry_backoff_ms=20000')}")
        with Edge(tmp_path, *service(options, a)) as edge:
            for n in range(3):
                assert edge.command("policy web")["state"] == 0
                client = edge.connect()
                client.send(request())
                until(lambda: a.requests == n + 1 and edge.command("policy web")["in_flight"] == 0)
                leave(client)
                until(lambda: edge.stats()["connections"] == 0)
            assert edge.command("policy web")["state"] == 1


@only_http1
def test_a_replica_that_is_lost_and_comes_back_within_the_hold_opens_no_breaker(tmp_path):
    with Backend("a", "hold") as a:
        with Edge(tmp_path, *service(BREAKER.replace("300", "60000"), a)) as edge:
            results, port = [], a.port
            threads = many(edge, 1, results)
            until(lambda: a.requests == 1)
            a.answer = "reset"
            a.listener.shutdown(socket.SHUT_RDWR)
            a.__exit__()
            time.sleep(0.4)  # its tries are refused
            with Backend("b", port=port):
                for thread in threads:
                    thread.join()
            assert results[0][0] == 200
            assert edge.stats()["retries"] >= 3
            shown = edge.command("policy web")
            assert (shown["state"], shown["times"], shown["refused"]) == (0, 0, 0)


@only_http1
def test_a_request_that_is_refused_until_its_hold_is_over_is_one_failure(tmp_path):
    with Backend("a") as a:
        a.listener.shutdown(socket.SHUT_RDWR)
    with Edge(tmp_path, *service(f"{BREAKER.replace('300', '60000')} hold_ms=150", a)) as edge:
        assert statuses(edge, 2) == [502] * 2
        assert edge.command("policy web")["state"] == 0
        assert edge.get(headers=["Accept: application/json"]).body.count(b"edge.breaker-open") == 0
        assert edge.command("policy web")["state"] == 1


# --- how many at once ---

def test_more_than_the_limit_are_refused_or_wait_in_the_queue(tmp_path):
    with Backend("a", "hold") as a:
        limit = "breaker_requests=2"
        with Edge(tmp_path, *service(limit, a)) as edge:
            results = []
            threads = many(edge, 2, results)
            until(lambda: a.requests == 2)
            refused = edge.get(headers=["Accept: application/json"])
            assert refused.status == 503 and b"edge.overloaded" in refused.body
            edge.reload(*service(limit + " queue_length=2 queue_ms=5000", a))
            threads += many(edge, 2, results)
            time.sleep(0.2)
            assert edge.get().status == 503
            a.release.set()
            for thread in threads:
                thread.join()
            assert [status for status, _, _ in results] == [200] * 4
            assert edge.command("policy web")["in_flight"] == 0


def test_who_waits_too_long_in_the_queue_is_refused(tmp_path):
    with Backend("a", "hold") as a:
        with Edge(tmp_path, *service("breaker_requests=1 queue_length=5 queue_ms=200", a)) as edge:
            results = []
            threads = many(edge, 1, results)
            until(lambda: a.requests == 1)
            began = time.monotonic()
            assert edge.get().status == 503
            assert 0.15 < time.monotonic() - began and not results
            client = edge.connect()  # one that leaves while it waits
            client.send(request())
            time.sleep(0.05)
            leave(client)
            a.release.set()
            threads[0].join()
            assert edge.get().status == 200
            assert a.requests == 2


def test_urgent_requests_leave_the_queue_first(tmp_path):
    with Backend("a", "hold") as a:
        options = "breaker_requests=1 queue_length=50 queue_ms=9000 queue_header=Priority"
        with Edge(tmp_path, *service(options, a)) as edge:
            first, order = [], []
            threads = many(edge, 1, first)
            until(lambda: a.requests == 1)

            def one(urgency):
                edge.get(headers=[f"Priority: u={urgency}, i"])
                order.append(urgency)
            for urgency in (7, 7, 3, 3, 0, 0):
                threads.append(threading.Thread(target=one, args=(urgency,)))
                threads[-1].start()
                time.sleep(0.05)
            a.answer = 0.05
            a.release.set()
            for thread in threads:
                thread.join()
            assert order == [0, 0, 3, 3, 7, 7]


def test_the_queue_works_over_threads(tmp_path):
    with Backend("a", 0.005) as a:
        with Edge(tmp_path, *service("breaker_requests=2 queue_length=200 queue_ms=9000", a), gateway="threads=4") as edge:
            results = []
            for thread in many(edge, 100, results):
                thread.join()
            assert collections.Counter(status for status, _, _ in results) == {200: 100}
            assert edge.command("policy web")["in_flight"] == 0


@only_http1
def test_the_limit_is_found_by_measuring(tmp_path):
    busy = threading.Semaphore(4)

    def serve(peer, n):
        while True:
            peer.request()
            with busy:
                time.sleep(0.01)
            peer.reply()
    with Upstream(serve) as a:
        options = ("concurrency_kind=0 concurrency_initial=16 concurrency_least=1 concurrency_most=200 "
                   "concurrency_tolerance_permille=1500 queue_length=100 queue_ms=9000")
        with Edge(tmp_path, *service(options, a)) as edge:
            stop = time.monotonic() + 5
            seen = []

            def client():
                with edge.connect() as c:
                    while time.monotonic() < stop:
                        c.send(request())
                        assert c.response().status == 200
            threads = [threading.Thread(target=client) for _ in range(40)]
            for thread in threads:
                thread.start()
            while time.monotonic() < stop - 0.3:
                time.sleep(0.1)
                seen.append(edge.command("policy web")["in_flight"])
            for thread in threads:
                thread.join()
            assert max(seen[-10:]) < 25, seen
            assert edge.command("policy web")["limit"] < 25, "what is told of it"


# --- how many connections ---

def test_more_connections_than_the_limit_are_not_made(tmp_path):
    with Backend("a", "hold") as a:
        limit = "breaker_connections=2"
        with Edge(tmp_path, *service(limit, a)) as edge:
            results = []
            threads = many(edge, 2, results)
            until(lambda: a.requests == 2)
            if SPOKEN["version"] == "http2":  # one carries many
                threads += many(edge, 8, results)
                until(lambda: a.requests == 10)
                assert edge.command("policy web")["connections"] == 1
            else:
                edge.reload(*service(limit + " breaker_pending=2", a))
                threads += many(edge, 2, results)
                time.sleep(0.2)
                refused = edge.get(headers=["Accept: application/json"])
                assert refused.status == 503 and b"edge.overloaded" in refused.body
                edge.reload(*service(limit + " queue_length=4 queue_ms=5000", a))
                time.sleep(0.1)
                threads += many(edge, 2, results)
                time.sleep(0.2)
                assert a.requests == 2 and edge.command("policy web")["connections"] == 2
            a.release.set()
            for thread in threads:
                thread.join()
            assert {status for status, _, _ in results} == {200}
            until(lambda: edge.command("policy web")["in_flight"] == 0)
            assert edge.command("policy web")["connections"] <= 2


def test_an_idle_connection_of_another_replica_makes_room(tmp_path):
    with Backend("a") as a, Backend("b") as b, Backend("c") as c:
        with Edge(tmp_path, *service("breaker_connections=1", a, b, c)) as edge:
            assert statuses(edge, 9) == [200] * 9
            assert [a.requests, b.requests, c.requests] == [3, 3, 3]
            assert edge.command("policy web")["connections"] == 1
            edge.reload(*service("", a, b, c))
            assert statuses(edge, 3) == [200] * 3
            edge.reload(*service("breaker_connections=1", a, b, c))  # those that were made without it count too
            assert edge.command("policy web")["connections"] >= 2
            assert statuses(edge, 9) == [200] * 9
            assert edge.command("policy web")["connections"] <= 3


def test_threads_give_idle_connections_to_each_other(tmp_path):
    busy, most = [], []

    def serve(peer, n):
        while True:
            peer.request()
            busy.append(1)
            most.append(len(busy))
            time.sleep(0.002)
            busy.pop()
            peer.reply()
    with Upstream(serve) as a:
        options = "breaker_connections=2 queue_length=500 queue_ms=9000"
        with Edge(tmp_path, *service(options, a), gateway="threads=4") as edge:
            results = []
            for thread in many(edge, 150, results):
                thread.join()
            assert collections.Counter(status for status, _, _ in results) == {200: 150}
            assert max(most) <= 2
            assert edge.command("policy web")["connections"] <= 2


@only_http1
def test_a_tunnel_is_a_connection_until_it_ends(tmp_path):
    def serve(peer, n):
        line, headers, _ = peer.request()
        if "upgrade" in headers:
            peer.send(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
            while peer.more():
                pass
        else:
            peer.reply()
    with Upstream(serve) as a:
        with Edge(tmp_path, *service("breaker_connections=1 queue_ms=50", a)) as edge:
            client = edge.connect()
            client.send(request(headers=["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]))
            assert client.head()[0] == 101
            assert edge.get().status == 503
            shown = edge.command("policy web")
            assert (shown["connections"], shown["in_flight"]) == (1, 0)
            client.socket.close()
            until(lambda: edge.get().status == 200)


def test_no_place_leaks_whatever_becomes_of_requests(tmp_path):
    """Answers, failures, resets, time-outs, retries, hedges and clients that leave, through a breaker that is half-open most of the time."""
    chance = random.Random(7)
    answers = [200, 200, 200, 500, 503, "reset", "silent", 0.01, 0.08]
    options = (f"breaker_requests=6 breaker_connections=9 queue_length=5 queue_ms=100 breaker_consecutive=2 breaker_open_ms=30 breaker_probes=2 "
               f"outlier_consecutive=2 {OUTLIER} first_byte_ms=60 retries=2 retry_when=255 retry_methods={GET_ETC} {BUDGET} "
               f"hedge_after_ms=10 hedge_share_permille=1000")
    with Backend("a") as a, Backend("b") as b:
        with Edge(tmp_path, *service(options, a, b), gateway="threads=2") as edge:
            for _ in range(60):
                a.answer, b.answer = chance.choice(answers), chance.choice(answers)
                threads = many(edge, 5, [], **chance.choice([{}, {"method": "PUT", "body": b"x" * 20_000}, {"method": "POST", "body": b"y"}]))
                leavers = [edge.connect() for _ in range(3)]
                for client in leavers:
                    client.send(request())
                time.sleep(chance.random() * 0.03)
                for client in leavers:
                    leave(client)
                for thread in threads:
                    thread.join()
            a.release.set()
            b.release.set()
            a.answer = b.answer = 200
            until(lambda: edge.command("policy web")["in_flight"] == 0)
            until(lambda: edge.stats()["in_flight"] == 0)
            assert edge.command("policy web")["times"] > 3  # it did open
            time.sleep(0.05)
            until(lambda: statuses(edge, 4) == [200] * 4)
            assert edge.command("policy web")["state"] == 0
            assert edge.command("policy web")["connections"] == edge.stats()["upstream_connections"] <= 9


# --- outliers, slow start ---

OUTLIER = "outlier_ejection_ms=700 outlier_ejection_max_ms=5000 outlier_share_permille=500 outlier_interval_ms=200"
OUT = "outlier_ejection_ms=600000 outlier_ejection_max_ms=600000 outlier_share_permille=500"  # for longer than a test takes


def test_a_failing_replica_is_ejected_and_comes_back(tmp_path):
    with Backend("a", 500) as a, Backend("b") as b:
        with Edge(tmp_path, *service(f"outlier_consecutive=3 {OUTLIER}", a, b), gateway="threads=4") as edge:
            until(lambda: edge.command("policy web web-1")["state"] == 3 or not edge.get())
            time.sleep(0.05)
            assert statuses(edge, 20) == [200] * 20
            shown = edge.command("policy web web-1")
            assert (shown["times"], shown["reason"]) == (1, 1) and shown["until"] > time.time_ns()
            a.answer, before = 200, a.requests
            until(lambda: edge.get().status == 200 and a.requests > before, 5)


def test_one_is_always_left(tmp_path):
    with Backend("a", 500) as a, Backend("b", 500) as b:
        with Edge(tmp_path, *service(f"outlier_consecutive=1 {OUT}", a, b)) as edge:
            assert statuses(edge, 20) == [500] * 20
            states = [edge.command(f"policy web web-{i}")["times"] for i in (1, 2)]
            assert sorted(states) == [0, 1]
        with Edge(tmp_path, *service(f"outlier_consecutive=1 {OUTLIER}", a)) as edge:
            assert statuses(edge, 5) == [500] * 5


def test_a_slow_replica_is_ejected(tmp_path):
    """A second against what a busy machine needs."""
    with Backend("a", 1.0) as a, Backend("b") as b, Backend("c") as c:
        with Edge(tmp_path, *service(f"outlier_latency_permille=4000 outlier_minimum=3 {OUT} outlier_interval_ms=1500", a, b, c)) as edge:
            def ejected():
                for thread in many(edge, 12, []):
                    thread.join()
                return edge.command("policy web web-1")["state"] == 3
            until(ejected, 60)
            assert edge.command("policy web web-1")["reason"] == 3
            before = a.requests
            statuses(edge, 10)
            assert a.requests == before


@pytest.mark.parametrize("balance", ["", "weight=2", "balance=least_conn", "balance=random", "balance=power_of_two", "sticky=seat"])
def test_a_new_replica_starts_slowly(tmp_path, balance):
    """Whatever balances them; in a try that was over before the new one had grown."""
    weight = balance if "weight" in balance else ""
    options = f"slow_start_ms=2000 {'' if weight else balance}"

    def lines(*backends):
        return [f"{line} {weight if line.startswith('endpoint web web-1') else ''}" for line in service(options, *backends)]
    with Backend("a") as a, Backend("b") as b, Edge(tmp_path, *lines(a)) as edge:
        time.sleep(2.1)
        for _ in range(20):
            edge.reload(*lines(a))
            before, began = b.requests, time.monotonic()
            edge.reload(*lines(a, b))
            with edge.connect() as client:
                for _ in range(60):
                    client.send(request())
                    client.response()
            if time.monotonic() - began < 0.6:
                assert b.requests - before <= 18  # a tenth to four of its half
                return
        pytest.skip("this machine is too busy to see it")


# --- fallback, holding ---

def test_a_fallback_page_for_no_replica_and_for_a_refused_one(tmp_path):
    page = "fallback_status=200 fallback_body=later"
    with Edge(tmp_path, *service(f"{page} hold_ms=100")) as edge:
        answer = edge.get()
        assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"later", "text/plain")
    with Backend("a", "reset") as a:
        with Edge(tmp_path, *service(f"{page} retries=1", a)) as edge:
            assert edge.get().body == b"later"
            assert edge.get(method="POST", body=b"x").body == b"later"


def test_a_fallback_service_answers_instead(tmp_path):
    with Backend("a", 500) as a, Backend("f") as f:
        lines = [*service("fallback_service=other breaker_consecutive=2 breaker_open_ms=60000 breaker_probes=1", a),
                 f"service other {speaks(f)}", f"endpoint other other-1 {f.address}"]
        with Edge(tmp_path, *lines) as edge:
            assert statuses(edge, 2) == [500] * 2
            assert edge.get(method="PUT", body=b"x").body == b"f x"
            assert edge.get().body == b"f "
            assert [bool(record["flags"] & 1024) for record in edge.records(4)] == [False] * 2 + [True] * 2
        lines[0] = "service web fallback_service=other state=stopped"
        del lines[1]
        with Edge(tmp_path, *lines) as edge:
            assert edge.get().body == b"f "
        with Edge(tmp_path, "service web fallback_service=web hold_ms=100", "route web * /") as edge:  # nobody falls back to himself
            assert edge.get().status == 503


def test_a_fallback_is_in_time(tmp_path):
    page = "fallback_status=200 fallback_body=later"
    with Backend("a", "silent") as a, Backend("f") as f:
        other = [f"service other {speaks(f)}", f"endpoint other other-1 {f.address}"]
        with Edge(tmp_path, *service("fallback_service=other total_ms=4000 hold_ms=60000 state=starting"), *other) as edge:
            began = time.monotonic()  # one that starts is waited for, but not until the time is over
            assert edge.get().body == b"f " and 1.9 < time.monotonic() - began
        probed = "probe=http:/ probe_interval_ms=50 probe_timeout_ms=5000 probe_retries=1 hold_ms=60000"
        with H1Backend("u", 503) as unwell:
            lines = [f"service web {probed} fallback_service=other", f"endpoint web web-1 {unwell.address}", "route web * /"]
            with Edge(tmp_path, *lines, *other) as edge:
                until(lambda: edge.get().body == b"f ")
                began = time.monotonic()
                assert edge.get().body == b"f " and time.monotonic() - began < 30
        with Edge(tmp_path, *service("fallback_service=other total_ms=300", a), *other) as edge:
            assert edge.get().status == 504  # no time for another service
        with Edge(tmp_path, *service(f"{page} total_ms=300", a)) as edge:
            assert edge.get().body == b"later"
        a.release.set()


def test_holding_is_bounded(tmp_path):
    with Edge(tmp_path, *service("hold_ms=4000 breaker_pending=2")) as edge:
        results = []
        threads = many(edge, 2, results)
        until(lambda: edge.stats()["held"] == 2)
        refused = edge.get()
        assert refused.status == 503 and refused.headers["retry-after"] and not results  # the others wait still
        for thread in threads:
            thread.join()
        assert [status for status, _, _ in results] == [503] * 2
    with Edge(tmp_path, *service("hold_ms=4294967295")) as edge:
        began = time.monotonic()
        assert edge.get().status == 503 and time.monotonic() - began < 8  # 10 s are usual


def test_nothing_is_left_of_clients_that_leave_in_any_state(tmp_path):
    with Backend("a", "hold") as a:
        options = f"breaker_requests=3 queue_length=3 queue_ms=9000 outlier_consecutive=2 {OUTLIER} retries=2 retry_when=255 retry_methods=127 {BUDGET}"
        with Edge(tmp_path, *service(options, a)) as edge:
            for round_ in range(5):
                clients = [edge.connect() for _ in range(8)]
                for client in clients:
                    client.send(request())
                until(lambda: edge.command("policy web")["in_flight"] == 3)
                for client in clients:
                    leave(client)
                until(lambda: edge.command("policy web")["in_flight"] == 0)
            a.release.set()
            assert edge.get().status == 200


# --- hedging, mirroring ---

def test_a_second_replica_is_asked_when_the_first_is_slow(tmp_path):
    with Backend("a", "hold") as a, Backend("b") as b:
        with Edge(tmp_path, *service("hedge_after_ms=50 hedge_share_permille=1000", a, b)) as edge:
            assert [edge.get().body for _ in range(6)] == [b"b "] * 6
            assert a.requests >= 3
            until(lambda: edge.stats()["in_flight"] == 0)
            before, results = a.requests, []
            threads = many(edge, 2, results, method="POST", body=b"x")  # one that may not arrive twice waits
            until(lambda: len(results) == 1)
            time.sleep(0.2)
            assert len(results) == 1 and a.requests == before + 1
            a.release.set()
            for thread in threads:
                thread.join()
            assert {response.body for _, _, response in results} == {b"a x", b"b x"}


def test_the_first_answer_wins_also_when_it_is_the_first_ones(tmp_path):
    with Backend("a", 0.15) as a, Backend("b", 0.15) as b:
        with Edge(tmp_path, *service("hedge_after_ms=50 hedge_share_permille=1000", a, b)) as edge:
            assert statuses(edge, 10) == [200] * 10
            until(lambda: edge.stats()["in_flight"] == 0)
            assert edge.command("policy web")["in_flight"] == 0


@only_http1
def test_a_second_try_goes_on_when_the_first_is_lost(tmp_path):
    def dies(peer, n):
        peer.request()
        time.sleep(0.15)
    with Upstream(dies) as a, Backend("b", 0.3) as b:
        options = "retries=4294967295 hedge_after_ms=50 hedge_share_permille=1000"
        with Edge(tmp_path, *service(options, a, b)) as edge:
            assert statuses(edge, 6) == [200] * 6


@pytest.mark.parametrize("size", [1, 20_000, 65_536])
def test_a_second_replica_gets_the_body_too(tmp_path, size):
    body = bytes(i * 13 % 255 for i in range(size))
    with Backend("a", "hold") as a, Backend("b") as b:
        with Edge(tmp_path, *service("hedge_after_ms=50 hedge_share_permille=1000", a, b)) as edge:
            assert [edge.get(method="PUT", body=body).body for _ in range(4)] == [b"b " + body] * 4
            assert a.requests >= 2
            until(lambda: edge.stats()["in_flight"] == 0)
            if SPOKEN["version"] == "http2":  # the loser's stream is cancelled, and the connection of all lives
                until(lambda: a.resets == [8] * a.requests)
                assert a.connections == b.connections == 1
            a.release.set()
            assert {edge.get().body for _ in range(4)} == {b"a ", b"b "}


def test_who_lost_to_a_second_try_is_the_slow_one(tmp_path):
    """The winner's answer is measured from its own beginning: it must not look as slow as the first one."""
    with Backend("a", "hold") as a, Backend("b") as b:
        with Edge(tmp_path, *service("balance=power_of_two hedge_after_ms=200 hedge_share_permille=1000", a, b)) as edge:
            assert {edge.get().body for _ in range(30)} == {b"b "}
            assert a.requests <= 3
            a.release.set()


def test_hedges_have_a_budget(tmp_path):
    with Backend("a", 0.1) as a, Backend("b", 0.1) as b:
        with Edge(tmp_path, *service("hedge_after_ms=20 hedge_share_permille=100", a, b)) as edge:
            assert statuses(edge, 30) == [200] * 30
            assert 31 <= a.requests + b.requests <= 34


def test_clients_that_leave_hedged_requests_leave_nothing(tmp_path):
    with Backend("a", "hold") as a, Backend("b", "hold") as b:
        with Edge(tmp_path, *service("hedge_after_ms=20 hedge_share_permille=1000", a, b)) as edge:
            clients = [edge.connect() for _ in range(5)]
            for client in clients:
                client.send(request())
            until(lambda: a.requests + b.requests == 10)
            for client in clients:
                leave(client)
            until(lambda: edge.stats()["in_flight"] == 0)
            a.release.set()
            b.release.set()
            assert edge.get().status == 200


def mirrored(options, a, shadow):
    return [*service(options, a), f"service shadow {speaks(shadow)}", f"endpoint shadow shadow-1 {shadow.address}"]


@only_http1
def test_a_mirror_gets_copies_and_delays_nobody(tmp_path):
    seen = []

    def silent(peer, n):
        seen.append(peer.request())
        release.wait(60)
    release = threading.Event()
    with Backend("a") as a, Upstream(silent) as shadow:
        with Edge(tmp_path, *mirrored("mirror_service=shadow mirror_permille=1000", a, shadow)) as edge:
            began = time.monotonic()
            assert edge.get(path="/x?y=1").body == b"a "
            assert edge.get(method="POST", body=b"hello").body == b"a hello"
            assert time.monotonic() - began < 30
            until(lambda: len(seen) == 2)
            assert seen[0][0] == "GET /x?y=1 HTTP/1.1" and seen[0][1]["connection"] == "close"
            assert seen[1][2] == b"hello" and seen[1][1]["host"] == "x"
            assert edge.get(method="POST", body=b"z" * 60_000).status == 200
            until(lambda: len(seen) == 3)
            assert seen[2][2] == b"z" * 60_000
            with edge.connect() as client:
                client.send(request("POST", headers=["Transfer-Encoding: chunked", "TE: trailers"]) + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n" + request())
                assert client.response().body == b"a abcde" and client.response().status == 200
            until(lambda: len(seen) == 5)
            copied = next(one for one in seen if one[2] == b"abcde")
            assert copied[1]["transfer-encoding"] == "chunked" and copied[1][""] == ["X-Sum: 5"]
            assert edge.get(method="POST", body=b"z" * 100000).status == 200
            assert edge.command("policy web")["not_mirrored"] == 1
            release.set()


def test_a_mirror_gets_bodies(tmp_path):
    with Backend("a") as a, Backend("s") as shadow:
        with Edge(tmp_path, *mirrored("mirror_service=shadow mirror_permille=1000", a, shadow)) as edge:
            for size in (0, 1, 20_000, 60_000):
                body = bytes(i * 11 % 253 for i in range(size))
                assert edge.get(method="PUT", body=body).body == b"a " + body
                until(lambda: shadow.requests > 0 and edge.stats()["in_flight"] == 0)
                if SPOKEN["version"] == "http2":
                    assert shadow.seen[-1][1] == body and shadow.connections == 1
            assert shadow.requests == 4 and edge.command("policy web")["not_mirrored"] == 0


def test_a_mirror_gets_a_share(tmp_path):
    with Backend("a") as a, Backend("s") as shadow:
        with Edge(tmp_path, *mirrored("mirror_service=shadow mirror_permille=300", a, shadow)) as edge:
            assert statuses(edge, 200) == [200] * 200
            until(lambda: edge.stats()["in_flight"] == 0)
            assert 30 <= shadow.requests <= 90


def test_copies_are_bounded_and_a_mirror_that_is_not_there_is_no_harm(tmp_path):
    with Backend("a") as a, Backend("s", "silent") as shadow:
        with Edge(tmp_path, *mirrored("mirror_service=shadow mirror_permille=1000", a, shadow)) as edge:
            assert statuses(edge, 80) == [200] * 80
            until(lambda: edge.command("policy web")["not_mirrored"] == 16)
            until(lambda: shadow.requests == 64)
            shadow.release.set()
            until(lambda: edge.stats()["in_flight"] == 0)
            edge.reload(*service("mirror_service=shadow mirror_permille=1000", a))
            assert statuses(edge, 5) == [200] * 5
