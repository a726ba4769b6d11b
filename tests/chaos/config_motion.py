# SPDX-License-Identifier: Apache-2.0
"""EDGE-13: a configuration of thousands of routes changes at random under load: routes, listeners, scale, weights, balancing,
limits, policies, certificates, TLS to a service. No request, call or WebSocket fails, and what the last change said is what
the edge does. Long form (script/chaos config_motion): 10,000 routes, 1,000 changes.
"""
import asyncio
import http.client
import os
import random
import ssl
import threading

import grpc
import pytest

from edge_peer import BACKEND
from gateway_tls import Pki
from load import Load
from muelle import free_port, wait_until

websockets = pytest.importorskip("websockets")
LONG = bool(os.environ.get("CHAOS_LONG"))
ROUTES, CHANGES = (10000, 1000) if LONG else (1000, 60)
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
# Speaks TLS to who begins with a handshake, else plain HTTP: so `traffic.tls` may come and go.
BOTH = """
import http.server, os, socket, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("one.crt", "one.key")
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def setup(self):
        if self.request.recv(1, socket.MSG_PEEK) == b"\\x16":
            self.request = context.wrap_socket(self.request, server_side=True)
        super().setup()
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *a):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
CALLS = """
import os, grpc
from concurrent import futures
class Service(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda message, context: b"echo " + message)
server = grpc.server(futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((Service(),))
server.add_insecure_port("127.0.0.1:" + os.environ["PORT"])
server.start()
server.wait_for_termination()
"""
# Each by itself changes nothing for a healthy service.
POLICIES = ("timeouts: { connect: 5s, total: 60s }", "retries: { attempts: 2, when: [ connect_failure, reset ] }",
            "breaker: { requests: 5000 }", "outlier: { consecutive: 50 }", "slow_start: 2s", "hedge: { after: 5s }",
            "queue: { length: 1024 }", "concurrency: { kind: gradient, min: 200, initial: 500 }", "hold: 20s")
BALANCES = ("round_robin", "least_conn", "random", "power_of_two", "least_load", "hash")
LIMITS = ("header_timeout: 20s", "glitches: 90", "body_rate: 600", "address_connections: 5000", "idle_timeout: 70s",
          "connections: 15000")


class Gateway:
    """What the file says, and changes of it."""

    def __init__(self, muelle, seed):
        self.m, self.random, self.port, self.tls_port = muelle, random.Random(seed), free_port(), free_port()
        self.spare = [free_port() for _ in range(3)]
        self.owner = {f"h{i}.example": self.random.choice("ab") for i in range(ROUTES)}
        self.gone = set()
        self.next, self.replicas, self.listens, self.path = ROUTES, {"a": 2, "b": 1}, set(), 0
        self.certificate, self.limits, self.tls = "one", set(), True
        self.policies, self.balance, self.weight = {"a": set(), "b": set()}, {"a": BALANCES[0], "b": BALANCES[0]}, 1

    def traffic(self, name):
        members = f'members: {{ "1": {{ weight: {self.weight} }} }}' if name == "a" else ""
        parts = [f"balance: {self.balance[name]}", members, *sorted(self.policies[name])]
        return ", ".join(part for part in parts if part)

    def write(self):
        routes = {"a": [], "b": []}
        for host, service in self.owner.items():
            routes[service].append(f"      - host: {host}\n")
        listens = [f'"https://127.0.0.1:{self.tls_port}"', f'"http://127.0.0.1:{self.port}"',
                   *(f'"http://127.0.0.1:{p}"' for p in sorted(self.listens))]
        text = [f"""name: motion
gateway:
  admin: false
  expose_replica: true
  listen: [ {', '.join(listens)} ]
  limits: {{ {', '.join(sorted(self.limits))} }}
  tls: {{ certificates: [ {{ cert: {self.certificate}.crt, key: {self.certificate}.key }} ] }}
services:
  chat:
    command: [ /usr/bin/python3, echo.py ]
    healthcheck: {{ tcp: true }}
    routes: [ {{ host: chat.example }}, {{ host: chat.example, path: /p{self.path} }} ]
  both:
    command: [ /usr/bin/python3, both.py ]
    healthcheck: {{ tcp: true }}
    traffic: {{ {'tls: { verify: false }' if self.tls else ''} }}
    routes: [ {{ host: both.example }} ]
  calls:
    command: [ /usr/bin/python3, calls.py ]
    healthcheck: {{ tcp: true }}
    traffic: {{ protocol: http2 }}
    routes: [ {{ host: calls.example }}, {{ host: calls.example, path: /p{self.path} }} ]
"""]
        for name in "ab":
            text.append(f"  {name}:\n    command: {BACKEND}\n    healthcheck: {{ http: /, interval: 1s }}\n"
                        f"    deploy: {{ replicas: {self.replicas[name]} }}\n"
                        f"    traffic: {{ {self.traffic(name)} }}\n    routes:\n"
                        f"      - host: {name}.example\n")
            text += [*(["      - host: moving.example\n"] if (self.path % 2 == 0) == (name == "a") else []), *routes[name]]
        self.m.write("muelle.yaml", "".join(text))

    def change_route(self):
        kind = self.random.randrange(10)
        host = self.random.choice(list(self.owner)[:50] + list(self.owner)[-50:])
        if kind < 4:
            self.owner[f"h{self.next}.example"] = self.random.choice("ab")
            self.next += 1
        elif kind < 7:
            del self.owner[host]
            self.gone.add(host)
        else:
            self.owner[host] = "b" if self.owner[host] == "a" else "a"

    def change_other(self):
        name = self.random.choice("ab")
        kind = self.random.randrange(8)
        if kind == 0:
            self.replicas[name] = self.random.randint(1, 3)
        elif kind == 1:
            self.listens ^= {self.random.choice(self.spare)}
        elif kind == 2:
            self.certificate = "two" if self.certificate == "one" else "one"
        elif kind == 3:
            self.limits ^= {self.random.choice(LIMITS)}
        elif kind == 4:
            self.policies[name] ^= {self.random.choice(POLICIES)}
        elif kind == 5:
            self.balance[name] = self.random.choice(BALANCES)
        elif kind == 6:
            self.weight = self.random.randint(1, 9)
        else:
            self.tls = not self.tls

    def change(self):
        """One to five at once; half of the time nothing but routes."""
        others = self.random.random() < 0.5
        for _ in range(self.random.randint(1, 5)):
            if others and self.random.random() < 0.5:
                self.change_other()
            else:
                self.change_route()
        self.path += 1
        self.write()
        status, _, body = self.m.request("POST", "/api/v1/projects/motion/reload", {}, timeout=60)
        assert status == 200, body

    def served(self, hosts):
        """Which service the edge itself gives requests for these hosts to; None: to nobody."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        for host in hosts:
            connection.request("GET", "/", headers={"Host": host})
            answer = connection.getresponse()
            answer.read()
            replica = answer.headers.get("X-Muelle-Replica")
            assert answer.status == (200 if replica else 404), (host, answer.status)
            yield host, replica.rsplit("-", 1)[0] if replica else None
        connection.close()


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


class Calls:
    """gRPC calls, one after the other, over one channel."""

    def __init__(self, port):
        self.port, self.failed, self.ok, self.stopping = port, [], 0, False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        options = [("grpc.default_authority", "calls.example"), ("grpc.enable_retries", 0)]
        with grpc.insecure_channel(f"127.0.0.1:{self.port}", options) as channel:
            echo = channel.unary_unary("/test.Echo/Unary")
            while not self.stopping:
                try:
                    assert echo(b"on", timeout=20) == b"echo on"
                    self.ok += 1
                except grpc.RpcError as error:
                    self.failed.append(str(error))

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: self.ok or self.failed, what="a call")
        return self

    def __exit__(self, *error):
        self.stopping = True
        self.thread.join()


