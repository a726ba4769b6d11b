# SPDX-License-Identifier: Apache-2.0
"""The edge is replaced under load: tunnels and idle connections move to the next one by descriptor, what has state (TLS,
HTTP/2, requests under way) ends in the old one, no connection is refused or cut."""
import contextlib
import http.client
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

import pytest

from edge_peer import BACKEND, Peer
from frames import HANDSHAKE, TEXT, frame, read_close, read_frame
from h2_peer import H2Client
from load import Load
from muelle import BINARY, alive, free_port, wait_until

HANDOVER_MAGIC = struct.pack("<I", 0x564f444e)  # src/link/handover.c

# /slow: an answer in pieces, as long as someone sends SIGUSR1; anything else with Upgrade: an echo of bytes.
SERVER = """
import os, signal, socket, threading, time
go_on = threading.Event()
signal.signal(signal.SIGUSR1, lambda *a: go_on.set())
def serve(s):
    data = b""
    while b"\\r\\n\\r\\n" not in data:
        part = s.recv(4096)
        if not part: return
        data += part
    if b"GET /slow" in data:
        s.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\none")
        go_on.wait()
        s.sendall(b"two")
    else:
        kind = b"echo"
        if b"Upgrade: websocket" in data:
            kind = b"websocket\\r\\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        s.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: " + kind + b"\\r\\nConnection: Upgrade\\r\\n\\r\\n")
        while part := s.recv(65536):
            s.sendall(part if kind == b"echo" else b"\\x81\\x02hi")
        s.sendall(b"bye")
    s.close()
with socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=500) as listener:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
ECHO = """
import os, socket, threading
def serve(s):
    while part := s.recv(65536): s.sendall(part)
    s.close()
with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as listener:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@pytest.fixture
def gate(muelle):
    return started(muelle)


def started(muelle, threads=0, drain="1h", extra=""):
    muelle.port, muelle.tcp, muelle.tls = free_port(), free_port(), free_port()
    muelle.write("server.py", SERVER)
    muelle.write("echo.py", ECHO)
    muelle.write("muelle.yaml", f"""
name: up
gateway:
  admin: false
  threads: {threads}
  upgrade_drain: {drain}
  {extra}
  listen: [ "http://127.0.0.1:{muelle.port}", "https://127.0.0.1:{muelle.tls}", {{ address: "tcp://127.0.0.1:{muelle.tcp}", service: echo }} ]
services:
  web: {{ command: {BACKEND}, routes: [ {{ host: web.example }} ] }}
  up: {{ command: [ {sys.executable}, server.py ], routes: [ {{ host: up.example }}, {{ host: ws.example, websocket: {{ check: frames }} }} ], healthcheck: {{ disable: true }} }}
  echo: {{ command: [ {sys.executable}, echo.py ] }}
""")
    muelle.env["MUELLE_CA_DIR"] = str(muelle.folder / "authority")
    muelle.up()
    return muelle


def go_on(gate):
    """The second half of all answers under way."""
    os.kill(next(r["pid"] for r in gate.ps() if r["service"] == "up"), signal.SIGUSR1)


