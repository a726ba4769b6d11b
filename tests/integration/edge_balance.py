# SPDX-License-Identifier: Apache-2.0
"""Who gets a request, through the real edge: hash, sticky cookies, loads, places, groups, panic, weights at run time."""
import collections
import contextlib
import socket
import threading
import time

from edge_peer import Edge, Upstream, request, until
from mmdb import write_mmdb


def named(name, delay=0.0, status="200 OK"):
    def serve(peer, n):
        while True:
            peer.request()
            time.sleep(delay)
            peer.reply(name.encode(), status)
    return serve


@contextlib.contextmanager
def edge_of(tmp_path, service, *endpoints, count=3, gateway="threads=1", serve=named):
    """Services a, b, c … behind `web`; endpoints[i] are options of the i-th."""
    with contextlib.ExitStack() as stack:
        ups = [stack.enter_context(Upstream(serve("abcdefgh"[i]))) for i in range(count)]
        lines = [f"service web {service}"]
        for i, up in enumerate(ups):
            options = endpoints[i] if i < len(endpoints) else ""
            lines.append(f"endpoint web web-{i + 1} {up.address} {options}")
        edge = stack.enter_context(Edge(tmp_path, *lines, "route web * /", gateway=gateway))
        edge.ups = ups
        yield edge


def who(edge, n=1, path="/", headers=()):
    with edge.connect() as client:
        found = []
        for i in range(n):
            client.send(request(path=path.replace("{i}", str(i)),
                                headers=[h.replace("{i}", str(i)) for h in headers]))
            response = client.response()
            assert response.status == 200
            found.append(response.body.decode())
        return found


def unbalanced(edge):
    return edge.stats()["unbalanced"]


def check_hash(edge, path, headers):
    first = who(edge, 60, path, headers)
    assert len(set(first)) == 3
    assert who(edge, 60, path, headers) == first
    assert unbalanced(edge) == 0
    edge.command("remove web web-2")
    second = who(edge, 60, path, headers)
    assert all(x == y for x, y in zip(first, second) if x != "b") and "b" not in second


def test_the_same_header_goes_to_the_same_replica(tmp_path):
    with edge_of(tmp_path, "balance=hash hash=header hash_name=X-User") as edge:
        check_hash(edge, "/", ["X-User: user-{i}"])
        got = collections.Counter(who(edge, 30))  # without it: in turn, and counted
        assert set(got.values()) == {15} and unbalanced(edge) == 30


def test_hash_by_cookie_query_and_path(tmp_path):
    with edge_of(tmp_path, "balance=hash hash=cookie hash_name=id") as edge:
        check_hash(edge, "/", ["Cookie: other=1; id=n{i}", "Accept: */*"])
    with edge_of(tmp_path, "balance=hash hash=query hash_name=k") as edge:
        check_hash(edge, "/x?a=1&k=key{i}&b=2", [])
    with edge_of(tmp_path, "balance=hash hash=path") as edge:
        check_hash(edge, "/dir/../item/{i}?t={i}", [])


def test_hash_by_address(tmp_path):
    with edge_of(tmp_path, "balance=hash") as edge:
        assert len(set(who(edge, 20))) == 1

        def from_address(address):
            with socket.create_connection(("127.0.0.1", edge.port), 10, (address, 0)) as client:
                client.sendall(request(headers=["Connection: close"]))
                return b"".join(iter(lambda: client.recv(65536), b""))[-1:]
        addresses = [f"127.0.{i}.7" for i in range(40)]
        first = [from_address(a) for a in addresses]
        assert set(first) == {b"a", b"b", b"c"}
        assert [from_address(a) for a in addresses] == first


def test_a_hot_key_is_bounded(tmp_path):
    with edge_of(tmp_path, "balance=hash hash=path hash_bound=125", serve=lambda n: named(n, 0.5)) as edge:
        clients = [edge.connect() for _ in range(12)]
        for client in clients:
            client.send(request(path="/hot"))
        got = collections.Counter(client.response().body for client in clients)
        assert sum(got.values()) == 12 and max(got.values()) <= 5  # ceil(1.25 × 12 / 3)
        for client in clients:
            client.socket.close()


SECRETS = [f"sticky=secret-of-{name}-0123" for name in "abc"]


