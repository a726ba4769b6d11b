# SPDX-License-Identifier: Apache-2.0
"""Who asks: trusted proxies with X-Forwarded-* and Forwarded, and the PROXY protocol."""
import json
import socket
import struct
import time

import pytest

from edge_peer import Client, Edge, Upstream, echo, free_port, request, until, wait_port

TRUSTED = "threads=1 trusted_proxies=127.0.0.0/8,10.0.0.0/8,2001:db8:ffff::/48"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def web(upstream):
    return ["service web", f"endpoint web web-1 {upstream.address}", "route web * /"]


def seen(response):
    return json.loads(response.body)["headers"]


def v2(source, destination=("192.0.2.9", 443), command=0x21):
    """A header of version 2 over IPv4."""
    body = socket.inet_aton(source[0]) + socket.inet_aton(destination[0]) + struct.pack("!HH", source[1], destination[1])
    return SIGNATURE + struct.pack("!BBH", command, 0x11, len(body)) + body


@pytest.fixture
def behind(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream), gateway=TRUSTED) as edge:
        yield edge


@pytest.mark.parametrize("lines, chain, elements", [
    ([], "127.0.0.1", "for=127.0.0.1"),
    (["X-Forwarded-For: 192.0.2.7"], "192.0.2.7, 127.0.0.1", "for=192.0.2.7, for=127.0.0.1"),
    (["X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.1.1.1"], "192.0.2.7, 10.1.1.1, 127.0.0.1",
     "for=192.0.2.7, for=10.1.1.1, for=127.0.0.1"),
    (["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 2001:db8::7"], "2001:db8::7, 127.0.0.1",
     'for="[2001:db8::7]", for=127.0.0.1'),
    (["Forwarded: for=6.6.6.6, for=192.0.2.7;proto=https"], "192.0.2.7, 127.0.0.1", "for=192.0.2.7, for=127.0.0.1"),
    (["X-Forwarded-For: unknown"], "127.0.0.1", "for=127.0.0.1"),
])
def test_what_trusted_proxies_say_is_told_on_from_the_client(behind, lines, chain, elements):
    got = seen(behind.get(headers=lines))
    proto = "https" if "proto=https" in "".join(lines) else "http"
    assert got["x-forwarded-for"] == chain
    assert got["forwarded"] == f'{elements};proto={proto};host="x"'
    assert "6.6.6.6" not in json.dumps(got)


def test_proto_and_host_of_a_trusted_proxy_are_told_on(behind):
    got = seen(behind.get(headers=["X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example"]))
    assert got["x-forwarded-proto"] == "https" and got["x-forwarded-host"] == "shop.example"
    assert got["forwarded"] == 'for=192.0.2.7, for=127.0.0.1;proto=https;host="shop.example"'
    odd = seen(behind.get(headers=["X-Forwarded-Proto: gopher", "X-Forwarded-Host: a b", "X-Real-IP: 6.6.6.6"]))
    assert odd["x-forwarded-proto"] == "http" and odd["x-forwarded-host"] == "x" and "x-real-ip" not in odd


def test_others_are_not_believed(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream), gateway="threads=1 trusted_proxies=10.0.0.0/8") as edge:
        got = seen(edge.get(headers=["X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https"]))
        assert got["x-forwarded-for"] == "127.0.0.1" and got["x-forwarded-proto"] == "http"


def test_trust_that_is_taken_back_ends_at_once(tmp_path):
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream), gateway=TRUSTED) as edge, edge.connect() as client:
        client.send(request(headers=["X-Forwarded-For: 192.0.2.7"]))
        assert seen(client.response())["x-forwarded-for"] == "192.0.2.7, 127.0.0.1"
        edge.gateway = "threads=1"
        edge.reload(*web(upstream))
        until(lambda: edge.stats()["snapshots"] >= 2)
        client.send(request(headers=["X-Forwarded-For: 192.0.2.7"]))
        assert seen(client.response())["x-forwarded-for"] == "127.0.0.1"


# --- the PROXY protocol ---

@pytest.fixture
def announced(tmp_path):
    """(port, edge): a listener where connections begin with a header."""
    port, tcp = free_port(), free_port()
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream), f"listen http 127.0.0.1:{port} proxy_protocol=1",
                                          f"listen tcp 127.0.0.1:{tcp} web proxy_protocol=1") as edge:
        wait_port(port)
        yield port, tcp, edge


def ask(port, header, data=request()):
    with Client(port) as client:
        client.send(header + data)
        return seen(client.response())