def tunnel(gate):
    s = socket.create_connection(("127.0.0.1", gate.port), 10)
    s.sendall(b"GET / HTTP/1.1\r\nHost: up.example\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    head = b""
    while b"\r\n\r\n" not in head:
        head += s.recv(1)
    assert b" 101 " in head, head
    return s


def echoes(s, data):
    s.sendall(data)
    got = b""
    while len(got) < len(data):
        part = s.recv(65536)
        assert part, "the tunnel was cut"
        got += part
    assert got == data


def edge(gate):
    return gate.get("/api/v1/instance")["edge"]


def upgrade(gate, *options):
    before = edge(gate)["pid"]
    gate.cli("upgrade", *options)
    after = edge(gate)["pid"]
    assert after not in (before, None)
    return before, after


def test_tunnels_and_idle_connections_move_to_the_next_edge(gate):
    tunnels = [tunnel(gate) for _ in range(50)] + [socket.create_connection(("127.0.0.1", gate.tcp), 10) for _ in range(10)]
    idle = [socket.create_connection(("127.0.0.1", gate.port), 10) for _ in range(20)]
    request = b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n"
    for s in idle:
        s.sendall(request)
        assert s.recv(65536).startswith(b"HTTP/1.1 200")
    for s in tunnels:
        echoes(s, b"before")
    for round in range(3):
        with Load(gate.port, "web.example", connections=4) as load:
            before, _ = upgrade(gate)
            for s in tunnels:
                echoes(s, b"after %d " % round * 1000)
        assert load.failed() == 0, str(load)
        wait_until(lambda before=before: not alive(before), what="the end of the old edge")
    for s in idle:
        s.sendall(request)
        assert s.recv(65536).startswith(b"HTTP/1.1 200")
    now = edge(gate)
    assert now["moved"] >= 3 * len(tunnels) and now["leaving"] == 0, now
    for s in tunnels[:50]:
        s.shutdown(socket.SHUT_WR)
        assert s.recv(10) == b"bye" and s.recv(1) == b""


def test_an_edge_of_another_format_takes_nothing_over_and_serves_alone(gate):
    """What it says of moving is not understood: connections end in the old edge, which accepts no more."""
    other = gate.folder / "other"
    other.write_bytes(BINARY.read_bytes().replace(HANDOVER_MAGIC, HANDOVER_MAGIC[::-1]))
    other.chmod(0o755)
    tunnels = [tunnel(gate) for _ in range(5)]
    rests = http.client.HTTPConnection("127.0.0.1", gate.port)
    closes = []
    with Load(gate.port, "web.example", connections=4, fresh=True) as load:
        for n in range(2):
            if n > 0:
                before, _ = upgrade(gate, str(other))
                time.sleep(0.5)
            rests.request("GET", "/", headers={"Host": "web.example"})
            answer = rests.getresponse()
            closes.append((answer.status, answer.getheader("Connection"), bool(answer.read())))
    assert load.failed() == 0 and closes == [(200, None, True), (200, "close", True)], (str(load), closes)
    assert edge(gate)["leaving"] == 5 and edge(gate)["moved"] == 0 and alive(before)
    later = [tunnel(gate) for _ in range(20)]
    assert edge(gate)["leaving"] == 5
    for s in tunnels + later:
        echoes(s, b"after")
    for s in tunnels:
        s.close()
    wait_until(lambda: not alive(before), what="the end of the old edge")
    for s in later:
        echoes(s, b"still")


def test_the_end_of_a_moved_tunnel_is_recorded_once_and_counted(gate):
    s = tunnel(gate)
    echoes(s, b"x" * 1000)
    upgrade(gate)
    wait_until(lambda: edge(gate)["moved"] == 1, what="the move")
    echoes(s, b"y" * 500)
    s.close()

    def records():
        lines = gate.cli("logs", "edge", "--no-prefix").stdout.splitlines()
        return [line for line in lines if '"tunnel"' in line]
    found = wait_until(records, what="the record")
    time.sleep(0.2)
    assert len(records()) == 1 and '"status":101' in found[0] and '"bytes_in":1500' in found[0], found
    assert '"method":"GET"' in found[0] and '"path":"/"' in found[0] and "http10" not in found[0], found
    assert '"service":"up"' in found[0] and '"replica":"up-1"' in found[0], found
    wait_until(lambda: in_flight(gate) == 0, what="nothing in flight")


@pytest.mark.parametrize("host", ["up.example", "ws.example"])
@pytest.mark.parametrize("moves", [False, True])
def test_the_line_of_a_tunnel_has_its_user_agent(muelle, host, moves):
    gate = started(muelle, extra="access_log: { file: lines, format: combined }")
    open_ones = []
    for i in range(20):  # the memory of those heads is used again
        s = socket.create_connection(("127.0.0.1", gate.port), 10)
        s.sendall("\r\n".join(["GET /chat HTTP/1.1", f"Host: {host}", f"User-Agent: mine {i}", *HANDSHAKE, "", ""]).encode())
        peer = Peer(s)
        assert peer.head()[0] == 101
        open_ones.append(peer)
    before = edge(gate)["pid"]
    if moves:
        upgrade(gate)
        before = edge(gate)["pid"]
    for peer in open_ones:
        peer.socket.close()

    def lines():
        path = gate.folder / "lines"
        return path.exists() and len(path.read_text().splitlines()) == 20 and path.read_text().splitlines()
    agents = sorted(line.rsplit('"', 2)[1] for line in wait_until(lines, what="the lines"))
    assert agents == sorted(f"mine {i}" for i in range(20)), agents
    assert edge(gate)["pid"] == before


def in_flight(gate):
    return sum(e["in_flight"] for r in gate.get("/api/v1/projects/up/routes")["items"] for e in r["endpoints"])


def test_a_request_under_way_ends_in_the_old_edge(gate):
    with socket.create_connection(("127.0.0.1", gate.port), 10) as s:
        s.sendall(b"GET /slow HTTP/1.1\r\nHost: up.example\r\n\r\n")
        data = b""
        while not data.endswith(b"one"):
            data += s.recv(4096)
        before, _ = upgrade(gate)
        wait_until(lambda: edge(gate)["leaving"] == 1, what="the end of all but one")
        assert alive(before)
        os.kill(next(r["pid"] for r in gate.ps() if r["service"] == "up"), signal.SIGUSR1)
        assert s.recv(10) == b"two"
    wait_until(lambda: not alive(before) and edge(gate)["leaving"] == 0, what="the end of the old edge")


def test_streams_of_http2_clients_end_in_the_old_edge(gate):
    with H2Client(gate.port) as client:
        client.ask(1, "/slow", host="up.example")
        assert client.until(lambda: client.answer(1).body == b"one")
        before, _ = upgrade(gate)
        assert client.until(lambda: client.goaway is not None) and client.goaway == 0
        with H2Client(gate.port) as other:  # the next edge accepts
            other.ask(1, host="web.example")
            assert other.until(lambda: other.answer(1).over) and other.answer(1).verdict() == "200" and other.goaway is None
        client.ask(3, host="web.example")
        assert client.until(lambda: client.answer(3).over) and client.answer(3).verdict() == "RST REFUSED_STREAM"
        assert alive(before)
        os.kill(next(r["pid"] for r in gate.ps() if r["service"] == "up"), signal.SIGUSR1)
        assert client.until(lambda: client.answer(1).over) and (client.answer(1).verdict(), client.answer(1).body) == ("200", b"onetwo")
        client.until(lambda: client.ended, 5)
        assert client.ended
    wait_until(lambda: not alive(before) and edge(gate)["leaving"] == 0, what="the end of the old edge")


def test_two_edges_at_most_and_the_oldest_is_cut(gate):
    held = []
    for _ in range(3):
        s = socket.create_connection(("127.0.0.1", gate.port), 10)
        s.sendall(b"GET /slow HTTP/1.1\r\nHost: up.example\r\n\r\n")
        data = b""
        while not data.endswith(b"one"):
            data += s.recv(4096)
        held.append((s, edge(gate)["pid"]))
        if len(held) > 1:
            refused = gate.cli("upgrade", check=False)
            assert refused.returncode == 1 and edge(gate)["pid"] == held[-1][1], refused
            assert "still ends with 1 connection, which a further upgrade would cut" in refused.stderr, refused.stderr
            assert "the edge before still serves 1 connection; waiting up to 6 s for it to end" in refused.stderr, refused.stderr
            assert "muelle upgrade --force" in refused.stderr and alive(held[-2][1])
        upgrade(gate, *["--force"] * (len(held) > 1))
        time.sleep(0.5)  # until the next one serves the old one accepts, too
        assert edge(gate)["leaving"] == 1
        running = [pid for _, pid in held if alive(pid)]
        assert running == [held[-1][1]], "only the one before is left"
    os.kill(next(r["pid"] for r in gate.ps() if r["service"] == "up"), signal.SIGUSR1)
    assert held[-1][0].recv(10) == b"two"
    try:
        assert held[0][0].recv(10) == b"", "it was cut"
    except ConnectionResetError:
        pass


def test_a_tunnel_that_moved_outlives_a_change_of_its_service_and_down_ends_all(gate):
    s = tunnel(gate)
    slow = socket.create_connection(("127.0.0.1", gate.port), 10)
    slow.sendall(b"GET /slow HTTP/1.1\r\nHost: up.example\r\n\r\n")
    wait_until(lambda: b"one" in slow.recv(4096), what="the answer's beginning")
    before, after = upgrade(gate)
    text = (gate.folder / "muelle.yaml").read_text()
    gate.write("muelle.yaml", text.replace("host: up.example", "host: other.example"))
    gate.cli("reload")
    echoes(s, b"still here")
    gate.down()
    wait_until(lambda: not alive(before) and not alive(after), what="the end of both")


def test_an_edge_that_dies_while_another_leaves_takes_its_connections_again(gate):
    with socket.create_connection(("127.0.0.1", gate.port), 10) as slow:
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost: up.example\r\n\r\n")
        wait_until(lambda: b"one" in slow.recv(4096), what="the answer's beginning")
        upgrade(gate)
        gate.kill("edge")
        wait_until(lambda: edge(gate)["pid"] and edge(gate)["leaving"] == 1, what="the next edge")
        with Load(gate.port, "web.example", connections=2) as load:
            pass
        assert load.failed() == 0
        os.kill(next(r["pid"] for r in gate.ps() if r["service"] == "up"), signal.SIGUSR1)
        assert slow.recv(10) == b"two"


def test_threads_do_not_matter(gate):
    """Idle connections and tunnels of all threads move to all threads."""
    done = []

    def one():
        s = tunnel(gate)
        for _ in range(20):
            echoes(s, b"ping")
            time.sleep(0.05)
        s.close()
        done.append(1)
    threads = [threading.Thread(target=one) for _ in range(30)]
    for t in threads:
        t.start()
    time.sleep(0.2)
    upgrade(gate)
    for t in threads:
        t.join()
    assert len(done) == 30


def test_many_threads_are_replaced_like_few(muelle):
    """More than half of the most that there may be: old and new edge each have room for all of theirs."""
    gate = started(muelle, threads=12)
    assert edge(gate)["threads"] == 12
    tunnels = [tunnel(gate) for _ in range(24)]
    with Load(gate.port, "web.example", connections=8, fresh=True) as fresh, Load(gate.port, "web.example") as kept:
        for _ in range(3):
            upgrade(gate)
            counted = fresh.ok
            wait_until(lambda counted=counted: fresh.ok > counted + 100, what="requests after it")
    assert fresh.failed() == 0 and kept.failed() == 0, (str(fresh), str(kept))
    assert edge(gate)["threads"] == 12
    for s in tunnels:
        echoes(s, b"still here")
        s.close()


def test_upgrades_one_right_behind_the_other(gate):
    with Load(gate.port, "web.example", connections=4, fresh=True) as fresh, Load(gate.port, "web.example") as kept:
        for _ in range(4):
            upgrade(gate)
    assert fresh.failed() == 0 and kept.failed() == 0, (str(fresh), str(kept))


def test_a_further_upgrade_gives_the_oldest_edge_a_moment(gate):
    """Two edges at most are alive; what the oldest one has under way gets its answer, if it comes soon."""
    with socket.create_connection(("127.0.0.1", gate.port), 10) as s, Load(gate.port, "web.example") as load:
        s.sendall(b"GET /slow HTTP/1.1\r\nHost: up.example\r\n\r\n")
        data = b""
        while not data.endswith(b"one"):
            data += s.recv(4096)
        oldest, _ = upgrade(gate)
        wait_until(lambda: edge(gate)["leaving"] == 1, what="all but one in the new edge")
        core, further = gate.pid("core"), threading.Thread(target=gate.cli, args=("upgrade", "--force"))
        further.start()
        wait_until(lambda: f"core (pid {core}) ended" in gate.own_log(), what="a new core: then the edge is replaced")
        time.sleep(0.2)
        assert alive(oldest)
        go_on(gate)
        assert s.recv(10) == b"two"
        further.join()
        wait_until(lambda: not alive(oldest), what="the end of the oldest edge")
    assert load.failed() == 0, str(load)


def test_tls_connections_end_in_the_old_edge(gate):
    context = ssl.create_default_context(cafile=str(gate.folder / "authority" / "ca.crt"))
    context.check_hostname = False
    plain = socket.create_connection(("127.0.0.1", gate.tls), 10)
    with context.wrap_socket(plain) as s, Load(gate.tls, "web.example", connections=4, tls=context) as load:
        s.sendall(b"GET /slow HTTP/1.1\r\nHost: up.example\r\n\r\n")
        data = b""
        while not data.endswith(b"one"):
            data += s.recv(4096)
        before, _ = upgrade(gate)
        counted = load.ok
        wait_until(lambda: load.ok > counted + 20 and edge(gate)["leaving"] == 1, what="all but one in the new edge")
        assert re.search(r"the edge before this one ends with its last 1 connection\n", gate.cli("status").stdout)
        go_on(gate)
        assert s.recv(10) == b"two"
        wait_until(lambda: not alive(before), what="the end of the old edge")
    assert (load.refused, load.bad) == (0, []), str(load)


def test_a_tls_client_may_ask_once_more_and_is_told_that_it_was_the_last_time(gate):
    """Else its request and our end would cross: HAProxy's users have a switch for this."""
    context = ssl.create_default_context(cafile=str(gate.folder / "authority" / "ca.crt"))
    context.check_hostname = False

    def ask(s):
        s.sendall(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n")
        response = http.client.HTTPResponse(s)
        response.begin()
        response.read()
        return response.status, response.headers["Connection"]

    with contextlib.ExitStack() as stack:
        asks, rests = (stack.enter_context(context.wrap_socket(socket.create_connection(("127.0.0.1", gate.tls), 10)))
                       for _ in range(2))
        assert ask(asks) == ask(rests) == (200, None)
        before, _ = upgrade(gate)
        answers = [ask(asks)]
        while answers[-1][1] is None:  # the old edge leaves when the new one serves
            time.sleep(0.01)
            answers.append(ask(asks))
        assert answers[-1] == (200, "close") and all(status == 200 for status, _ in answers)
        assert asks.recv(10) == b""
        wait_until(lambda: not alive(before), 20, what="the end of the old edge, though one rests")
        assert rests.recv(10) == b""


def test_http2_streams_end_in_the_old_edge(gate):
    """By curl: to Python's h2 a connection is closed from GOAWAY on."""
    curl = subprocess.Popen(["curl", "-sSN", "--http2-prior-knowledge", "-H", "Host: up.example", f"http://127.0.0.1:{gate.port}/slow"],
                            stdout=subprocess.PIPE)
    assert curl.stdout.read(3) == b"one"
    before, _ = upgrade(gate)
    wait_until(lambda: edge(gate)["leaving"] == 1, what="the new edge")
    assert alive(before)
    go_on(gate)
    assert curl.communicate(timeout=20)[0] == b"two" and curl.returncode == 0
    wait_until(lambda: not alive(before), what="the end of the old edge")


def watched(port, wrap=None):
    """A WebSocket whose frames are read."""
    s = socket.create_connection(("127.0.0.1", port), 10)
    s = wrap(s) if wrap else s
    s.sendall("\r\n".join(["GET /chat HTTP/1.1", "Host: ws.example", *HANDSHAKE, "", ""]).encode())
    peer = Peer(s)
    assert peer.head()[0] == 101
    return peer


@pytest.mark.parametrize("why", ["a further upgrade", "upgrade_drain"])
def test_a_websocket_that_is_cut_is_told_and_leaves_a_record(muelle, why):
    gate = started(muelle, drain="1h" if why == "a further upgrade" else "2s")
    peer = watched(gate.port)
    before, _ = upgrade(gate)
    wait_until(lambda: edge(gate)["leaving"] == 1, what="the new edge")
    peer.send(frame(TEXT, b"hello", b"abcd"))
    assert read_frame(peer)[2] == b"hi"
    if why == "a further upgrade":
        upgrade(gate, "--force")
    assert read_close(peer) == 1001
    wait_until(lambda: not alive(before), what="the end of the old edge")
    peer.socket.close()
    records = wait_until(lambda: [line for line in gate.cli("logs", "edge", "--no-prefix").stdout.splitlines()
                                  if '"path":"/chat"' in line], what="the record")
    assert len(records) == 1 and '"close_code":1001' in records[0], records


def test_what_moved_is_said(gate):
    s = tunnel(gate)
    assert "upgrades" not in gate.cli("status").stdout
    upgrade(gate)
    wait_until(lambda: edge(gate)["moved"] == 1, what="the move")
    assert "1 connection went on from edge to edge in upgrades" in gate.cli("status").stdout
    echoes(s, b"on")
