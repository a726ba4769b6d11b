# SPDX-License-Identifier: Apache-2.0
"""The gateway's figures beside nginx and HAProxy, one line each: user instructions, CPU of the proxy per request by protocol
and size, memory of idle connections, added latency, thousands of routes.

CPU: full load, rounds interleaved; the figure is the median over rounds of the ratio to the peer, since others use this
machine too. Beside it, how much of its CPU a proxy had: one that is not busy pays for going to sleep. Clear text on both sides
but in `tls` and `handshake` (TLS 1.3, ECDSA P-256, keep-alive or a new connection a request, two tickets each). nginx has no HTTP/2 to services: beside it, those are HTTP/1 to services.
"""
import contextlib
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import edge
import idle
import routes
from peers import certificate, cpu_us, haproxy, load, muelle, nginx, percentile, pin, service

ROUNDS = 7

# name, what the client speaks, what the service speaks, bytes of an answer, at most this times the peer
CASES = (
    ("h1", "h1", "h1", 128, 0.78, "nginx"),
    ("h1_unix", "h1", "unix", 128, 0.60, "nginx"),
    ("h1_10k", "h1", "h1", 10240, 0.77, "nginx"),
    ("h1_1m", "h1", "h1", 1 << 20, 0.65, "nginx"),
    ("h1_h2c", "h1", "h2c", 128, 0.50, "nginx"),
    ("h2_h1", "h2", "h1", 128, 0.75, "haproxy"),
    ("h2_h2c", "h2", "h2c", 128, 0.25, "nginx"),
    ("tls", "tls", "h1", 128, 0.75, "nginx"),
    ("handshake", "handshake", "h1", 128, 0.85, "nginx"),
)
RATE, LATENCY_ROUNDS = 8000, 7


def cpu(Figure, case, folder):
    name, client, protocol, size, reach, peer = case
    with contextlib.ExitStack() as stack:
        to = stack.enter_context(service(protocol, size, folder))
        plain = stack.enter_context(service("h1", size, folder)) if protocol != "h1" else to
        proxies = {"muelle": stack.enter_context(muelle(client, to, protocol, size, folder)),
                   "nginx": stack.enter_context(nginx(client, plain, folder)),
                   "haproxy": stack.enter_context(haproxy(client, to, protocol, folder))}
        found, busy = {who: [] for who in proxies}, {who: [] for who in proxies}
        for round_ in range(ROUNDS + 1):
            for who, (port, pids) in proxies.items():
                before, began = cpu_us(pids()), time.monotonic()
                requests = load(client, port, size)
                used = cpu_us(pids()) - before
                if round_:  # the first one warms up
                    found[who].append(used / requests)
                    busy[who].append(used / (time.monotonic() - began) / 10_000)
    ratio = statistics.median(a / b for a, b in zip(found["muelle"], found[peer]))
    times = ", ".join(f"{who} {percentile(values, 0.2):.1f} at {statistics.median(busy[who]):.0f} %" for who, values in found.items())
    yield Figure(f"protocol.{name}_cpu", ratio, f"x {peer}", f"<= {reach}", None, f"us: {times}")


# --- latency ---

def median_us(port, log):
    """Of requests sent at a fixed rate, whatever becomes of them."""
    log.unlink(missing_ok=True)
    subprocess.run([*pin(2), "h2load", "--h1", "-t1", "-c64", f"--rps={RATE // 64}", "-D1", "--warm-up-time=0", f"--log-file={log}",
                    f"http://127.0.0.1:{port}/x"], check=True, capture_output=True)
    times = [int(line.split()[2]) for line in log.read_text().splitlines()]
    assert len(times) > RATE / 4, f"{len(times)} of {RATE} requests"
    return statistics.median(times)


def latency(Figure, folder):
    with contextlib.ExitStack() as stack:
        to = stack.enter_context(service("h1", 128, folder))
        ports = {"direct": int(to.split(":")[1]), "muelle": stack.enter_context(muelle("h1", to, "h1", 128, folder))[0],
                 "nginx": stack.enter_context(nginx("h1", to, folder))[0]}
        found = {who: [] for who in ports}
        for _ in range(LATENCY_ROUNDS):
            for who, port in ports.items():
                found[who].append(median_us(port, Path(folder) / "times"))
    added = {who: statistics.median(a - b for a, b in zip(found[who], found["direct"])) for who in ("muelle", "nginx")}
    yield Figure("protocol.h1_added_p50", added["muelle"] / added["nginx"], "x nginx", "<= 0.55", None,
                 f"us at {RATE}/s: muelle {added['muelle']:.0f}, nginx {added['nginx']:.0f}, direct {statistics.median(found['direct']):.0f}")


def measure(Figure):
    with tempfile.TemporaryDirectory(prefix="muelle-bench-") as folder:
        certificate(folder)
        yield from edge.instructions(Figure, folder)
        for case in CASES:
            yield from cpu(Figure, case, folder)
        yield from latency(Figure, folder)
    yield from idle.measure(Figure)
    yield from routes.measure(Figure)
