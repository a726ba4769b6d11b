# SPDX-License-Identifier: Apache-2.0
"""What is measured side by side: muelle, nginx and HAProxy as proxies of one thread on CPU 0, their services on CPU 1,
the load on CPU 2 where there are three (else a fast proxy waits for it, and pays for going to sleep). Debian's nginx and
HAProxy without an access log; muelle with everything on (routing, balancing, forwarded fields, request ids, counters, one access
record per request, read by another process).
"""
import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from edge_peer import BACKEND, Edge, free_port, wait_port

CONNECTIONS = 64
MUELLE = Path(os.environ["MUELLE_BUILD"]) / "muelle"


def pin(cpu):
    """taskset; the last CPU when there are fewer."""
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


def percentile(values, part):
    values = sorted(values)
    return values[int(len(values) * part)]


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
                    "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    Path(f"{folder}/both.pem").write_text(Path(f"{folder}/cert.pem").read_text() + Path(f"{folder}/key.pem").read_text())


@contextlib.contextmanager
def running(command, port=None, path=None):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        if port:
            wait_port(port)
        while path and not Path(path).exists():
            time.sleep(0.01)
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def service(kind, size, folder):
    """A server that costs little; its address as muelle, nginx and HAProxy write it."""
    port = free_port()
    if kind == "unix":
        path = f"{folder}/backend.sock"
        with running([*pin(1), str(BACKEND), f"unix:{path}", str(size)], path=path):
            yield f"unix:{path}"
    elif kind == "h2c":
        Path(f"{folder}/x").write_bytes(b"x" * size)
        with running([*pin(1), "nghttpd", "--no-tls", "-d", folder, str(port)], port):
            yield f"127.0.0.1:{port}"
    else:
        with running([*pin(1), str(BACKEND), str(port), str(size)], port):
            yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def nginx(client, to, folder):
    port, temp = free_port(), tempfile.mkdtemp(dir=folder)
    listen = {"h2": " http2", "tls": " ssl", "handshake": " ssl"}.get(client, "")
    certs = f"ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_protocols TLSv1.3;"
    temps = " ".join(f"{kind}_temp_path {temp};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    Path(f"{temp}/nginx.conf").write_text(f"""daemon off; pid {temp}/nginx.pid; worker_processes 1; error_log stderr crit;
      events {{ worker_connections 4096; multi_accept on; }}
      http {{ access_log off; {temps} keepalive_requests 100000000; keepalive_timeout 600;
      upstream b {{ server {to}; keepalive 512; keepalive_requests 100000000; }}
      server {{ listen 127.0.0.1:{port}{listen}; {certs if "ssl" in listen else ""} location / {{ proxy_pass http://b; proxy_http_version 1.1;
      proxy_buffers 8 16k; proxy_set_header Connection ""; }} }} }}""")
    with running([*pin(0), "nginx", "-e", "stderr", "-c", f"{temp}/nginx.conf", "-p", temp], port) as process:
        yield port, lambda: children(process.pid)[1:]


@contextlib.contextmanager
def haproxy(client, to, protocol, folder):
    port = free_port()
    bind = {"h2": " proto h2", "tls": f" ssl crt {folder}/both.pem", "handshake": f" ssl crt {folder}/both.pem"}.get(client, "")
    server = "unix@" + to[5:] if to.startswith("unix:") else to
    conf = Path(tempfile.mkdtemp(dir=folder)) / "haproxy.cfg"
    conf.write_text(f"""global
  nbthread 1
  maxconn 4096
  ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  http-reuse always
frontend f
  bind 127.0.0.1:{port}{bind}
  default_backend b
backend b
  server s {server}{" proto h2" if protocol == "h2c" else ""}
""")
    with running([*pin(0), "haproxy", "-db", "-q", "-f", str(conf)], port) as process:
        yield port, lambda: children(process.pid)


@contextlib.contextmanager
def edge(to, protocol, folder, args=()):
    """The edge alone, in its driver."""
    h2c = " protocol=h2c" if protocol == "h2c" else ""
    with Edge(tempfile.mkdtemp(dir=folder), f"service web{h2c}", f"endpoint web web-1 {to}", "route web * /",
              args=(*pin(0), *args)) as muelle:
        for reader in children(muelle.process.pid)[1:]:
            os.sched_setaffinity(reader, set(list(os.sched_getaffinity(0))[-1:]))
        yield muelle


@contextlib.contextmanager
def program(size, folder):
    """The whole of muelle with TLS."""
    port, home = free_port(), Path(tempfile.mkdtemp(dir=folder))
    (home / "muelle.yaml").write_text(f"""name: bench
gateway:
  threads: 1
  admin: false
  listen: [ {{ address: "https://127.0.0.1:{port}", tls: {{ cert: {folder}/cert.pem, key: {folder}/key.pem }} }} ]
services:
  web: {{ command: "{BACKEND} $$PORT {size}", routes: [ {{ path: / }} ] }}
""")
    subprocess.run([str(MUELLE), "up", "-d", "--wait"], cwd=home, check=True, capture_output=True)
    try:
        pid = json.loads(subprocess.run([str(MUELLE), "status", "--json"], cwd=home, check=True, capture_output=True).stdout)["edge"]["pid"]
        subprocess.run(["taskset", "-a", "-p", "-c", pin(0)[-1], str(pid)], check=True, capture_output=True)
        yield port, lambda: [pid]
    finally:
        subprocess.run([str(MUELLE), "down"], cwd=home, check=True, capture_output=True)


@contextlib.contextmanager
def muelle(client, to, protocol, size, folder):
    """As the peers: port and processes. What speaks TLS is the whole program, with a service of its own."""
    if client in ("tls", "handshake"):
        with program(size, folder) as found:
            yield found
    else:
        with edge(to, protocol, folder) as alone:
            yield alone.port, lambda: [alone.process.pid]


def load(client, port, size=128, seconds=1):
    """Requests in `seconds` of full load."""
    url = f"{'https' if client in ('tls', 'handshake') else 'http'}://127.0.0.1:{port}/x"
    connections = 16 if size > 100_000 else CONNECTIONS
    if client == "h2":
        command = ["h2load", "-t1", "-c4", "-m32", "-D", str(seconds), "--warm-up-time=0", url]
        pattern = r"requests: \d+ total, \d+ started, (\d+) done, \1 succeeded, 0 failed"
    else:
        close = ["-H", "Connection: close"] if client == "handshake" else []
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *close, url]
        pattern = r"(\d+) requests in"
    out = subprocess.run([*pin(2), *command], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in out, out
    return int(re.search(pattern, out).group(1))