def test_a_sticky_cookie_keeps_its_replica_until_that_is_gone(tmp_path):
    with edge_of(tmp_path, "sticky=muelle_web", *SECRETS) as edge:
        first = edge.get()
        cookie = first.headers["set-cookie"]
        assert "; Path=/; HttpOnly; SameSite=Lax" in cookie and "Max-Age" not in cookie
        mine = ["Cookie: x=y; " + cookie.split(";")[0]]
        assert set(who(edge, 20, headers=mine)) == {first.body.decode()}
        assert "set-cookie" not in edge.get(headers=mine).headers
        # Another cookie than ours is none: a new one is set, in turn.
        for bad in ["muelle_web=secret-of-a-012", "muelle_web=secret-of-a-01234", "muelle_web=", "muelle_web=%00"]:
            assert "set-cookie" in edge.get(headers=["Cookie: " + bad]).headers
        # Weight 0 keeps those that are bound, and takes no others.
        n = "abc".index(first.body.decode())
        line = f"endpoint web web-{n + 1} {edge.ups[n].address} {SECRETS[n]}"
        edge.command(line + " weight=none")
        assert set(who(edge, 10, headers=mine)) == {first.body.decode()}
        assert first.body.decode() not in who(edge, 10)
        # Drained: somewhere else, with another cookie.
        edge.command(line + " state=draining")
        other = edge.get(headers=mine)
        assert other.body != first.body and other.headers["set-cookie"] != cookie
        # A restart of the edge changes nothing for it.
        edge.command(line)
        assert set(who(edge, 10, headers=mine)) == {first.body.decode()}
    with edge_of(tmp_path, "sticky=muelle_web sticky_max_age=60", *SECRETS) as edge:
        assert set(who(edge, 10, headers=mine)) == {first.body.decode()}
        assert "Max-Age=60" in edge.get().headers["set-cookie"]


def test_least_load_by_what_the_core_says(tmp_path):
    with edge_of(tmp_path, "balance=least_load", count=2) as edge:
        assert collections.Counter(who(edge, 20)) == {"a": 10, "b": 10}  # nobody has said anything yet
        assert unbalanced(edge) == 20
        edge.command("load web web-1 used=950")
        edge.command("load web web-2 used=50")
        got = collections.Counter(who(edge, 400))
        assert got["a"] < 60 and unbalanced(edge) == 20  # 5 %: 20 expected


def test_power_of_two_leaves_the_slow_one_alone(tmp_path):
    with edge_of(tmp_path, "balance=power_of_two", serve=lambda n: named(n, 0.05 if n == "b" else 0)) as edge:
        got = collections.Counter(who(edge, 300))
        assert got["b"] <= 30 and got["a"] > 60 and got["c"] > 60


def test_power_of_two_leaves_the_one_alone_that_never_answers(tmp_path):
    """A time-out is a sample, too: who hangs looks idle else."""
    with edge_of(tmp_path, "balance=power_of_two first_byte_ms=400", count=2, serve=lambda n: named(n, 60 if n == "b" else 0)) as edge:
        with edge.connect() as client:
            client.send(request())
            first = client.response().status
        late = (first == 504) + sum(edge.get().status == 504 for _ in range(30))
        assert late <= 6  # of 31: half of them if it learned nothing


def upload_slowly(edge, seconds, headers=()):
    with edge.connect() as client:
        client.send(request("POST", headers=["Content-Length: 4", *headers]) + b"ab")
        time.sleep(seconds)
        client.send(b"cd")
        return client.response().body.decode()


def test_a_client_that_sends_slowly_makes_no_replica_slow(tmp_path):
    with edge_of(tmp_path, "balance=power_of_two", count=2) as edge:
        who(edge, 10)
        slow = upload_slowly(edge, 2)
        until(lambda: slow in who(edge, 10), 8)
    judged = "outlier_interval_ms=2500 outlier_minimum=3 outlier_latency_permille=100000 outlier_ejection_ms=60000 outlier_ejection_max_ms=60000"
    with edge_of(tmp_path, f"balance=hash hash=header hash_name=X-User {judged} outlier_share_permille=500") as edge:
        users = {}
        for i in range(100):
            users.setdefault(who(edge, 1, headers=[f"X-User: u{i}"])[0], f"X-User: u{i}")
        for _ in range(4):
            threads = [threading.Thread(target=upload_slowly, args=(edge, 1.5, [users["a"]])) for _ in range(4)]
            for thread in threads:
                thread.start()
            who(edge, 5, headers=[users["b"]])
            who(edge, 5, headers=[users["c"]])
            for thread in threads:
                thread.join()
        assert edge.command("policy web web-1")["times"] == 0


