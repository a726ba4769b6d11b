# SPDX-License-Identifier: Apache-2.0
"""Services, endpoints and routes through the real edge: balancing, failures, draining, holding, changes, probes, tcp."""
import collections
import json
import socket
import threading
import time

import pytest

from edge_peer import Edge, Upstream, echo, free_port, request, until


def named(name):
    def serve(peer, n):
        while True:
            peer.request()
            peer.reply(name.encode())
    return serve


def names(edge, n, path="/", host="x"):
    with edge.connect() as client:
        found = []
        for _ in range(n):
            client.send(request(path=path, host=host))
            found.append(client.response().body.decode())
        return found


def test_round_robin_and_the_replica_header(tmp_path):
    with Upstream(named("a")) as a, Upstream(named("b")) as b, Upstream(named("c")) as c:
        lines = ["service web", *[f"endpoint web web-{i} {u.address}" for i, u in enumerate((a, b, c))], "route web * /"]
        with Edge(tmp_path, *lines, gateway="threads=1 expose_replica=1") as edge:
            found = names(edge, 30)
            assert collections.Counter(found) == {"a": 10, "b": 10, "c": 10}
            assert found[:3] == found[3:6]
            assert edge.get().headers["x-muelle-replica"].startswith("web-")


def test_a_service_that_writes_head_and_body_apart_is_not_waited_for(tmp_path):
    """Without TCP_NODELAY, as Python's http.server: its kernel holds the body back until the head is acknowledged, which
    ours would put off by 40 ms. New connections are acknowledged at once anyway, so the later requests tell."""
    def apart(peer, n):
        while True:
            peer.request()
            peer.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            peer.socket.sendall(b"body")

    with Upstream(apart) as a, Edge(tmp_path, "service web", f"endpoint web web-1 {a.address}", "route web * /") as edge:
        with edge.connect() as client:
            times = []
            for _ in range(60):
                begin = time.monotonic()
                client.send(request())
                assert client.response().body == b"body"
                times.append(time.monotonic() - begin)
    assert min(times[30:]) < 0.03, times


def test_weights(tmp_path):
    with Upstream(named("a")) as a, Upstream(named("b")) as b:
        lines = ["service web", f"endpoint web web-1 {a.address} weight=3", f"endpoint web web-2 {b.address}", "route web * /"]
        with Edge(tmp_path, *lines) as edge:
            assert collections.Counter(names(edge, 40)) == {"a": 30, "b": 10}


def test_least_connections(tmp_path):
    release = threading.Event()

    def slow(peer, n):
        while True:
            line, _, _ = peer.request()
            if "/slow" in line:
                release.wait(10)
            peer.reply(b"slow")

    with Upstream(slow) as a, Upstream(named("b")) as b:
        lines = ["service web balance=least_conn", f"endpoint web web-1 {a.address}", f"endpoint web web-2 {b.address}", "route web * /"]
        with Edge(tmp_path, *lines) as edge:
            busy = [edge.connect() for _ in range(4)]
            for client in busy:
                client.send(request(path="/slow"))
            time.sleep(0.1)
            found = names(edge, 10)
            assert found.count("b") >= 9
            release.set()
            for client in busy:
                client.response()
                client.socket.close()


def test_routes_by_host_and_longest_prefix(tmp_path):
    ups = {name: Upstream(named(name)) for name in ("root", "api", "deep", "host", "wild", "any")}
    lines = [line for name, up in ups.items() for line in (f"service {name}", f"endpoint {name} {name}-1 {up.address}")]
    lines += ["route root a.test /", "route api a.test /api", "route deep a.test /api/v1/deep", "route host b.test /only",
              "route wild *.wild.test /", "route any * /fallback"]
    with Edge(tmp_path, *lines) as edge:
        def body(host, path):
            response = edge.get(path, host)
            return response.body.decode() if response.status == 200 else response.status
        assert body("a.test", "/") == "root"
        assert body("A.TEST:99", "/apix") == "root"
        assert body("a.test", "/api") == "api"
        assert body("a.test", "/api/") == "api"
        assert body("a.test", "/api/v1") == "api"
        assert body("a.test", "/api/v1/deep/x?y=/z") == "deep"
        assert body("a.test", "/api/../other") == "root"
        assert body("a.test", "/%61pi/x") == "api"
        assert body("b.test", "/only/x") == "host"
        assert body("b.test", "/") == 404
        assert body("b.test", "/fallback") == "any"
        assert body("x.wild.test", "/") == "wild"
        assert body("x.y.wild.test", "/") == "wild"
        assert body("wild.test", "/") == 404
        assert body("zzz", "/fallback/1") == "any"
    for up in ups.values():
        up.__exit__()


