"""Supervision figures, muelle beside the supervisors of Debian in one run: memory and CPU at idle, time until ten
services serve, crash to serving, and what a client sees while roles are killed.
"""
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from load import Load
from muelle import BINARY, Muelle, alive, free_port, wait_until

ROOT = Path(__file__).resolve().parents[1]
SERVER = BINARY.parent / "tests" / "tools" / "echo_backend"
TEN = range(10)
IDLE_SECONDS = 20


def serving(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 0.2) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return s.recv(12).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def until_serving(ports, seconds=30):
    waiting, end = list(ports), time.monotonic() + seconds
    while waiting:
        waiting = [p for p in waiting if not serving(p)]
        if time.monotonic() > end:
            raise AssertionError(f"not serving: {waiting}")
        if waiting:
            time.sleep(0.0005)


def pss_kb(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def cpu_ns(pid):
    return sum(int(Path(f"{task}/schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())


def switches(pid):
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


def configuration(m, ports, probes=True):
    services = "".join(f"""
  s{i}:
    command: {SERVER}
    environment: {{ PORT: "{ports[i]}" }}
    {'healthcheck: { http: /, interval: 5s }' if probes else ''}
""" for i in TEN)
    m.write("muelle.yaml", f"""
name: bench
gateway: {{ listen: [ "http://127.0.0.1:{free_port()}" ], admin: "http://127.0.0.1:{free_port()}" }}
services:{services}
""")


def idle_cost(m):
    """CPU in ms and voluntary context switches a second of all roles, nobody asking anything."""
    time.sleep(3)
    roles = [m.pid(r) for r in ("keeper", "core", "edge")]
    before = [(cpu_ns(p), switches(p)) for p in roles]
    time.sleep(IDLE_SECONDS)
    after = [(cpu_ns(p), switches(p)) for p in roles]
    cpu, turns = (sum(a[i] - b[i] for a, b in zip(after, before)) / IDLE_SECONDS for i in (0, 1))
    return cpu / 1e6, turns


def idle(Figure):
    with Muelle() as m:
        configuration(m, [free_port() for _ in TEN])
        m.up()
        cpu, turns = idle_cost(m)
        pss = {r: pss_kb(m.pid(r)) / 1024 for r in ("keeper", "core", "edge")}
        parts = ", ".join(f"{r} {v:.1f}" for r, v in pss.items())
        yield Figure("idle.pss_mb", sum(pss.values()), "MB", "<= 15", {"process-compose": 18, "systemd": 7}, parts)
        yield Figure("idle.cpu_ms_per_s", cpu, "ms/s", "<= 1")
        probed = turns
    with Muelle() as m:
        configuration(m, [free_port() for _ in TEN], probes=False)
        m.up()
        cpu, turns = idle_cost(m)
        yield Figure("idle.switches_per_s", turns, "1/s", "<= 2", None,
                     f"without probes; {probed:.2f} with {len(TEN) / 5:g} probes a second")


def up_times(Figure, rounds=9):
    """The command as a whole, and from the keeper taking its lock (a file's time: up to 4 ms early) to the last answer."""
    walls, serves = [], []
    for _ in range(rounds):
        with Muelle() as m:
            ports = [free_port() for _ in TEN]
            configuration(m, ports)
            start = time.monotonic()
            up = subprocess.Popen([BINARY, "up", "-f", "muelle.yaml", "-d", "--wait"], cwd=m.folder, env=m.env,
                                  stdout=subprocess.DEVNULL)
            until_serving(ports)
            served = time.time()
            assert up.wait() == 0
            walls.append((time.monotonic() - start) * 1000)
            serves.append((served - (m.folder / ".muelle/run/keeper.lock").stat().st_mtime) * 1000)
            m.note_pids()
    yield Figure("up.wait_ms", statistics.median(walls), "ms", "<= 150", None, f"min {min(walls):.0f}")
    yield Figure("up.keeper_to_serving_ms", statistics.median(serves), "ms", "<= 25", {"process-compose": 37},
                 f"min {min(serves):.0f}, max {max(serves):.0f}")


def app_start(rounds=9):
    """From exec to the first answer, of the C server alone."""
    times = []
    for _ in range(rounds):
        port = free_port()
        start = time.monotonic()
        process = subprocess.Popen([SERVER], env={**os.environ, "PORT": str(port)}, stdout=subprocess.DEVNULL)
        until_serving([port])
        times.append((time.monotonic() - start) * 1000)
        process.kill()
        process.wait()
    return statistics.median(times)


def crash(Figure, rounds=9):
    alone = app_start()
    with Muelle() as m:
        ports = [free_port() for _ in TEN]
        configuration(m, ports)
        m.up()
        times = []
        for _ in range(rounds):
            pid = next(r["pid"] for r in m.ps() if r["service"] == "s0")
            time.sleep(0.3)
            start = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            while alive(pid):
                pass
            until_serving([ports[0]])
            times.append((time.monotonic() - start) * 1000)
            m.cli("restart", "s1")
            m.cli("reset", "s0", check=False)
            time.sleep(0.5)
        yield Figure("crash.to_serving_ms", times[0], "ms", "<= 10 + app start", {"app alone": alone},
                     "first crash; later ones back off")


def supervisord(Figure):
    """Debian's supervisord with the same ten servers: start to serving."""
    if not shutil.which("supervisord"):
        return
    folder = Path(tempfile.mkdtemp(prefix="mb-"))
    ports = [free_port() for _ in TEN]
    programs = "".join(f"[program:s{i}]\ncommand={SERVER}\nenvironment=PORT=\"{ports[i]}\"\nstartsecs=0\n" for i in TEN)
    (folder / "s.conf").write_text(f"[supervisord]\nnodaemon=true\nlogfile={folder}/log\npidfile={folder}/pid\n{programs}")
    start = time.monotonic()
    process = subprocess.Popen(["supervisord", "-c", folder / "s.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_serving(ports)
        up = (time.monotonic() - start) * 1000
        time.sleep(2)
        yield Figure("peer.supervisord.up_ms", up, "ms")
        yield Figure("peer.supervisord.pss_mb", pss_kb(process.pid) / 1024, "MB")
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def kills(Figure):
    for role, reach in (("core", "0 failed"), ("keeper", "0 failed, <= 100 ms"), ("edge", "0 refused, <= 50 ms")):
        with Muelle() as m:
            port = free_port()
            m.write("muelle.yaml", f"""
name: bench
gateway: {{ listen: [ "http://127.0.0.1:{port}" ], admin: "http://127.0.0.1:{free_port()}" }}
services:
  web:
    command: {SERVER}
    deploy: {{ replicas: 2 }}
    routes: [ {{ host: web.localhost, path: / }} ]
""")
            m.up()
            with Load(port, "web.localhost") as load:
                old = m.kill(role)[0]
                start = time.monotonic()

                def back():
                    try:
                        return m.status()[role]["pid"] not in (old, None)
                    except (AssertionError, KeyError, TypeError, json.JSONDecodeError):
                        return False
                wait_until(back, 10, f"return of the {role}")
                returned = (time.monotonic() - start) * 1000
                time.sleep(0.5)
            failed = load.failed() if role != "edge" else load.refused
            yield Figure(f"kill.{role}.failed", failed, "requests", reach, None,
                         f"longest gap {load.gap_ms:.0f} ms, role seen again after {returned:.0f} ms; {load}")


def routes_file(m, port, admin, hosts):
    routes = "".join(f"      - {{ host: {host} }}\n" for host in hosts)
    m.write("muelle.yaml", f"""
name: bench
gateway: {{ listen: [ "http://127.0.0.1:{port}" ], admin: "http://127.0.0.1:{admin}" }}
services:
  web:
    command: {SERVER}
    routes:
{routes}""")


def answers(port, host):
    with socket.create_connection(("127.0.0.1", port), 1) as s:
        s.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return s.recv(12).startswith(b"HTTP/1.1 200")


def routes(Figure, rounds=9):
    """A file with 1,000 routes is changed: from `muelle reload` to the first answer of the new route, under load."""
    with Muelle() as m:
        port, admin = free_port(), free_port()
        hosts = [f"h{i}.localhost" for i in range(1000)]
        routes_file(m, port, admin, hosts)
        m.up()
        times = []
        with Load(port, "h1.localhost", connections=2) as load:
            for i in range(rounds):
                routes_file(m, port, admin, hosts[:-1] + [f"new{i}.localhost"])
                start = time.monotonic()
                client = subprocess.Popen([str(BINARY), "reload"], cwd=m.folder, env=m.env,
                                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                wait_until(lambda: answers(port, f"new{i}.localhost"), 10, "the new route")
                times.append((time.monotonic() - start) * 1000)
                assert client.wait() == 0, client.stderr.read()
        yield Figure("change.routes_1000_ms", statistics.median(times), "ms", "<= 30", {"HAProxy at 5,000": 120},
                     f"with the command's own start; min {min(times):.0f}")
        yield Figure("change.routes_1000.failed", load.failed(), "requests", "0")


def requests_counted(m):
    rows = [line for line in m.get("/metrics").decode().splitlines() if line.startswith("muelle_requests_total{")
            and 'service="web"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in rows)


def records_logged(m):
    """Access records of the service by request id: (all, different ones)."""
    ids = [json.loads(line["message"])["request_id"] for line in m.logs("edge", "--stream", "access")]
    return len(ids), len(set(ids))


def counts(Figure):
    """Every request makes one count in the metrics and one record in the access log."""
    with Muelle() as m:
        port = free_port()
        routes_file(m, port, free_port(), ["web.localhost"])
        m.up()
        with Load(port, "web.localhost") as load:
            time.sleep(2)
        lost = 1.0

        def settled():
            nonlocal lost
            lost = load.ok - requests_counted(m)
            return lost <= 0
        wait_until(settled, 10, "the count of every request")
        yield Figure("counted.missing_requests", abs(lost), "requests", "0", None, f"of {load.ok}")
        wait_until(lambda: records_logged(m)[0] >= load.ok, 20, "the record of every request")
        records, different = records_logged(m)
        yield Figure("logged.missing_records", abs(load.ok - different), "records", "0", None, f"of {load.ok}")
        yield Figure("logged.doubled_records", records - different, "records", "0")


def measure(Figure):
    for part in (idle, up_times, crash, supervisord, routes, counts, kills):
        yield from part(Figure)
