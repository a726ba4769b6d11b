# SPDX-License-Identifier: Apache-2.0
"""examples/servers: nginx, PostgreSQL, Redis, Prometheus and npm's http-server, as Debian and npm ship them, from the
Compose-style file and from the Procfile: routed to by HTTP and tcp, killed, their output read.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.request

import pytest

from muelle import ROOT, Muelle, alive, free_port, wait_until


@pytest.fixture
def servers():
    # Not in pytest's folder: that is closed to other users, and PostgreSQL runs as one.
    with Muelle() as m:
        shutil.copytree(ROOT / "examples" / "servers", m.folder, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("node_modules", ".muelle"))
        m.folder.chmod(0o755)
        m.ports = {name: free_port() for name in ("HTTP_PORT", "ADMIN_PORT", "PG_PORT", "REDIS_PORT")}
        m.env |= {"DATA": str(m.folder / "data"), **{k: str(v) for k, v in m.ports.items()}}
        if os.getuid() != 0:
            m.env["PG_USER"] = ""
        yield m


def get(port, host, path="/"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.status, response.read().decode()


def redis(port, *words):
    command = f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words)
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.settimeout(10)
        s.sendall(command.encode())
        return s.recv(1000).decode()


def psql(port, query):
    result = subprocess.run(["psql", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-Atc", query],
                            capture_output=True, text=True, timeout=30)
    return result.stdout.strip() or result.stderr


def row(muelle, service, replica=1):
    return next((r for r in muelle.ps() if r["service"] == service and r["replica"] == replica), None)


def kill_and_wait(muelle, service):
    old = row(muelle, service)["pid"]
    os.kill(old, signal.SIGKILL)
    return wait_until(lambda: (r := row(muelle, service)) and r["state"] == "running" and r["pid"] not in (0, None, old)
                      and r, 60, f"return of {service}")


def test_compose_style_file(servers):
    ports = servers.ports
    servers.up(timeout=180)
    status, body = get(ports["HTTP_PORT"], "nginx.localhost")
    assert status == 200
    assert get(ports["HTTP_PORT"], "files.localhost")[0] == 200
    assert get(ports["HTTP_PORT"], "prometheus.localhost", "/-/ready")[0] == 200
    assert redis(ports["REDIS_PORT"], "PING") == "+PONG\r\n"
    assert psql(ports["PG_PORT"], "select 6 * 7") == "42"

    def scraped():
        found = json.loads(get(ports["HTTP_PORT"], "prometheus.localhost", "/api/v1/query?query=up")[1])
        return any(r["value"][1] == "1" for r in found["data"]["result"])
    wait_until(scraped, 60, "a scrape of muelle by Prometheus")

    for service in ("nginx", "redis", "postgres"):
        back = kill_and_wait(servers, service)
        assert back["restarts"] >= 1
    wait_until(lambda: get(ports["HTTP_PORT"], "nginx.localhost")[0] == 200, 20, "nginx")
    wait_until(lambda: redis(ports["REDIS_PORT"], "PING") == "+PONG\r\n", 20, "redis")
    wait_until(lambda: psql(ports["PG_PORT"], "select 1") == "1", 30, "postgres")
    lines = [line["message"] for line in servers.logs("postgres")]
    assert any("database system is ready to accept connections" in line for line in lines), lines[-20:]
    assert any("Ready to accept connections" in line["message"] for line in servers.logs("redis"))


def test_procfile(servers):
    # A Procfile names no ports, and 8080 and 7070 may be somebody's: a second file moves the listeners.
    servers.write("ports.yaml", f"""
gateway:
  listen: [ "http://127.0.0.1:{servers.ports['HTTP_PORT']}" ]
  admin: "http://127.0.0.1:{servers.ports['ADMIN_PORT']}"
""")
    servers.up("-f", "ports.yaml", file="Procfile", timeout=180)
    states = {r["service"]: r["state"] for r in servers.ps()}
    assert states == dict.fromkeys(("web", "postgres", "redis", "prometheus", "files"), "running")
    assert redis(row(servers, "redis")["port"], "PING") == "+PONG\r\n"
    assert get(row(servers, "web")["port"], "x")[0] == 200
    wait_until(lambda: psql(row(servers, "postgres")["port"], "select 1") == "1", 30, "postgres")
    pids = [r["pid"] for r in servers.ps()]
    servers.down()
    assert not any(map(alive, pids))