@pytest.mark.parametrize("header, address", [
    (b"PROXY TCP4 192.0.2.7 192.0.2.9 4711 443\r\n", "192.0.2.7"),
    (b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n", "2001:db8::7"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (v2(("192.0.2.7", 4711)), "192.0.2.7"),
    (v2(("192.0.2.7", 4711), command=0x20), "127.0.0.1"),
])
def test_the_header_says_who_connected(announced, header, address):
    port, _, _ = announced
    assert ask(port, header)["x-forwarded-for"] == address


def test_the_header_may_come_in_pieces_and_nothing_behind_it_is_lost(announced):
    port, _, _ = announced
    data = v2(("192.0.2.7", 4711)) + request(path="/a") + request(path="/b")
    for cut in range(1, 40):
        with Client(port) as client:
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.send(data[:cut])
            time.sleep(0.002)
            client.send(data[cut:])
            for path in ("/a", "/b"):
                got = json.loads(client.response().body)
                assert got["line"] == f"GET {path} HTTP/1.1" and got["headers"]["x-forwarded-for"] == "192.0.2.7"


@pytest.mark.parametrize("header", [b"", b"PROXY TCP4 192.0.2.7\r\n", b"PROXY TCP4 192.0.2.300 192.0.2.9 1 2\r\n", SIGNATURE + b"\x21\x12\0\0",
                                    b"\x16\x03\x01\0\xc8"])
def test_without_a_good_header_nobody_is_served(announced, header):
    port, _, edge = announced
    with Client(port) as client:
        client.send(header + request())
        assert client.closed()
    assert edge.stats()["bad_announcements"] >= 1


def test_a_header_that_does_not_come_ends_the_connection(tmp_path):
    port = free_port()
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream), f"listen http 127.0.0.1:{port} proxy_protocol=1",
                                          gateway="threads=1 head_ms=200") as edge:
        wait_port(port)
        for begun in (b"", b"PROXY TCP4 192."):
            with Client(port) as client:
                client.send(begun)
                assert client.closed()
        assert edge.get().status == 200


def test_tcp_connections_begin_behind_the_header(announced):
    _, tcp, _ = announced
    assert ask(tcp, v2(("192.0.2.7", 4711)))["host"] == "x"


def test_only_trusted_proxies_may_announce_where_some_are_named(tmp_path):
    port = free_port()
    with Upstream(echo) as upstream, Edge(tmp_path, *web(upstream), f"listen http 127.0.0.1:{port} proxy_protocol=1",
                                          gateway="threads=1 trusted_proxies=10.0.0.0/8") as edge:
        wait_port(port)
        with Client(port) as client:
            client.send(b"PROXY TCP4 192.0.2.7 192.0.2.9 1 2\r\n" + request())
            assert client.closed()
        assert edge.stats()["bad_announcements"] == 1
        edge.gateway = "threads=1 trusted_proxies=127.0.0.1,10.0.0.0/8"
        edge.reload(*edge.lines)
        until(lambda: edge.stats()["snapshots"] >= 2)
        chain = ask(port, b"PROXY TCP4 10.1.1.1 192.0.2.9 1 2\r\n", request(headers=["X-Forwarded-For: 192.0.2.7"]))
        assert chain["x-forwarded-for"] == "192.0.2.7, 10.1.1.1"  # the one it speaks for is a proxy of ours again


def test_strangers_are_not_told_what_runs_here(tmp_path):
    """Whoever asks from this machine may be who runs it; a page for others names no service, reason or command."""
    with Edge(tmp_path, "service web hold_ms=10", "route web * /", gateway=TRUSTED) as edge:
        for accept, telling in (("text/html", ["web", "no replica", "muelle ps"]), ("application/json", ['"web"', "o replica", "muelle ps"])):
            home = edge.get(headers=[f"Accept: {accept}"])
            assert home.status == 503 and all(word in home.body.decode() for word in telling), home.body
            for lines in (["X-Forwarded-For: 192.0.2.7"], ["Forwarded: for=192.0.2.7"], ["Via: 1.1 other"]):
                away = edge.get(headers=[f"Accept: {accept}", *lines])
                assert "date" in away.headers and away.status == 503 and not any(word in away.body.decode() for word in telling), away.body
                assert "annot be answered" in away.body.decode() and "retry-after" in away.headers
                assert ('"code":"edge.unavailable"' in away.body.decode()) == ("json" in accept)
