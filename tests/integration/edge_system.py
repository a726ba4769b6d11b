# SPDX-License-Identifier: Apache-2.0
"""The edge inside a whole instance: connections over reloads and deaths of the other roles, what it counts, what a
replica's death costs."""
import asyncio
import json
import os
import signal
import socket
import subprocess
import time

import pytest

from edge_peer import BACKEND, Client, request
from muelle import BINARY, free_port, wait_until

websockets = pytest.importorskip("websockets")

ECHO = """
import asyncio, os, websockets
async def handler(socket, path=None):
    async for message in socket:
        await socket.send(message)
async def main():
    async with websockets.serve(handler, "127.0.0.1", int(os.environ["PORT"])):
        await asyncio.Future()
asyncio.run(main())
"""


def configuration(port, extra=""):
    return f"""
name: sys
gateway: {{ listen: [ "http://127.0.0.1:{port}" ], admin: "http://127.0.0.1:{free_port()}", expose_replica: true }}
services:
  chat:
    command: [ "/usr/bin/python3", "echo.py" ]
    healthcheck: {{ http: /, interval: 60s, disable: true }}
    routes: [ {{ host: chat.localhost }} ]
  web:
    command: {BACKEND}
    deploy: {{ replicas: 2 }}
    healthcheck: {{ http: /, interval: 1s }}
    routes: [ {{ host: web.localhost }}{extra} ]
"""


def revived(muelle, role, dead):
    """Another process has that role, and the core answers."""
    result = muelle.cli("status", "--json", check=False)
    return result.returncode == 0 and json.loads(result.stdout)[role]["pid"] not in (0, None, dead)


def test_a_websocket_lives_through_reloads_and_the_death_of_core_and_keeper(muelle):
    port = free_port()
    muelle.write("echo.py", ECHO)
    muelle.write("muelle.yaml", configuration(port))
    muelle.up()

    async def main():
        async with websockets.connect(f"ws://chat.localhost:{port}/", host="127.0.0.1") as client:
            async def echoes(text):
                await client.send(text)
                return await asyncio.wait_for(client.recv(), 10) == text

            assert await echoes("before")
            for i in range(3):
                muelle.write("muelle.yaml", configuration(port, f", {{ host: web.localhost, path: /v{i} }}"))
                muelle.cli("reload")
                assert await echoes(f"reload {i}")
            for role in ("core", "keeper"):
                (dead,) = muelle.kill(role)
                assert await echoes(f"{role} is dead")
                wait_until(lambda role=role, dead=dead: revived(muelle, role, dead))
                assert await echoes(f"{role} is back")
    asyncio.run(main())


def test_a_killed_replica_costs_no_get(muelle):
    port = free_port()
    muelle.write("echo.py", ECHO)
    muelle.write("muelle.yaml", configuration(port))
    muelle.up()
    with Client(port) as client:
        def replica():
            client.send(request(host="web.localhost"))
            response = client.response()
            assert response.status == 200, response
            return response.headers["x-muelle-replica"]

        assert {replica() for _ in range(10)} == {"web-1", "web-2"}
        victim = next(row for row in muelle.ps() if row["service"] == "web" and row["replica"] == 1)
        os.kill(victim["pid"], signal.SIGKILL)
        for _ in range(200):
            replica()
        wait_until(lambda: {replica() for _ in range(10)} == {"web-1", "web-2"}, 20)


def test_the_edge_comes_back_with_its_counts(muelle):
    port = free_port()
    muelle.write("echo.py", ECHO)
    muelle.write("muelle.yaml", configuration(port))
    muelle.up()

    def counted():
        routes = muelle.get("/api/v1/projects/sys/routes")["items"]
        return sum(e["requests"] for r in routes if r["service"] == "web" for e in r["endpoints"])

    def get():
        with Client(port) as client:
            client.send(request(host="web.localhost"))
            return client.response().status

    for _ in range(20):
        assert get() == 200
    wait_until(lambda: counted() == 20, what="20 requests counted")
    muelle.kill("edge")

    def back():
        try:
            return get() == 200
        except (OSError, EOFError):
            return False
    wait_until(back)
    wait_until(lambda: counted() == 21, what="counts go on where they were")


