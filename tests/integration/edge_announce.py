# SPDX-License-Identifier: Apache-2.0
"""`traffic.proxy_protocol`: nginx, HAProxy and a service that looks closely are told by the PROXY protocol who asks."""
import http.client
import socket
import ssl
import subprocess
import sys
import time

import pytest

from muelle import free_port, wait_until

NGINX = """
daemon off; master_process off; pid ng.pid; error_log stderr crit;
events {{ worker_connections 256; }}
http {{ access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
 server {{ listen 127.0.0.1:{port} proxy_protocol; set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;
  location / {{ return 200 "$remote_addr $proxy_protocol_port $proxy_protocol_server_port $connection $connection_requests"; }} }} }}
"""
HAPROXY = """
global
  maxconn 100
defaults
  mode http
  timeout client 20s
  timeout connect 2s
  timeout server 20s
frontend f
  bind 127.0.0.1:{port} accept-proxy {ssl}
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst_port] %[fc_pp_authority] %[fc_rcvd_proxy]"
"""
# Answers with what its connections began with; the probes' too.
CLOSE = """
import os, socket, threading
SIGNATURE = b"\\r\\n\\r\\n\\0\\r\\nQUIT\\n"
probes = []
def serve(s):
    data = b""
    def more():
        nonlocal data
        part = s.recv(65536)
        data += part
        return bool(part)
    while len(data) < 16 or (not data.startswith(SIGNATURE) and b"\\r\\n" not in data):
        if not more(): return
    if data.startswith(SIGNATURE):
        size = 16 + int.from_bytes(data[14:16], "big")
        while len(data) < size:
            if not more(): return
    else:
        size = data.index(b"\\r\\n") + 2
    head, data = data[:size], data[size:]
    if head == SIGNATURE + b"\\x20\\0\\0\\0": probes.append(1)
    if os.environ.get("RAW"):
        s.sendall(head.hex().encode() + b"\\n")
        while more(): pass
        return
    while True:
        while b"\\r\\n\\r\\n" not in data:
            if not more(): return
        _, _, data = data.partition(b"\\r\\n\\r\\n")
        body = head.hex().encode() + b" %d" % len(probes)
        s.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as listener:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@pytest.fixture
def gate(muelle):
    m = muelle
    m.port, m.tls, m.tcp, m.sni = (free_port() for _ in range(4))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=pass.example", "-keyout", m.folder / "key.pem", "-out", m.folder / "cert.pem"],
                   check=True, capture_output=True)
    (m.folder / "both.pem").write_text((m.folder / "key.pem").read_text() + (m.folder / "cert.pem").read_text())
    m.write("close.py", CLOSE)
    for name, config in (("nginx", NGINX.format(port="$PORT")), ("haproxy", HAPROXY.format(port="$PORT", ssl="")),
                         ("secure", HAPROXY.format(port="$PORT", ssl="ssl crt $PWD/both.pem"))):
        config = config.replace("$", "\\$").replace("\\$PORT", "$PORT").replace("\\$PWD", "$PWD")
        run = {"nginx": "nginx -c $PWD/nginx$PORT.cfg -p $PWD"}.get(name, f"haproxy -db -f {name}$PORT.cfg")
        m.write(f"{name}.sh", f"#!/bin/sh\nPATH=$PATH:/usr/sbin\ncat > {name}$PORT.cfg <<X\n{config}X\nexec {run}\n", 0o755)
    m.write("muelle.yaml", f"""
name: who
gateway:
  admin: false
  threads: 1
  listen: [ "http://127.0.0.1:{m.port}", "https://127.0.0.1:{m.tls}", {{ address: "tcp://127.0.0.1:{m.tcp}", service: raw }},
            "tls://127.0.0.1:{m.sni}" ]
  trusted_proxies: [ 127.0.0.9 ]
services:
  nginx: {{ command: ./nginx.sh, routes: [ {{ host: nginx.localhost }} ], traffic: {{ proxy_protocol: v1 }},
            healthcheck: {{ http: /, interval: 1s }} }}
  haproxy: {{ command: ./haproxy.sh, routes: [ {{ host: haproxy.localhost }} ], traffic: {{ proxy_protocol: v2 }},
              healthcheck: {{ http: /, interval: 1s }} }}
  secure: {{ command: ./secure.sh, routes: [ {{ host: pass.example, passthrough: true }} ], traffic: {{ proxy_protocol: v2 }},
             healthcheck: {{ tcp: true, interval: 1s }} }}
  inner: {{ command: ./secure.sh, working_dir: ., routes: [ {{ host: inner.localhost }} ],
            traffic: {{ proxy_protocol: v2, tls: {{ verify: false }} }}, healthcheck: {{ http: /, interval: 1s }} }}
  close: {{ command: [ {sys.executable}, close.py ], routes: [ {{ host: close.localhost }} ], traffic: {{ proxy_protocol: v2 }},
            healthcheck: {{ http: /, interval: 1s }} }}
  raw: {{ command: [ {sys.executable}, close.py ], environment: {{ RAW: "1" }}, traffic: {{ proxy_protocol: v1 }},
          healthcheck: {{ tcp: true, interval: 1s }} }}
