# SPDX-License-Identifier: Apache-2.0
"""Services behind a unix socket (`traffic.socket`), in a whole instance: handed over as LISTEN_FDS, or made by the
program itself."""
import json
import os
import shutil
import stat
import threading

import pytest

from edge_peer import Client, request
from muelle import free_port, wait_until

# Ends as a good service does: takes no more, and finishes what it has.
HANDED = """
import os, select, signal, socket, sys, threading
assert os.environ["LISTEN_FDS"] == "1" and int(os.environ["LISTEN_PID"]) == os.getpid()
listener = socket.socket(fileno=3)
assert listener.family == socket.AF_UNIX, listener
end_r, end_w = os.pipe()
signal.signal(signal.SIGTERM, lambda *_: os.write(end_w, b"x"))
def serve(c):
    data = b""
    while True:
        while b"\\r\\n\\r\\n" not in data:
            if end_r in select.select([c, end_r], [], [])[0]: return c.close()
            more = c.recv(65536)
            if not more: return
            data += more
        data = data.split(b"\\r\\n\\r\\n", 1)[1]
        body = str(os.getpid()).encode()
        c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
while end_r not in (ready := select.select([listener, end_r], [], [])[0]):
    listener.setblocking(False)
    try:
        c = listener.accept()[0]
    except BlockingIOError:
        continue  # the other replica had it
    c.setblocking(True)
    threading.Thread(target=serve, args=(c,)).start()
"""

OWN = ("require('http').createServer((q, r) => r.end(process.env.SOCKET_PATH + ' ' + process.pid))"
       ".listen(process.env.MUELLE_SOCKET)")

NGINX = """daemon off; master_process off; pid nginx.pid; error_log stderr;
events {}
http { access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  server { listen unix:SOCKET; location / { return 200 "nginx"; } } }
"""


def project(port, services):
    return f"""
name: sock
gateway: {{ listen: [ "http://127.0.0.1:{port}" ], admin: "http://127.0.0.1:{free_port()}", expose_replica: true }}
services:
{services}
"""


def get(port, host):
    with Client(port) as client:
        client.send(request(host=host))
        return client.response()


def addresses(muelle):
    return {e["address"] for r in muelle.get("/api/v1/projects/sock/routes")["items"] for e in r["endpoints"]}


def test_a_socket_that_is_handed_over_keeps_who_connects_while_processes_change(muelle):
    port = free_port()
    muelle.write("web.py", HANDED)
    muelle.write("muelle.yaml", project(port, """
  web:
    command: [ "/usr/bin/python3", "web.py" ]
    deploy: { replicas: 2 }
    traffic: { socket: listen_fds }
    routes: [ { host: web.localhost } ]"""))
    muelle.up()
    (address,) = addresses(muelle)
    assert address.startswith("unix:")
    path = address.removeprefix("unix:")
    mode = os.stat(path)
    assert stat.S_ISSOCK(mode.st_mode) and mode.st_mode & 0o077 == 0
    failed, stop, count = [], threading.Event(), [0]

    def load():
        while not stop.is_set():
            response = get(port, "web.localhost")
            count[0] += 1
            if response.status != 200:
                failed.append(response)

    before = {row["pid"] for row in muelle.ps()}
    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        muelle.cli("restart", "web")
        wait_until(lambda: all(row["health"] != "starting" and row["state"] == "running" for row in muelle.ps()))
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed and count[0] > 50, (len(failed), failed[0].body, count) if failed else count
    assert not before & {row["pid"] for row in muelle.ps()}
    muelle.kill("core")
    wait_until(lambda: muelle.cli("status", check=False).returncode == 0)
    assert get(port, "web.localhost").status == 200 and addresses(muelle) == {address}
    muelle.cli("down")
    wait_until(lambda: not os.path.exists(path))


@pytest.mark.parametrize("user", ["", "user: daemon, "])
def test_a_program_makes_its_own_socket_where_it_is_told(muelle, user):
    if user and os.getuid() != 0:
        pytest.skip("another user's service needs root")
    if not shutil.which("node"):
        pytest.skip("no node")
    port = free_port()
    muelle.write("muelle.yaml", project(port, f"""
  web: {{ command: [ {shutil.which("node")}, -e, "{OWN}" ], {user}working_dir: /tmp, deploy: {{ replicas: 2 }},
         traffic: {{ socket: path }}, routes: [ {{ host: web.localhost }} ] }}"""))
    muelle.up()
    seen = {get(port, "web.localhost").body.decode() for _ in range(10)}
    assert {"unix:" + text.split()[0] for text in seen} == addresses(muelle) and len(seen) == 2
    muelle.cli("restart", "web")
    wait_until(lambda: get(port, "web.localhost").status == 200)
    assert not seen & {get(port, "web.localhost").body.decode() for _ in range(10)}


def test_nginx_behind_a_socket(muelle):
    nginx = shutil.which("nginx") or (os.path.exists("/usr/sbin/nginx") and "/usr/sbin/nginx")
    if not nginx:
        pytest.skip("no nginx")
    port = free_port()
    muelle.write("nginx.tmpl", NGINX)
    muelle.write("run.sh", f'sed "s|SOCKET|$MUELLE_SOCKET|" nginx.tmpl > nginx.conf\nexec {nginx} -p "$PWD" -c nginx.conf -e stderr\n')
    muelle.write("muelle.yaml", project(port, """
  web: { command: [ sh, run.sh ], traffic: { socket: path }, routes: [ { host: web.localhost } ] }"""))
    muelle.up()
    assert get(port, "web.localhost").body == b"nginx"


@pytest.mark.parametrize("kind, told", [("path", "MUELLE_SOCKET"), ("listen_fds", "LISTEN_FDS")])
def test_a_program_that_does_not_take_its_socket_is_told_so(muelle, kind, told):
    muelle.write("muelle.yaml", f"""
name: deaf
gateway: {{ listen: "http://127.0.0.1:{free_port()}", admin: off }}
services:
  web:
    command: sleep 60
    traffic: {{ socket: {kind} }}
    healthcheck: {{ http: /, timeout: 200ms }}
    routes: [ {{ path: / }} ]
""")
    said = muelle.cli("up", "-d", "--wait", "--wait-timeout", "4s", check=False)
    assert said.returncode == 4 and f"nothing answers on its socket ({told})" in said.stderr, said.stderr
