# SPDX-License-Identifier: Apache-2.0
"""python3-websockets on both sides of WebSockets that are passed on unread, and of those whose frames are read: messages,
compression, pings, close codes, and what they are told when the service or the gateway goes."""
import asyncio
import json
import os
import sys

import pytest
import websockets

from muelle import free_port, wait_until

# Echoes; "close N" closes with that code.
SERVER = """
import asyncio, os, websockets
async def serve(ws):
    async for message in ws:
        if isinstance(message, str) and message.startswith("close "):
            await ws.close(int(message.split()[1]), "as asked")
        else:
            await ws.send(message)
async def main():
    async with websockets.serve(serve, "127.0.0.1", int(os.environ["PORT"]), max_size=4 << 20, ping_interval=None):
        await asyncio.Future()
asyncio.run(main())
"""


@pytest.fixture
def gate(muelle):
    muelle.port = free_port()
    muelle.write("server.py", SERVER)
    muelle.text = f"""
name: ws
gateway: {{ admin: false, threads: 1, listen: [ "http://127.0.0.1:{muelle.port}" ] }}
services:
  ws:
    command: [ {sys.executable}, server.py ]
    routes: [ {{ host: unread.localhost }}, {{ host: read.localhost, websocket: {{ check: frames }} }} ]
"""
    muelle.write("muelle.yaml", muelle.text)
    muelle.up()
    return muelle


def connect(gate, host, **options):
    return websockets.connect(f"ws://{host}:{gate.port}/", host="127.0.0.1", max_size=4 << 20, ping_interval=None, **options)


def codes(gate, at_least):
    """Of the access records."""
    def all():
        lines = gate.cli("logs", "edge", "--no-prefix").stdout.splitlines()
        found = [row for row in map(json.loads, lines) if row.get("status") == 101]
        return len(found) >= at_least and [row.get("close_code") for row in found]
    return wait_until(all, what="the records")


HOSTS = ("unread.localhost", "read.localhost")


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("host", HOSTS)
def test_messages_pings_and_codes_pass(gate, host, compression):
    async def talk():
        async with connect(gate, host, compression=compression) as ws:
            for message in ("", "ñandú", os.urandom(1 << 20), "x" * (1 << 20), b"\0" * 70_000):
                await ws.send(message)
                assert await ws.recv() == message
            assert await asyncio.wait_for(await ws.ping(), 5) is not None
            await ws.send("close 4321")
            with pytest.raises(websockets.ConnectionClosed):
                await ws.recv()
            assert (ws.close_code, ws.close_reason) == (4321, "as asked")
        async with connect(gate, host, compression=compression) as ws:
            await ws.close(4001)
            assert ws.close_code == 4001
    asyncio.run(talk())


def test_records_tell_the_code_whoever_reads_the_frames(gate):
    async def talk():
        for host in HOSTS:
            async with connect(gate, host) as ws:
                await ws.close(4002)
            async with connect(gate, host) as ws:
                await ws.send("close 1008")
                await ws.wait_closed()
    asyncio.run(talk())
    assert sorted(codes(gate, 4)) == [1008, 1008, 4002, 4002]


@pytest.mark.parametrize("host", HOSTS)
def test_a_service_that_is_taken_away_says_goodbye(gate, host):
    async def talk():
        async with connect(gate, host) as ws:
            await ws.send("here")
            assert await ws.recv() == "here"
            loop = asyncio.get_running_loop()
            stop = loop.run_in_executor(None, lambda: gate.cli("stop", "ws"))
            await asyncio.wait_for(ws.wait_closed(), 15)
            await stop
            assert ws.close_code in (1001, 1012), ws.close_code
    asyncio.run(talk())


@pytest.mark.parametrize("host", HOSTS)
def test_a_gateway_that_stops_says_goodbye_unless_a_frame_is_under_way(gate, host):
    async def talk():
        async with connect(gate, host) as ws, connect(gate, host, compression=None) as amid:
            await ws.send("here")
            assert await ws.recv() == "here"
            amid.transport.write(b"\x82\xfe\x10\x00abcd" + b"x" * 100)  # 100 of 4,096 bytes
            await asyncio.sleep(0.3)
            os.kill(gate.status()["edge"]["pid"], 15)
            await asyncio.wait_for(asyncio.gather(ws.wait_closed(), amid.wait_closed()), 15)
            assert (ws.close_code, amid.close_code) == (1001, 1001)  # the service said nothing: between its frames all is well
    asyncio.run(talk())