""")
    m.up()
    return m


class Client:
    """A connection of its own, from an address of its own."""

    def __init__(self, gate, host, source="127.0.0.1", tls=None):
        self.host = host
        self.s = socket.create_connection(("127.0.0.1", gate.tls if tls else gate.port), 10, (source, 0))
        self.port = self.s.getsockname()[1]
        if tls:
            self.s = tls.wrap_socket(self.s, server_hostname=host)

    def ask(self, *headers):
        lines = "".join(f"{h}\r\n" for h in headers)
        self.s.sendall(f"GET / HTTP/1.1\r\nHost: {self.host}\r\n{lines}\r\n".encode())
        answer = http.client.HTTPResponse(self.s)
        answer.begin()
        body = answer.read().decode()
        assert answer.status == 200, body
        return body.split()


def unverified():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_nginx_and_haproxy_see_the_client_and_connections_are_its_own(gate):
    for host in ("nginx.localhost", "haproxy.localhost"):
        clients = [Client(gate, host, f"127.0.0.{n}") for n in (1, 2, 3)]
        for _ in range(3):
            for n, client in enumerate(clients):
                seen = client.ask()
                assert seen[:3] == [f"127.0.0.{n + 1}", str(client.port), str(gate.port)]
    clients = [Client(gate, "nginx.localhost", f"127.0.0.{n}") for n in (4, 5)]
    first, second = clients[0].ask()[3:], clients[1].ask()[3:]
    for round in range(2, 5):  # each keeps its own connection to the service
        assert clients[0].ask()[3:] == [first[0], str(round)] and clients[1].ask()[3:] == [second[0], str(round)]
    assert first[0] != second[0]


def test_whom_a_trusted_proxy_names_is_told_on_without_a_port(gate):
    proxy = Client(gate, "haproxy.localhost", "127.0.0.9")
    for address in ("192.0.2.7", "192.0.2.8", "2001:db8::8"):
        assert proxy.ask(f"X-Forwarded-For: {address}")[0] == address
    raw = bytes.fromhex(Client(gate, "close.localhost", "127.0.0.9").ask("X-Forwarded-For: 192.0.2.7")[0])
    assert raw[16:] == socket.inet_aton("192.0.2.7") + socket.inet_aton("127.0.0.1") + b"\0\0" + gate.port.to_bytes(2, "big")
    assert proxy.ask()[:2] == ["127.0.0.9", str(proxy.port)]


def extensions(header):
    found, rest = {}, header[28:]
    while rest:
        size = int.from_bytes(rest[1:3], "big")
        found[rest[0]] = rest[3:3 + size]
        rest = rest[3 + size:]
    return found


def test_version_2_tells_of_tls_and_probes_speak_for_themselves(gate):
    plain = bytes.fromhex(Client(gate, "close.localhost").ask()[0])
    assert plain[12:16] == b"\x21\x11\0\x0c" and len(plain) == 28
    client = Client(gate, "close.localhost", tls=unverified())
    found = extensions(bytes.fromhex(client.ask()[0]))
    assert found == {1: b"http/1.1", 0x20: b"\x01\0\0\0\x01\x21\0\x07TLSv1.3"}
    assert int(client.ask()[1]) >= 1
    h2 = subprocess.run(["curl", "-sk", "--http2", "--resolve", f"close.localhost:{gate.tls}:127.0.0.1",
                         f"https://close.localhost:{gate.tls}/"], capture_output=True, text=True, check=True).stdout
    assert extensions(bytes.fromhex(h2.split()[0]))[1] == b"h2"


def test_tcp_listeners_and_tls_that_is_passed_on_are_announced(gate):
    s = socket.create_connection(("127.0.0.1", gate.tcp), 10, ("127.0.0.7", 0))
    line = bytes.fromhex(s.makefile().readline())
    assert line == b"PROXY TCP4 127.0.0.7 127.0.0.1 %d %d\r\n" % (s.getsockname()[1], gate.tcp)
    s = socket.create_connection(("127.0.0.1", gate.sni), 10, ("127.0.0.8", 0))
    port = s.getsockname()[1]
    s = unverified().wrap_socket(s, server_hostname="pass.example")
    s.sendall(b"GET / HTTP/1.0\r\nHost: pass.example\r\n\r\n")
    seen = s.makefile().read().split("\n")[-1].split()
    assert seen == ["127.0.0.8", str(port), str(gate.sni), "pass.example", "1"]


def test_the_header_goes_ahead_of_tls_to_the_service(gate):
    client = Client(gate, "inner.localhost", "127.0.0.6")
    assert client.ask()[:2] == ["127.0.0.6", str(client.port)]
    assert client.ask()[:2] == ["127.0.0.6", str(client.port)]


def test_probes_are_understood_and_a_change_acts_at_once(gate):
    time.sleep(1.5)
    rows = {row["service"]: row for row in gate.ps()}
    assert all(row["health"] == "healthy" for row in rows.values()), rows
    client = Client(gate, "close.localhost")
    assert client.ask()[0].startswith("0d0a0d0a")
    text = (gate.folder / "muelle.yaml").read_text()
    gate.write("muelle.yaml", text.replace("host: close.localhost } ], traffic: { proxy_protocol: v2 }",
                                           "host: close.localhost } ], traffic: { proxy_protocol: v1 }"))
    gate.cli("reload")
    wait_until(lambda: client.ask()[0].startswith(b"PROXY TCP4".hex()), what="version 1")
    assert {row["service"]: row["pid"] for row in gate.ps()} == {name: row["pid"] for name, row in rows.items()}


def test_shared_connections_cannot_be_announced(muelle):
    muelle.write("muelle.yaml", """
name: no
services: { a: { command: sleep 9, routes: [ { host: a.localhost } ], traffic: { protocol: http2, proxy_protocol: v1 } } }
""")
    refused = muelle.cli("config", check=False)
    assert refused.returncode != 0 and "carry the requests of many" in refused.stderr + refused.stdout
