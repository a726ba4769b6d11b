# SPDX-License-Identifier: Apache-2.0
"""A configuration of thousands of routes in motion: from the file to the first answer by the new configuration, and the
memory of the edge. The real program: ten services, each with a tenth of the routes, every one with a host of its own.

What one route more costs is said three times: from the connect() of the reload's request to the first answer by the new route,
less what a worker took to load the file (`load_us`); the same less the transaction, which is on disk before the edge is told
(`commit_us`, mostly fdatasync); and as processor time of the core's loop and all threads of the edge from before the request
until 0.1 s after its answer, which others on this machine do not disturb. Nothing else is asked meanwhile.
"""
import json
import re
import socket
import statistics
import time
from pathlib import Path

from muelle import BINARY, Muelle, free_port

SERVER = BINARY.parent / "tests" / "tools" / "echo_backend"
SERVICES = 10
ROUNDS = 15


class Probe:
    """One keep-alive connection that asks for a host until it is served."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def status(self, host, path="/"):
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return int(answer(self.socket)[0][9:12])

    def until(self, host, seconds=20):
        end = time.perf_counter() + seconds
        while self.status(host) != 200:
            assert time.perf_counter() < end, f"{host} is not served"


def write(m, count, generation, ports, listen, extra=()):
    """All routes have other names in each generation, so that nothing of the former one helps."""
    each = count // SERVICES
    text = [f'name: routes\ngateway: {{ listen: [ "http://127.0.0.1:{listen}" ], admin: false }}\nservices:\n']
    for s in range(SERVICES):
        text.append(f'  s{s}:\n    command: {SERVER}\n    environment: {{ PORT: "{ports[s]}" }}\n    routes:\n')
        text += [f"      - host: h{s * each + i}.g{generation}.example\n" for i in range(each)]
        if s == 0:
            text += [f"      - host: {host}\n" for host in extra]
    m.write("muelle.yaml", "".join(text))


def rss_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1))


def tasks(m):
    """The core's loop (files are loaded and stored by workers) and all threads of the edge: where their times lie."""
    core, edge = m.pid("core"), m.pid("edge")
    return [Path(f"/proc/{core}/task/{core}/schedstat"), *(task / "schedstat" for task in Path(f"/proc/{edge}/task").iterdir())]


def cpu_ms(of):
    return sum(int(task.read_text().split()[0]) for task in of) / 1e6


def answer(connection):
    """The head and the body of an answer with a length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
    while len(body) < length:
        body += connection.recv(65536)
    return head, body


def reload(m, then=lambda: None):
    """Asks for it and, when it is answered, does `then`: how many ms both took from the first system call of the request on,
    how many of them went by before there were decoded tables, and on the disk."""
    path = str(m.socket())
    start = time.perf_counter()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(b"POST /api/v1/projects/routes/reload HTTP/1.1\r\nHost: localhost\r\n"
                           b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        head, body = answer(connection)
        then()
        took = (time.perf_counter() - start) * 1000
    assert b" 200 " in head, (head, body)
    said = json.loads(body)
    return took, said["load_us"] / 1000, said["commit_us"] / 1000


def measured(count):
    """Lists of ms: whole file to answer, the same from decoded tables, one more route in the file, from tables, the same
    without the disk, its processor time; MB."""
    whole, tables, one, one_tables, one_memory, one_cpu = [], [], [], [], [], []
    with Muelle() as m:
        ports, listen = [free_port() for _ in range(SERVICES)], free_port()
        write(m, count, 0, ports, listen)
        m.up()
        probe = Probe(listen)
        probe.until("h0.g0.example")
        for generation in range(1, ROUNDS + 1):
            write(m, count, generation, ports, listen)
            took, load, _ = reload(m, lambda: probe.until(f"h{count - 1}.g{generation}.example"))
            whole.append(took)
            tables.append(whole[-1] - load)
        for n in range(ROUNDS):
            write(m, count, ROUNDS, ports, listen, [f"one{n}.example"])
            took, load, disk = reload(m, lambda: probe.until(f"one{n}.example"))
            one.append(took)
            one_tables.append(one[-1] - load)
            one_memory.append(one_tables[-1] - disk)
        of = tasks(m)
        for n in range(ROUNDS):  # and nobody asks meanwhile, not for process ids either
            write(m, count, ROUNDS, ports, listen, [f"cpu{n}.example"])
            before = cpu_ms(of)
            reload(m)
            time.sleep(0.1)
            one_cpu.append(cpu_ms(of) - before)
            assert probe.status(f"cpu{n}.example") == 200
        return whole, tables, one, one_tables, one_memory, one_cpu, {r: rss_kb(m.pid(r)) / 1024 for r in ("core", "edge")}


def measure(Figure):
    for count in (5000, 10000):
        *times, rss = measured(count)
        for name, reach, ms in zip(("file_to_answer", "tables_to_answer", "one_by_file", "one_from_tables",
                                    "one_but_for_the_disk", "one_processor"),
                                   ("<= 60", "<= 25", "", "", "<= 1", "<= 1"), times):
            yield Figure(f"routes.{count}.{name}_ms", statistics.median(ms), "ms", reach, None, f"min {min(ms):.1f}")
        yield Figure(f"routes.{count}.edge_rss_mb", rss["edge"], "MB", "<= 22", None,
                     f"after {ROUNDS * 2} reloads; core {rss['core']:.1f}")