def test_a_reload_that_has_answered_is_served(muelle):
    port = free_port()
    muelle.write("echo.py", ECHO)
    text = configuration(port)
    muelle.write("muelle.yaml", text)
    muelle.up()

    def status(host):
        with Client(port) as client:
            client.send(request(host=host))
            return client.response().status
    edge = muelle.pid("edge")
    for turn in range(20):  # whoever asks right behind it meets the new route, and not the old one
        before, after = (f"{'ab'[(turn + n) % 2]}.localhost" for n in (1, 0))
        muelle.write("muelle.yaml", text.replace("web.localhost", after))
        stopped = turn == 0
        if stopped:
            os.kill(edge, signal.SIGSTOP)
        reload = subprocess.Popen([BINARY, "reload"], cwd=muelle.folder, stdout=subprocess.DEVNULL)
        if stopped:
            with pytest.raises(subprocess.TimeoutExpired):
                reload.wait(0.2)
            os.kill(edge, signal.SIGCONT)
        assert reload.wait(30) == 0
        assert (status(after), status(before)) == (200, 404)
    os.kill(edge, signal.SIGSTOP)  # one that is away for long holds nothing up
    muelle.write("muelle.yaml", text)
    assert muelle.cli("reload").returncode == 0
    os.kill(edge, signal.SIGCONT)


def is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


def test_an_address_that_was_given_up_is_asked_for_anew(muelle):
    port, other = free_port(), free_port()
    muelle.write("echo.py", ECHO)
    text = configuration(port)
    both = text.replace(f"http://127.0.0.1:{port}", f'http://127.0.0.1:{port}", "http://127.0.0.1:{other}', 1)
    assert both != text
    muelle.write("muelle.yaml", both)
    muelle.up()
    wait_until(lambda: muelle.cli("ps").returncode == 0, what="it runs")
    time.sleep(0.5)  # nothing else is told to the edge that would hide it
    muelle.write("muelle.yaml", text)
    assert muelle.cli("reload").returncode == 0
    wait_until(lambda: is_free(other), what="its socket is closed")
    with socket.create_server(("127.0.0.1", other)):  # somebody else's now
        muelle.write("muelle.yaml", both)
        refused = muelle.cli("reload", check=False)
        assert refused.returncode != 0 and f":{other}" in refused.stdout + refused.stderr
    assert muelle.cli("reload").returncode == 0


def test_there_is_one_edge_and_its_command_line_is_checked(muelle):
    muelle.write("muelle.yaml", configuration(free_port()))
    muelle.write("echo.py", ECHO)
    muelle.up()
    instance = muelle.get("/api/v1/instance")
    where = ["--run-dir", instance["run_dir"], "--state-dir", instance["state_dir"]]
    second = muelle.cli("edge", *where, "--id", instance["id"], check=False)
    assert second.returncode == 3 and second.stderr == f"muelle: edge: another edge runs here (pid {instance['edge']['pid']})\n"
    for wrong in (where, [*where, "--id", "x" * 100]):
        usage = muelle.cli("edge", *wrong, check=False)
        assert usage.returncode == 2 and usage.stderr.startswith("usage: muelle edge --run-dir DIR "), usage.stderr
    assert muelle.get("/api/v1/instance")["edge"]["pid"] == instance["edge"]["pid"]


def test_a_route_says_what_its_websockets_may(muelle):
    port = free_port()
    muelle.write("echo.py", ECHO)
    limits = "check: frames, max_message: 1k, ping_interval: 200ms, idle_timeout: 1h, max_connections: 2"
    muelle.write("muelle.yaml", configuration(port).replace(
        "{ host: chat.localhost }", f"{{ host: chat.localhost, connect: true, websocket: {{ {limits} }} }}"))
    muelle.up()

    def connect(**options):
        return websockets.connect(f"ws://chat.localhost:{port}/", host="127.0.0.1", compression=None, ping_interval=None, **options)

    async def main():
        async with connect() as first, connect() as second:
            await second.send("x" * 1000)
            assert await second.recv() == "x" * 1000
            with pytest.raises(websockets.InvalidStatusCode) as refused:
                await connect()
            assert refused.value.status_code == 503
            await asyncio.sleep(1)  # it is asked five times, and answers by itself
            await first.send("x" * 1025)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await first.recv()
            assert closed.value.rcvd.code == 1009
            await asyncio.to_thread(muelle.cli, "stop", "chat")
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await second.recv()
            assert closed.value.rcvd.code == 1012
    asyncio.run(main())
    muelle.cli("start", "chat")
    with Client(port) as client:
        client.send(b"CONNECT chat.localhost:80 HTTP/1.1\r\nHost: chat.localhost:80\r\n\r\n")
        assert client.head()[0] == 200
        client.send(request(host="inside"))  # now the service's own HTTP
        assert client.head()[0] == 426


def test_a_contradiction_about_frames_is_told(muelle):
    muelle.write("echo.py", ECHO)
    muelle.write("muelle.yaml", configuration(free_port()).replace(
        "{ host: chat.localhost }", "{ host: chat.localhost, websocket: { check: off, ping_interval: 5s } }"))
    result = muelle.cli("config", check=False)
    assert result.returncode != 0 and "while frames are not read" in result.stderr
