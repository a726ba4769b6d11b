# SPDX-License-Identifier: Apache-2.0
"""What a request costs that no other load changes: user instructions, allocations and system calls of the edge alone, and that
every request leaves one count and one record.
"""
import re
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import peers
from edge_peer import DRIVER, until

REQUEST = b"GET /x HTTP/1.1\r\nHost: x.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"


def drive(port, requests):
    """That many requests on one connection."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        for _ in range(requests):
            client.sendall(REQUEST)
            data = b""
            while b"\r\n\r\n" not in data or len(data.split(b"\r\n\r\n", 1)[1]) < 128:
                data += client.recv(65536)


def under_valgrind(folder, to, tool, requests):
    log = Path(folder) / "valgrind.log"
    log.unlink(missing_ok=True)
    out = ("--callgrind-out-file=/dev/null",) if tool == "callgrind" else ()
    with peers.edge(to, "h1", folder, ("valgrind", f"--tool={tool}", f"--log-file={log}", "--trace-children=no",
                                       "--child-silent-after-fork=yes", *out)) as muelle:
        drive(muelle.port, requests)
    pattern = r"Collected : (\d+)" if tool == "callgrind" else r"total heap usage: ([\d,]+) allocs"
    return int(re.search(pattern, log.read_text()).group(1).replace(",", ""))


def per_request(folder, tool, few=1000, many=6000):
    with peers.service("h1", 128, folder) as to:
        return (under_valgrind(folder, to, tool, many) - under_valgrind(folder, to, tool, few)) / (many - few)


def instructions(Figure, folder):
    yield Figure("edge.instructions_per_request", per_request(folder, "callgrind"), "", "<= 6000",
                 {"nginx": 17028, "haproxy": 29731})


def allocations(Figure, folder):
    yield Figure("edge.allocations_per_request", per_request(folder, "memcheck"), "", "0")


def syscalls(Figure, folder):
    out = Path(folder) / "strace"
    with peers.service("h1", 128, folder) as to, peers.edge(to, "h1", folder) as muelle:
        peers.load("h1", muelle.port)
        before = muelle.stats()["requests"]
        strace = subprocess.Popen(["strace", "-c", "-q", "-o", str(out), "-p", str(muelle.process.pid)])
        time.sleep(0.3)
        peers.load("h1", muelle.port, seconds=3)
        strace.terminate()
        strace.wait()
        requests = muelle.stats()["requests"] - before
    total = int(re.search(r"(\d+)\s+(?:\d+\s+)?total", out.read_text()).group(1))
    yield Figure("edge.syscalls_per_request", total / requests, "", "<= 4.2", {"haproxy": 4.1, "nginx": 4.8})


def whole(Figure, folder):
    """Every request made one count and one record, also with all connections at once."""
    each, connections = 2500, 6
    sent = each * connections
    records, stats = [], {}
    with peers.service("h1", 128, folder) as to, peers.edge(to, "h1", folder) as muelle:
        threads = [threading.Thread(target=drive, args=(muelle.port, each)) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        def settled():
            records.extend(muelle.command("records"))
            stats.update(muelle.stats())
            return len(records) >= sent and stats["cell_requests"] >= sent
        try:
            until(settled)
        except AssertionError:
            pass  # the figures say what is missing
    different = len({record["request_id"] for record in records})
    yield Figure("edge.missing_requests", abs(sent - stats["cell_requests"]), "requests", "0", None, f"of {sent}")
    yield Figure("edge.missing_records", abs(sent - different), "records", "0", None, f"of {sent}")
    yield Figure("edge.doubled_records", len(records) - different, "records", "0")


def measure(Figure):
    assert DRIVER.exists(), f"{DRIVER} is not built"
    with tempfile.TemporaryDirectory(prefix="muelle-bench-") as folder:
        for part in (whole, instructions, allocations, syscalls):
            yield from part(Figure, folder)
