# SPDX-License-Identifier: Apache-2.0
"""Figures of the edge beside Debian's nginx and HAProxy in one run, interleaved: CPU per request at full load, user
instructions, system calls and allocations per request.

One thread each, keep-alive on both sides, 64 connections, 128 bytes, the same backend; muelle with all its standard
features (routing, balancing, forwarded fields, request ids, counters, one access record per request, read by another
process), the peers without an access log. CPU is that of the proxy alone, from schedstat; the 20th percentile of the
rounds, since others use this machine too.
"""
import os
import re
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from edge_peer import BACKEND, DRIVER, Edge, free_port, until, wait_port

ROUNDS = 9
SECONDS = 1
CONNECTIONS = 64
REQUEST = b"GET /x HTTP/1.1\r\nHost: x.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"


def pin(cpu):
    """taskset, when there is that CPU."""
    cpus = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cpus[min(cpu, len(cpus) - 1)])]


def children(pid):
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += children(int(child))
    return found


def cpu_us(pids):
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1000


def load(port, seconds=SECONDS, connections=CONNECTIONS):
    """Full load by wrk; returns the number of requests."""
    out = subprocess.run([*pin(1), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{port}/x"],
                         capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in out and "Socket errors" not in out, out
    return int(re.search(r"(\d+) requests in", out).group(1))


class Nginx:
    name = "nginx"

    def __init__(self, folder, backend):
        self.port = free_port()
        conf = Path(folder) / "nginx.conf"
        temps = " ".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf.write_text(f"""daemon off; pid {folder}/nginx.pid; worker_processes 1; error_log stderr crit;
          events {{ worker_connections 4096; multi_accept on; }}
          http {{ access_log off; {temps} keepalive_requests 100000000; keepalive_timeout 600;
          upstream b {{ server 127.0.0.1:{backend}; keepalive 512; keepalive_requests 100000000; }}
          server {{ listen 127.0.0.1:{self.port}; location / {{ proxy_pass http://b; proxy_http_version 1.1;
          proxy_set_header Connection ""; }} }} }}""")
        self.process = subprocess.Popen([*pin(0), "nginx", "-e", "stderr", "-c", str(conf), "-p", folder])

    def pids(self):
        return children(self.process.pid)[1:]


class Haproxy:
    name = "haproxy"

    def __init__(self, folder, backend):
        self.port = free_port()
        conf = Path(folder) / "haproxy.cfg"
        conf.write_text(f"""global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  http-reuse always
frontend f
  bind 127.0.0.1:{self.port}
  default_backend b
backend b
  server s 127.0.0.1:{backend}
""")
        self.process = subprocess.Popen([*pin(0), "haproxy", "-db", "-q", "-f", str(conf)])

    def pids(self):
        return children(self.process.pid)


class Muelle:
    name = "muelle"

    def __init__(self, folder, backend, args=()):
        address = backend if isinstance(backend, str) else f"127.0.0.1:{backend}"
        self.edge = Edge(folder, "service web", f"endpoint web web-1 {address}", "route web * /", args=(*pin(0), *args))
        self.edge.__enter__()
        self.port = self.edge.port
        self.process = self.edge.process
        for reader in children(self.process.pid)[1:]:
            os.sched_setaffinity(reader, {sorted(os.sched_getaffinity(reader))[-1]}
                                 if len(os.sched_getaffinity(reader)) > 1 else range(os.cpu_count()))

    def pids(self):
        return [self.process.pid]

    def stop(self):
        self.edge.__exit__()


class MuelleUnix(Muelle):
    """The same, with the service on a unix socket."""
    name = "unix"

    def __init__(self, folder, backend):
        path = f"unix:{folder}/backend.sock"
        self.backend = subprocess.Popen([*pin(1), str(BACKEND), path])
        until(lambda: os.path.exists(path.removeprefix("unix:")))
        super().__init__(folder, path)

    def stop(self):
        super().stop()
        self.backend.terminate()
        self.backend.wait()


def stop(proxy):
    if isinstance(proxy, Muelle):
        proxy.stop()
    else:
        proxy.process.terminate()
        proxy.process.wait()


def percentile(values, part):
    values = sorted(values)
    return values[int(len(values) * part)]


def cpu(Figure, folder, backend, rounds=ROUNDS):
    proxies = [Muelle(folder, backend), Nginx(folder, backend), Haproxy(folder, backend), MuelleUnix(folder, backend)]
    found = {proxy.name: [] for proxy in proxies}
    rate = {proxy.name: 0 for proxy in proxies}
    try:
        for proxy in proxies:
            wait_port(proxy.port)
            load(proxy.port)
        for _ in range(rounds):
            for proxy in proxies:
                before, start = cpu_us(proxy.pids()), time.monotonic()
                requests = load(proxy.port)
                found[proxy.name].append((cpu_us(proxy.pids()) - before) / requests)
                rate[proxy.name] = max(rate[proxy.name], requests / (time.monotonic() - start))
        stats = proxies[0].edge.stats()
        assert stats["requests"] == stats["cell_requests"] == stats["records"] + stats["dropped"], stats
    finally:
        for proxy in proxies:
            stop(proxy)
    best = {name: percentile(values, 0.2) for name, values in found.items()}
    peers = {name: best[name] for name in ("nginx", "haproxy")}
    median = statistics.median(found["muelle"])
    yield Figure("edge.cpu_us_per_request", best["muelle"], "us", "<= 0.9 of the best", peers,
                 f"median {median:.1f}; {stats['dropped']} records dropped")
    yield Figure("edge.cpu_ratio", best["muelle"] / min(peers.values()), "", "<= 0.9")
    yield Figure("edge.unix_cpu_ratio", best["unix"] / best["nginx"], "", "<= 0.6 of nginx over TCP")
    yield Figure("edge.requests_per_s", rate["muelle"], "1/s", "", {n: rate[n] for n in peers})


def drive(port, requests):
    """That many requests on one connection."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        for _ in range(requests):
            client.sendall(REQUEST)
            data = b""
            while b"\r\n\r\n" not in data or len(data.split(b"\r\n\r\n", 1)[1]) < 128:
                data += client.recv(65536)


def under_valgrind(folder, backend, tool, requests):
    log = Path(folder) / "valgrind.log"
    log.unlink(missing_ok=True)
    proxy = Muelle(folder, backend, ("valgrind", f"--tool={tool}", f"--log-file={log}", "--trace-children=no",
                                     "--child-silent-after-fork=yes", *(("--callgrind-out-file=/dev/null",) if tool == "callgrind" else ())))
    drive(proxy.port, requests)
    proxy.stop()
    text = log.read_text()
    pattern = r"Collected : (\d+)" if tool == "callgrind" else r"total heap usage: ([\d,]+) allocs"
    return int(re.search(pattern, text).group(1).replace(",", ""))


def counts(Figure, folder, backend):
    few, many = 1000, 6000
    for tool, name, reach in (("callgrind", "instructions", "<= 6000"), ("memcheck", "allocations", "0")):
        per = (under_valgrind(folder, backend, tool, many) - under_valgrind(folder, backend, tool, few)) / (many - few)
        peers = {"nginx": 17028, "haproxy": 29731} if tool == "callgrind" else None
        yield Figure(f"edge.{name}_per_request", per, "", reach, peers)


def syscalls(Figure, folder, backend):
    out = Path(folder) / "strace"
    proxy = Muelle(folder, backend)
    try:
        load(proxy.port)
        before = proxy.edge.stats()["requests"]
        strace = subprocess.Popen(["strace", "-c", "-q", "-o", str(out), "-p", str(proxy.process.pid)])
        time.sleep(0.3)
        load(proxy.port, 3)
        strace.terminate()
        strace.wait()
        requests = proxy.edge.stats()["requests"] - before
    finally:
        proxy.stop()
    total = int(re.search(r"(\d+)\s+(?:\d+\s+)?total", out.read_text()).group(1))
    yield Figure("edge.syscalls_per_request", total / requests, "", "<= 4.2", {"haproxy": 4.1, "nginx": 4.8})


def whole(Figure, folder, backend):
    """Every request made one count and one record, also with all connections at once."""
    each, connections = 2500, 6
    proxy = Muelle(folder, backend)
    try:
        threads = [threading.Thread(target=drive, args=(proxy.port, each)) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        records, stats = [], {}

        def settled():
            records.extend(proxy.edge.command("records"))
            stats.update(proxy.edge.stats())
            return len(records) >= sent and stats["cell_requests"] >= sent
        sent = each * connections
        try:
            until(settled)
        except AssertionError:
            pass  # the figures say what is missing
    finally:
        proxy.stop()
    different = len({record["request_id"] for record in records})
    yield Figure("edge.missing_requests", abs(sent - stats["cell_requests"]), "requests", "0", None, f"of {sent}")
    yield Figure("edge.missing_records", abs(sent - different), "records", "0", None, f"of {sent}")
    yield Figure("edge.doubled_records", len(records) - different, "records", "0")


def measure(Figure):
    assert DRIVER.exists(), f"{DRIVER} is not built"
    with tempfile.TemporaryDirectory(prefix="muelle-bench-") as folder:
        port = free_port()
        backend = subprocess.Popen([*pin(1), str(BACKEND), str(port)])
        try:
            wait_port(port)
            yield from whole(Figure, folder, port)
            yield from counts(Figure, folder, port)
            yield from syscalls(Figure, folder, port)
            yield from cpu(Figure, folder, port)
        finally:
            backend.terminate()
            backend.wait()
