# SPDX-License-Identifier: Apache-2.0
"""What one address or one connection may cost, and a test beyond each limit (keys of gateway.limits)."""
import json
import shutil
import socket
import subprocess
import time

import pytest

from edge_peer import Client, Edge, Upstream, echo, free_port, request, until, wait_port


def web(upstream, options=""):
    return [f"service web {options}", f"endpoint web web-1 {upstream.address}", "route web * /"]


def from_address(port, address):
    client = Client.__new__(Client)
    client.buffer = b""
    client.socket = socket.create_connection(("127.0.0.1", port), 10, source_address=(address, 0))
    return client


def served(client):
    try:
        client.send(request())
        return client.response().status == 200
    except (OSError, EOFError):
        return False


def test_one_address_has_so_many_connections(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream), gateway="threads=2 address_connections=4") as edge:
        mine = [from_address(edge.port, "127.0.0.9") for _ in range(4)]
        assert all(served(client) for client in mine)
        with from_address(edge.port, "127.0.0.9") as fifth:
            assert not served(fifth)
        with from_address(edge.port, "127.0.0.10") as other:
            assert served(other)
        assert edge.stats()["limit_address_connections"] == 1
        mine.pop().socket.close()
        until(lambda: edge.stats()["connections"] == 3)
        with from_address(edge.port, "127.0.0.9") as again:
            assert served(again)
        for client in mine:
            client.socket.close()


def test_behind_a_trusted_proxy_the_addresses_it_tells_count(tmp_path):
    port = free_port()
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream), f"listen http 127.0.0.1:{port} proxy_protocol=1",
                                          gateway="threads=1 address_connections=2 trusted_proxies=127.0.0.1") as edge:
        wait_port(port)

        def announced(address):
            client = Client(port)
            client.send(f"PROXY TCP4 {address} 192.0.2.9 1 2\r\n".encode())
            return client
        clients = [announced("192.0.2.7") for _ in range(3)] + [announced("192.0.2.8")]
        assert [served(client) for client in clients] == [True, True, False, True]
        plain = [edge.connect() for _ in range(5)]  # the proxy itself is not bound
        assert all(served(client) for client in plain)
        for client in clients + plain:
            client.socket.close()


def test_new_connections_of_one_address_have_a_rate(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream), gateway="threads=1 address_rate=20") as edge:
        good = 0
        for _ in range(40):
            with from_address(edge.port, "127.0.0.9") as client:
                good += served(client)
        assert 20 <= good < 35
        assert edge.stats()["limit_address_rate"] == 40 - good
        with from_address(edge.port, "127.0.0.10") as other:
            assert served(other)
        time.sleep(0.2)
        with from_address(edge.port, "127.0.0.9") as client:
            assert served(client)


def test_a_connection_of_oddities_ends_gracefully(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream), gateway="threads=1 glitches_max=3") as edge:
        chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;odd\r\na\r\n0\r\n\r\n"
        with edge.connect() as client:
            for i, odd in enumerate([b"\r\n" + request(), chunked, b"\r\n" + request(), chunked]):
                client.send(odd)
                response = client.response()
                assert response.status == 200
                assert ("connection" in response.headers) == (i == 3)
            assert client.closed()
        stats = edge.stats()
        assert stats["glitches"] == 4 and stats["limit_glitches"] == 1
        with edge.connect() as client:
            for _ in range(20):
                client.send(request())
                assert client.response().status == 200


def test_a_body_slower_than_the_least_rate_is_refused(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream, "idle_ms=500"), gateway="threads=1 body_rate=100000") as edge:
        with edge.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
            start = time.monotonic()
            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                while time.monotonic() < start + 5:
                    client.send(b"x")
                    time.sleep(0.1)
            assert 0.4 < time.monotonic() - start < 2
        assert edge.stats()["limit_body_rate"] == 1


def test_no_least_rate_lets_a_body_drip(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream, "idle_ms=300"), gateway="threads=1 body_rate=4294967295") as edge:
        with edge.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
            for _ in range(10):
                time.sleep(0.1)
                client.send(b"x")
            assert client.response().status == 200


def test_a_reader_slower_than_the_least_rate_is_cut(tmp_path):
    def large(peer, n):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while True:
            peer.send(b"x" * 65536)

    with Upstream(large) as upstream, Edge(tmp_path, *web(upstream, "idle_ms=600"), gateway="threads=1 read_rate=100000000") as edge:
        with edge.connect() as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(request())
            start = time.monotonic()
            try:
                while time.monotonic() < start + 8 and client.socket.recv(20000):
                    time.sleep(0.005)  # 4 MB a second, with never a long pause
            except ConnectionResetError:
                pass
            assert time.monotonic() - start < 6
        until(lambda: edge.stats()["limit_read_rate"] == 1)


def test_a_reader_that_stops_is_cut(tmp_path):
    def large(peer, n):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while True:
            peer.send(b"x" * 65536)

    with Upstream(large) as upstream, Edge(tmp_path, *web(upstream, "idle_ms=300")) as edge:
        with edge.connect() as client:
            client.send(request())
            until(lambda: edge.stats()["limit_read_rate"] == 1)


@pytest.mark.parametrize("attack", [["-H", "-i", "1"], ["-B", "-i", "1"], ["-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32", "-k", "3"]])
def test_slowhttptest_keeps_nobody_out(tmp_path, attack):
    """Slow headers, slow bodies, slow reading from 200 connections: others are served meanwhile, and the slow ones end."""
    if not shutil.which("slowhttptest"):
        pytest.skip("slowhttptest is not installed")

    def page(peer, n):
        while True:
            peer.request()
            peer.reply(b"x" * 200000)

    with Upstream(page) as upstream, Edge(tmp_path, *web(upstream, "idle_ms=2000"),
                                          gateway="threads=1 head_ms=2000 connections_max=100") as edge:
        tool = subprocess.Popen(["slowhttptest", *attack, "-c", "200", "-r", "200", "-l", "6", "-p", "3", "-u", f"http://127.0.0.1:{edge.port}/"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: edge.stats()["connections"] >= 50)
            served_in_time = 0
            end = time.monotonic() + 5
            while time.monotonic() < end:
                start = time.monotonic()
                served_in_time += edge.get(host="x").status == 200 and time.monotonic() - start < 4
            assert served_in_time >= 2
        finally:
            tool.kill()
            tool.wait()
        until(lambda: edge.stats()["connections"] <= 1, 15)