def test_the_prefix_is_stripped_when_asked(tmp_path):
    with Upstream(echo) as up:
        lines = ["service web", f"endpoint web web-1 {up.address}", "route web * /api strip=1", "route web keep /api"]
        with Edge(tmp_path, *lines) as edge:
            got = json.loads(edge.get("/api/x?y=1").body)
            assert got["line"] == "GET /x?y=1 HTTP/1.1" and got["headers"]["x-forwarded-prefix"] == "/api"
            assert json.loads(edge.get("/api").body)["line"] == "GET / HTTP/1.1"
            assert json.loads(edge.get("/api?q").body)["line"] == "GET /?q HTTP/1.1"
            assert json.loads(edge.get("/api/x", "keep").body)["line"] == "GET /api/x HTTP/1.1"


def test_a_dead_endpoint_costs_no_request(tmp_path):
    dead = free_port()
    with Upstream(named("b")) as b:
        lines = ["service web", f"endpoint web web-1 127.0.0.1:{dead}", f"endpoint web web-2 {b.address}", "route web * /"]
        with Edge(tmp_path, *lines) as edge:
            assert names(edge, 100) == ["b"] * 100
            assert edge.get(method="POST", body=b"x").body == b"b"  # nothing was written: safe for any method
            stats = edge.stats()
            assert stats["retries"] >= 1 and stats["errors"] == 0
            assert len(edge.records(101)) == edge.stats()["requests"] == 101


def test_a_pooled_connection_that_died_is_no_error_for_idempotent_requests(tmp_path):
    def one_each(peer, n):
        peer.request()
        peer.reply(b"one")
        peer.request()  # the second request on it: hang up without an answer

    with Upstream(one_each) as up:
        with Edge(tmp_path, "service web", f"endpoint web web-1 {up.address}", "route web * /") as edge:
            assert names(edge, 20) == ["one"] * 20
            assert edge.stats()["retries"] >= 1
            with edge.connect() as client:
                client.send(request("PUT", body=b"12345"))
                assert client.response().body == b"one"
                client.send(request("POST", body=b"12345"))
                assert client.response().status == 502


def test_an_answer_that_broke_off_is_cut_not_repeated(tmp_path):
    def short(peer, n):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    with Upstream(short) as up:
        with Edge(tmp_path, "service web", f"endpoint web web-1 {up.address}", "route web * /") as edge:
            with edge.connect() as client:
                client.send(request())
                assert client.head()[0] == 200
                with pytest.raises((EOFError, ConnectionResetError)):
                    client.exactly(100)
            assert up.count == 1
            assert edge.records()[0]["flags"] & 8


def test_an_upstream_that_says_too_much_is_not_used_again(tmp_path):
    def chatty(peer, n):
        while True:
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")

    with Upstream(chatty) as up:
        with Edge(tmp_path, "service web", f"endpoint web web-1 {up.address}", "route web * /") as edge:
            assert names(edge, 10) == ["ok"] * 10
            assert up.count == 10