def test_changes_at_random_fail_no_request_and_drop_no_websocket(muelle):
    seed = int(os.environ.get("TEST_SEED", random.randrange(1 << 30)))
    print("seed", seed)
    gateway = Gateway(muelle, seed)
    pki = Pki(muelle.folder)
    pki.issue("one", "a.example", "b.example")
    pki.issue("two", "a.example", "b.example")
    for name, text in (("echo.py", ECHO), ("both.py", BOTH), ("calls.py", CALLS)):
        muelle.write(name, text)
    gateway.write()
    muelle.up()
    trust = ssl.create_default_context(cafile=str(muelle.folder / "ca.crt"))
    trust.check_hostname = False
    loads = [*(Load(gateway.port, host, connections=4) for host in ("a.example", "b.example", "moving.example")),
             Load(gateway.port, "both.example", connections=2), Load(gateway.tls_port, "b.example", connections=2, tls=trust)]
    with Sockets(gateway.port) as sockets, Calls(gateway.port) as calls, loads[0], loads[1], loads[2], loads[3], loads[4]:
        for _ in range(CHANGES):
            gateway.change()
        before = [load.ok for load in loads]
        wait_until(lambda: all(load.ok > n for load, n in zip(loads, before)), what="requests after the last change")
        listed = {(r["host"], r["service"]) for r in routes(muelle)}
        sample = [*gateway.random.sample(sorted(gateway.owner), 200), *list(gateway.owner)[-100:], *sorted(gateway.gone)[:200]]
        wrong = [(host, service) for host, service in gateway.served(sample) if service != gateway.owner.get(host)]
    assert [load.failed() for load in loads] == [0] * len(loads), [str(load) for load in loads]
    assert sockets.failed == [] and sockets.echoes > SOCKETS * 2
    assert calls.failed == [] and calls.ok > 10
    assert listed >= set(gateway.owner.items())
    assert wrong == []
    print(f"{CHANGES} changes, {sum(load.ok for load in loads)} requests, {calls.ok} calls, {sockets.echoes} echoes, "
          f"longest gap {max(load.gap_ms for load in loads):.0f} ms")


def routes(muelle):
    path, items = "/api/v1/projects/motion/routes?limit=1000", []
    page = muelle.get(path, timeout=60)
    while page["next_cursor"]:
        items += page["items"]
        page = muelle.get(f"{path}&cursor={page['next_cursor']}", timeout=60)
    return items + page["items"]
