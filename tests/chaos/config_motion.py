# SPDX-License-Identifier: Apache-2.0
"""EDGE-13: a configuration of thousands of routes changes at random under load. No request fails, no WebSocket is
dropped, and what the last change said is served. Long form (script/chaos config_motion): 10,000 routes, 1,000 changes.
"""
import asyncio
import os
import random
import threading

import pytest

from edge_peer import BACKEND
from load import Load
from muelle import free_port, wait_until

websockets = pytest.importorskip("websockets")
LONG = bool(os.environ.get("CHAOS_LONG"))
ROUTES, CHANGES = (10000, 1000) if LONG else (1000, 40)
SOCKETS = 20
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


class Gateway:
    """What the file says, and changes of it."""

    def __init__(self, muelle, seed):
        self.m, self.random, self.port = muelle, random.Random(seed), free_port()
        self.spare = [free_port() for _ in range(3)]
        self.owner = {f"h{i}.example": self.random.choice("ab") for i in range(ROUTES)}
        self.next, self.replicas, self.listens, self.path = ROUTES, {"a": 2, "b": 1}, set(), 0

    def write(self):
        routes = {"a": [], "b": []}
        for host, service in self.owner.items():
            routes[service].append(f"      - host: {host}\n")
        listens = [f'"http://127.0.0.1:{self.port}"', *(f'"http://127.0.0.1:{p}"' for p in sorted(self.listens))]
        text = [f"name: motion\ngateway: {{ admin: false, listen: [ {', '.join(listens)} ] }}\nservices:\n",
                "  chat:\n    command: [ /usr/bin/python3, echo.py ]\n    healthcheck: { tcp: true }\n"
                f"    routes: [ {{ host: chat.example }}, {{ host: chat.example, path: /p{self.path} }} ]\n"]
        for name in "ab":
            text.append(f"  {name}:\n    command: {BACKEND}\n    healthcheck: {{ http: /, interval: 1s }}\n"
                        f"    deploy: {{ replicas: {self.replicas[name]} }}\n    routes:\n"
                        f"      - host: {name}.example\n")
            text += [*(["      - host: moving.example\n"] if (self.path % 2 == 0) == (name == "a") else []), *routes[name]]
        self.m.write("muelle.yaml", "".join(text))

    def change(self):
        """One to five of: a route comes, goes, or leads elsewhere; a service is scaled; a listener comes or goes."""
        for _ in range(self.random.randint(1, 5)):
            kind = self.random.randrange(12)
            host = self.random.choice(list(self.owner)[:50] + list(self.owner)[-50:])
            if kind < 4:
                self.owner[f"h{self.next}.example"] = self.random.choice("ab")
                self.next += 1
            elif kind < 7:
                del self.owner[host]
            elif kind < 10:
                self.owner[host] = "b" if self.owner[host] == "a" else "a"
            elif kind == 10:
                self.replicas[self.random.choice("ab")] = self.random.randint(1, 3)
            else:
                self.listens ^= {self.random.choice(self.spare)}
        self.path += 1
        self.write()
        status, _, body = self.m.request("POST", "/api/v1/projects/motion/reload", {}, timeout=60)
        assert status == 200, body


class Sockets:
    """WebSockets that say something all the time; `failed` is why one ended."""

    def __init__(self, port):
        self.port, self.failed, self.echoes, self.stopping = port, [], 0, False
        self.thread = threading.Thread(target=lambda: asyncio.run(self.main()))

    async def one(self):
        try:
            async with websockets.connect("ws://chat.example/", host="127.0.0.1", port=self.port) as socket:
                while not self.stopping:
                    await socket.send("on")
                    assert await asyncio.wait_for(socket.recv(), 10) == "on"
                    self.echoes += 1
                    await asyncio.sleep(0.05)
        except Exception as error:
            self.failed.append(repr(error))

    async def main(self):
        await asyncio.gather(*[self.one() for _ in range(SOCKETS)])

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: self.echoes >= SOCKETS or self.failed, what="WebSockets")
        return self

    def __exit__(self, *error):
        self.stopping = True
        self.thread.join()


def test_changes_at_random_fail_no_request_and_drop_no_websocket(muelle):
    seed = int(os.environ.get("TEST_SEED", random.randrange(1 << 30)))
    print("seed", seed)
    gateway = Gateway(muelle, seed)
    muelle.write("echo.py", ECHO)
    gateway.write()
    muelle.up()
    hosts = ("a.example", "b.example", "moving.example")
    loads = [Load(gateway.port, host, connections=4) for host in hosts]
    with Sockets(gateway.port) as sockets, loads[0], loads[1], loads[2]:
        for _ in range(CHANGES):
            gateway.change()
        before = [load.ok for load in loads]
        wait_until(lambda: all(load.ok > n for load, n in zip(loads, before)), what="requests after the last change")
        served = {(r["host"], r["service"]) for r in routes(muelle)}
    assert [load.failed() for load in loads] == [0, 0, 0], [str(load) for load in loads]
    assert sockets.failed == [] and sockets.echoes > SOCKETS * 2
    assert served >= set(gateway.owner.items())
    print(f"{CHANGES} changes, {sum(load.ok for load in loads)} requests, {sockets.echoes} echoes, "
          f"longest gap {max(load.gap_ms for load in loads):.0f} ms")


def routes(muelle):
    path, items = "/api/v1/projects/motion/routes?limit=1000", []
    page = muelle.get(path, timeout=60)
    while page["next_cursor"]:
        items += page["items"]
        page = muelle.get(f"{path}&cursor={page['next_cursor']}", timeout=60)
    return items + page["items"]