@pytest.mark.parametrize("answer", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
                                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", b""])
def test_an_answer_that_is_no_http_gives_502(tmp_path, answer):
    def bad(peer, n):
        peer.request()
        peer.send(answer)

    with Upstream(bad) as up:
        with Edge(tmp_path, "service web", f"endpoint web web-1 {up.address}", "route web * /") as edge:
            response = edge.get(headers=["Accept: application/json"])
            assert response.status == 502
            assert response.headers["content-type"] == "application/problem+json"
            assert json.loads(response.body)["service"] == "web"


def test_time_outs_by_phase(tmp_path):
    def silent(peer, n):
        peer.request()
        peer.socket.recv(1)

    def stuck(peer, n):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        peer.socket.recv(1)

    with Upstream(silent) as a, Upstream(stuck) as b:
        lines = ["service a first_byte_ms=150", "service b idle_ms=150", f"endpoint a a-1 {a.address}",
                 f"endpoint b b-1 {b.address}", "route a * /a", "route b * /b"]
        with Edge(tmp_path, *lines) as edge:
            assert edge.get("/a").status == 504
            with edge.connect() as client:
                client.send(request(path="/b"))
                client.head()
                with pytest.raises((EOFError, ConnectionResetError)):
                    client.exactly(100)
            with edge.connect() as client:  # a client that stops in its body
                client.send(b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
                assert client.response().status == 408


def test_draining_lets_requests_finish(tmp_path):
    release = threading.Event()

    def slow(peer, n):
        peer.request()
        release.wait(10)
        peer.reply(b"old")
        assert peer.socket.recv(1) == b""  # and then the connection is closed

    with Upstream(slow) as a, Upstream(named("b")) as b:
        lines = ["service web", f"endpoint web web-1 {a.address}", "route web * /"]
        with Edge(tmp_path, *lines) as edge, edge.connect() as client:
            client.send(request())
            until(lambda: a.count)
            edge.command(f"endpoint web web-2 {b.address}")
            edge.command(f"endpoint web web-1 {a.address} state=draining")
            assert names(edge, 10) == ["b"] * 10
            edge.command("remove web web-1")
            assert names(edge, 10) == ["b"] * 10
            release.set()
            assert client.response().body == b"old"
            until(lambda: edge.stats()["upstream_connections"] == 1)


def test_a_request_waits_for_a_service_that_starts(tmp_path):
    with Upstream(named("a")) as a:
        lines = ["service web state=starting", f"endpoint web web-1 {a.address} state=starting", "route web * /"]
        with Edge(tmp_path, *lines) as edge, edge.connect() as client:
            client.send(request())
            time.sleep(0.1)
            edge.command(f"endpoint web web-1 {a.address}")
            assert client.response().body == b"a"
            record = edge.records()[0]
            assert record["flags"] & 16 and record["wait_us"] > 50000
            assert edge.stats()["held"] == 1


def test_it_waits_through_a_restart(tmp_path):
    port = free_port()
    with Edge(tmp_path, "service web", f"endpoint web web-1 127.0.0.1:{port}", "route web * /") as edge, edge.connect() as client:
        client.send(request("POST", body=b"x"))
        time.sleep(0.05)
        with Upstream(named("back"), port):
            assert client.response().body == b"back"


@pytest.mark.parametrize("state,code", [("stopped", "edge.stopped"), ("crashed", "edge.crashed"), ("starting", "edge.starting"),
                                        ("running", "edge.no-endpoint"), ("scaled", "edge.stopped")])
def test_pages_say_why(tmp_path, state, code):
    with Edge(tmp_path, f"service web state={state} hold_ms=50", "route web * /") as edge:
        problem = edge.get(headers=["Accept: application/json"])
        assert problem.status == 503 and ("retry-after" in problem.headers) == (state not in ("stopped", "scaled"))
        assert json.loads(problem.body)["code"] == code
        if code == "edge.stopped":
            todo = "'muelle scale web=1'" if state == "scaled" else "'muelle start web'"
            assert todo in json.loads(problem.body)["hint"]
        page = edge.get(headers=["Accept: text/html"])
        assert page.headers["content-type"].startswith("text/html") and b"<strong>web</strong>" in page.body
        missing = edge.get(host="x", path="/", method="HEAD")
        assert missing.status == 503 and missing.body == b""


def test_a_page_is_in_the_language_of_who_asks(tmp_path):
    with Edge(tmp_path, "service web state=stopped", "route web * /x") as edge:
        page = edge.get(path="/x", headers=["Accept-Language: es-AR,es;q=0.9,en;q=0.8"]).body.decode()
        assert '<html lang="es">' in page and "Servicio <strong>web</strong>: está parado.</p>" in page
        page = edge.get(path="/", headers=["Accept-Language: es"]).body.decode()
        assert "<p>Ninguna ruta corresponde a este host y esta dirección.</p>" in page
        problem = edge.get(path="/x", headers=["Accept-Language: es", "Accept: application/json"])
        assert json.loads(problem.body)["detail"] == "It is stopped"
        # who is not from here is told as little, in his language
        page = edge.get(path="/x", headers=["Accept-Language: es", "X-Forwarded-For: 192.0.2.1"]).body.decode()
        assert "<p>En este momento no se puede responder a esto.</p>" in page and "muelle start" not in page


def test_holding_ends(tmp_path):
    with Edge(tmp_path, "service web state=starting hold_ms=100", "route web * /") as edge:
        started = time.monotonic()
        assert edge.get().status == 503
        assert time.monotonic() - started >= 0.09


@pytest.mark.parametrize("state", ["stopped", "drained", "scaled"])
def test_held_requests_are_let_go_when_the_service_stops(tmp_path, state):
    with Edge(tmp_path, "service web state=starting", "route web * /") as edge, edge.connect() as client:
        client.send(request())
        time.sleep(0.05)
        edge.command(f"service web state={state}")
        assert client.response().status == 503


def test_no_route_is_404_with_help(tmp_path):
    with Edge(tmp_path) as edge:
        response = edge.get(headers=["Accept: application/json"])
        assert response.status == 404 and json.loads(response.body)["code"] == "edge.no-route"
        assert b"muelle routes" in edge.get().body


def test_tcp_listeners_carry_bytes_both_ways(tmp_path):
    def reverse(peer, n):
        data = b""
        while True:
            more = peer.socket.recv(65536)
            if not more:
                break
            data += more
        peer.send(data[::-1])

    port = free_port()
    with Upstream(reverse) as up:
        lines = ["service db", f"endpoint db db-1 {up.address}", f"listen tcp 127.0.0.1:{port} db"]
        with Edge(tmp_path, *lines) as edge:
            data = bytes(range(256)) * 8192
            with socket.create_connection(("127.0.0.1", port), 10) as client:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                got = b""
                while more := client.recv(65536):
                    got += more
            assert got == data[::-1]
            until(lambda: edge.stats()["connections"] == 0)
            record = edge.records()[-1]
            assert record["bytes_in"] == record["bytes_out"] == len(data) and record["flags"] & 256


def test_tcp_goes_to_another_endpoint_when_one_is_dead(tmp_path):
    port = free_port()

    def hello(peer, n):
        peer.send(b"hello")

    with Upstream(hello) as up:
        lines = ["service db", f"endpoint db db-1 127.0.0.1:{free_port()}", f"endpoint db db-2 {up.address}",
                 f"listen tcp 127.0.0.1:{port} db"]
        with Edge(tmp_path, *lines):
            for _ in range(10):
                with socket.create_connection(("127.0.0.1", port), 10) as client:
                    assert client.recv(10) == b"hello"


def test_admin_listener_goes_to_one_unix_socket(tmp_path):
    path = str(tmp_path / "a.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    up = Upstream.__new__(Upstream)
    up.serve, up.listener, up.count, up.connections = echo, listener, 0, []
    threading.Thread(target=up.run, daemon=True).start()
    port = free_port()
    lines = ["service core", f"endpoint core core unix:{path}", f"listen admin 127.0.0.1:{port} core"]
    with Edge(tmp_path, *lines) as edge:
        edge.port, edge.http = port, edge.port
        got = json.loads(edge.get("/api/v1/x", host="whatever").body)
        assert got["line"] == "GET /api/v1/x HTTP/1.1" and got["headers"]["x-forwarded-for"] == "127.0.0.1"
        assert edge.records()[0]["flags"] & 128
    up.__exit__()


def test_probes_take_an_endpoint_out_and_back(tmp_path):
    sick = threading.Event()

    def serve(peer, n):
        while True:
            line, _, _ = peer.request()
            if "/health" in line:
                peer.reply(b"feeling " + (b"bad" if sick.is_set() else b"well"), "500 No" if sick.is_set() else "200 OK")
            else:
                peer.reply(b"a")

    with Upstream(serve) as a, Upstream(named("b")) as b:
        probe = "probe=http:/health probe_interval_ms=30 probe_retries=2"
        lines = [f"service web {probe}", f"endpoint web web-1 {a.address}", f"endpoint web web-2 {b.address}", "route web * /"]
        with Edge(tmp_path, *lines, gateway="threads=2") as edge:
            until(lambda: [p["status"] for p in edge.command("probes")] == [1, 1])
            assert set(names(edge, 20)) == {"a", "b"}
            sick.set()
            until(lambda: 2 in [p["status"] for p in edge.command("probes")])
            probe = next(p for p in edge.command("probes") if p["status"] == 2)
            assert probe["http_status"] == 500 and probe["body"] == "feeling bad"
            until(lambda: names(edge, 10) == ["b"] * 10)
            sick.clear()
            until(lambda: set(names(edge, 10)) == {"a", "b"})


def test_a_starting_endpoint_is_probed_fast(tmp_path):
    with Upstream(named("a")) as a:
        with Edge(tmp_path, "service web state=starting probe=http:/ probe_interval_ms=60000", "route web * /") as edge:
            edge.command(f"endpoint web web-1 {a.address} state=starting")
            until(lambda: [p["status"] for p in edge.command("probes")] == [1], 1)


def test_probing_a_dead_port_says_why_and_tcp_probes_work(tmp_path):
    port = free_port()
    with Edge(tmp_path, "service web probe=tcp probe_interval_ms=20", f"endpoint web web-1 127.0.0.1:{port}", "route web * /") as edge:
        until(lambda: [p["status"] for p in edge.command("probes")] == [2])
        assert edge.command("probes")[0]["error"] == 111
        with Upstream(named("a"), port):
            until(lambda: [p["status"] for p in edge.command("probes")] == [1])


def test_a_reload_touches_no_connection(tmp_path):
    with Upstream(named("a")) as a, Upstream(named("b")) as b, Upstream(echo) as e:
        lines = ["service web", f"endpoint web web-1 {a.address}", "route web * /"]
        with Edge(tmp_path, *lines, gateway="threads=2") as edge, edge.connect() as client:
            client.send(request())
            assert client.response().body == b"a"
            for i in range(20):
                target = b if i % 2 == 0 else a
                edge.reload("service web", f"endpoint web web-1 {target.address}", "route web * /",
                            "service other", f"endpoint other o-1 {e.address}", f"route other * /o{i}")
                until(lambda: edge.get(f"/o{i}").status == 200)
                client.send(request())
                assert client.response().body == (b"b" if i % 2 == 0 else b"a")


def test_a_reload_opens_and_closes_listeners(tmp_path):
    extra = free_port()
    with Upstream(named("a")) as a:
        lines = ["service web", f"endpoint web web-1 {a.address}", "route web * /"]
        with Edge(tmp_path, *lines) as edge:
            edge.reload(*lines, f"listen http 127.0.0.1:{extra}")
            old, edge.port = edge.port, extra
            assert edge.get().body == b"a"
            edge.port = old
            edge.reload(*lines)
            with pytest.raises(OSError):
                for _ in range(100):
                    socket.create_connection(("127.0.0.1", extra), 1).close()
                    time.sleep(0.01)


def test_1000_routes_change_under_load_without_a_failure(tmp_path):
    with Upstream(named("a")) as a:
        def lines(version):
            yield from ("service web", f"endpoint web web-1 {a.address}", "route web load /")
            for i in range(1000):
                yield f"route web h{i}.test /{version}"
        with Edge(tmp_path, *lines(0), gateway="threads=2") as edge:
            failed, done, stop = [], [0], threading.Event()

            def load():
                while not stop.is_set():
                    with edge.connect() as client:
                        for _ in range(50):
                            client.send(request(host="load"))
                            response = client.response()
                            done[0] += 1
                            if response.body != b"a":
                                failed.append(response)

            threads = [threading.Thread(target=load) for _ in range(2)]
            for thread in threads:
                thread.start()
            for version in range(1, 11):
                edge.reload(*lines(version))
                assert edge.get(f"/{version}", "h999.test").status in (200, 404)
                until(lambda: edge.get(f"/{version}", "h999.test").status == 200)
            stop.set()
            for thread in threads:
                thread.join()
            assert not failed and done[0] >= 50
            assert edge.stats()["in_flight"] == 0


def test_many_threads_serve(tmp_path):
    with Upstream(named("a")) as a:
        with Edge(tmp_path, "service web", f"endpoint web web-1 {a.address}", "route web * /", gateway="threads=4") as edge:
            clients = [edge.connect() for _ in range(64)]
            for _ in range(10):
                for client in clients:
                    client.send(request())
                for client in clients:
                    assert client.response().body == b"a"
            for client in clients:
                client.socket.close()
            assert len(edge.records(640)) == edge.stats()["requests"] == 640


def test_connections_have_a_maximum_and_idle_ones_make_room(tmp_path):
    with Upstream(named("a")) as a:
        with Edge(tmp_path, "service web", f"endpoint web web-1 {a.address}", "route web * /", gateway="threads=1 connections_max=8") as edge:
            idle = [edge.connect() for _ in range(8)]
            assert edge.get().body == b"a"
            assert edge.stats()["connections"] <= 8
            for client in idle:
                client.socket.close()


def test_a_replica_that_dies_under_a_request_costs_only_what_cannot_be_repeated(tmp_path):
    def dies(peer, n):
        peer.request()  # and hangs up without a byte

    with Upstream(dies) as a, Upstream(named("b")) as b:
        lines = ["service web", f"endpoint web web-1 {a.address}", f"endpoint web web-2 {b.address}", "route web * /"]
        with Edge(tmp_path, *lines) as edge:
            assert names(edge, 20) == ["b"] * 20
            assert {edge.get(method="PUT", body=b"12345").body for _ in range(4)} == {b"b"}
            assert sorted(edge.get(method="POST", body=b"x").status for _ in range(4)) == [200, 200, 502, 502]


@pytest.mark.figures
def test_connections_are_spread_over_the_threads(tmp_path):
    with Upstream(named("a")) as a:
        with Edge(tmp_path, "service web", f"endpoint web web-1 {a.address}", "route web * /", gateway="threads=4") as edge:
            until(lambda: edge.stats()["snapshots"] == 4)  # a thread that has none is given no connection
            clients = [edge.connect() for _ in range(80)]
            for client in clients:
                client.send(request())
                assert client.response().body == b"a"
            assert min(edge.stats()["by_thread"][:4]) >= 80 // 4 - 8
            for client in clients:
                client.socket.close()


def test_a_body_in_drops_is_timed_out(tmp_path):
    with Upstream(echo) as up:
        with Edge(tmp_path, "service web idle_ms=300", f"endpoint web web-1 {up.address}", "route web * /") as edge:
            with edge.connect() as client:
                client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
                started = time.monotonic()
                while time.monotonic() - started < 5 and not client.buffer:
                    try:
                        client.send(b"x")
                        client.socket.settimeout(0.05)
                        client.more()
                    except TimeoutError:
                        continue
                    except OSError:
                        break
                client.socket.settimeout(5)
                assert client.response().status == 408


def test_an_endpoint_that_needs_its_time_is_probed_fast_until_it_answers(tmp_path):
    """The first probes fail; the next one does not come an interval later."""
    port = free_port()
    service = "service web state=starting probe=http:/ probe_interval_ms=600000"
    with Edge(tmp_path, service, "route web * /") as edge:
        edge.command(f"endpoint web web-1 127.0.0.1:{port} state=starting")
        until(lambda: any(p["runs"] >= 3 for p in edge.command("probes")))
        with Upstream(named("a"), port):
            until(lambda: [p["status"] for p in edge.command("probes")] == [1])