def test_random(tmp_path):
    with edge_of(tmp_path, "balance=random", "weight=8", "weight=1", count=2) as edge:
        got = collections.Counter(who(edge, 450))
        assert 15 < got["b"] < 100


PLACES = {"127.1.0.0/16": (48.9, 2.4), "127.2.0.0/16": (-36.8, 174.8), "::1/128": (40.0, -3.0)}


def test_the_nearest_by_a_database_of_places(tmp_path):
    database = write_mmdb(tmp_path / "places.mmdb", PLACES)
    where = ["place=52.5,13.4", "place=-33.9,151.2", ""]
    with edge_of(tmp_path, "balance=nearest", *where, gateway=f"threads=1 geo={database}") as edge:
        def ask(address, n=4):
            with socket.create_connection(("127.0.0.1", edge.port), 10, (address, 0)) as client:
                client.sendall(request() * (n - 1) + request(headers=["Connection: close"]))
                text = b"".join(iter(lambda: client.recv(65536), b""))
                return "".join(part.split(b"\r\n\r\n")[1].decode()[:1] for part in text.split(b"HTTP/1.1 ")[1:])
        assert ask("127.1.2.3") == "aaaa"
        assert ask("127.2.9.9") == "bbbb"
        assert unbalanced(edge) == 0
        edge.command("remove web web-1")
        assert ask("127.1.2.3") == "bbbb"
        assert sorted(ask("127.0.0.1")) == list("bbcc") and unbalanced(edge) == 4  # the database does not know it


def test_without_a_usable_database_it_is_round_robin(tmp_path):
    (tmp_path / "bad.mmdb").write_bytes(b"no database" * 100)
    for name in ("bad.mmdb", "none.mmdb"):
        with edge_of(tmp_path, "balance=nearest", "place=1,1", gateway=f"threads=1 geo={tmp_path / name}") as edge:
            assert collections.Counter(who(edge, 9)) == {"a": 3, "b": 3, "c": 3}
            assert unbalanced(edge) == 9


def test_backups_serve_when_the_others_are_gone(tmp_path):
    with edge_of(tmp_path, "", "", "", "group=1") as edge:
        assert set(who(edge, 20)) == {"a", "b"}
        edge.command("remove web web-1")
        edge.command("remove web web-2")
        assert set(who(edge, 5)) == {"c"}


def test_panic_when_most_probes_fail(tmp_path):
    def serve(name):
        return named(name, status="200 OK" if name == "a" else "500 No")
    probes = "probe=http:/ probe_interval_ms=20 probe_retries=1"

    def failing(edge):
        return sum(p["status"] == 2 for p in edge.command("probes"))

    def statuses(edge, n):
        return [edge.get().status for _ in range(n)]
    with edge_of(tmp_path, probes, serve=serve) as edge:
        until(lambda: failing(edge) == 2)
        until(lambda: statuses(edge, 6) == [200] * 6)
    with edge_of(tmp_path, probes + " panic=50", serve=serve) as edge:
        until(lambda: failing(edge) == 2)
        time.sleep(0.05)
        assert statuses(edge, 9).count(200) == 3


def test_weights_change_while_requests_flow(tmp_path):
    with edge_of(tmp_path, "", count=2) as edge:
        assert collections.Counter(who(edge, 20)) == {"a": 10, "b": 10}
        edge.command(f"endpoint web web-1 {edge.ups[0].address} weight=4")
        assert collections.Counter(who(edge, 50)) == {"a": 40, "b": 10}
        edge.command(f"endpoint web web-1 {edge.ups[0].address} weight=none")
        assert set(who(edge, 10)) == {"b"}
        edge.command(f"endpoint web web-1 {edge.ups[0].address} state=draining weight=4")
        assert set(who(edge, 10)) == {"b"}


def test_more_threads_share_what_is_in_flight(tmp_path):
    with edge_of(tmp_path, "balance=hash hash=path", serve=lambda n: named(n, 0.5), gateway="threads=3") as edge:
        clients = [edge.connect() for _ in range(12)]
        for client in clients:
            client.send(request(path="/hot"))
            time.sleep(0.005)
        got = collections.Counter(client.response().body for client in clients)
        assert max(got.values()) <= 5
        for client in clients:
            client.socket.close()
