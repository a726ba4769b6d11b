# SPDX-License-Identifier: Apache-2.0
"""TLS connections that are passed on unread by their name, in the real program, with OpenSSL at both ends."""
import json
import socket
import ssl
import struct
import subprocess
import threading

import pytest

from muelle import free_port, wait_until

# A TLS server of its own: answers each line with its name, the protocol it agreed on, and the line.
SERVER = """
import os, socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
context.set_alpn_protocols(["h2", "http/1.1"])
def serve(plain):
    try:
        with context.wrap_socket(plain, server_side=True) as s:
            for line in s.makefile("rb"):
                s.sendall(f"{sys.argv[1]} {s.selected_alpn_protocol()} ".encode() + line)
    except OSError:
        pass
with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as listener:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def configuration(port, default="", more=""):
    return f"""
name: sni
gateway:
  admin: false
  listen: [ {{ address: "tls://127.0.0.1:{port}"{default} }} ]
services:
  one:
    command: [ "/usr/bin/python3", "server.py", "one" ]
    routes: [ {{ host: one.example, passthrough: true }}{more} ]
  two:
    command: [ "/usr/bin/python3", "server.py", "two" ]
    routes: [ {{ host: "*.two.example", passthrough: true }} ]
"""


@pytest.fixture
def sni(muelle):
    port = free_port()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=x", "-keyout", muelle.folder / "key.pem", "-out",
                    muelle.folder / "cert.pem"], check=True, capture_output=True)
    muelle.write("server.py", SERVER)
    muelle.write("muelle.yaml", configuration(port))
    muelle.up()
    muelle.port = port
    return muelle


def context(protocols=None, **options):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    for name, value in options.items():
        setattr(c, name, value)
    if protocols:
        c.set_alpn_protocols(protocols)
    return c


def ask(port, name, protocols=None, line=b"hi\n", **options):
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        with context(protocols, **options).wrap_socket(plain, server_hostname=name) as s:
            s.sendall(line)
            return s.makefile("rb").readline().decode().strip()


def hello_of(name, protocols=None):
    i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context(protocols).wrap_bio(i, o, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        return o.read()


def answer_to(port, data, pause=None):
    """The first bytes that come back for these."""
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        for part in [data] if pause is None else [data[i:i + 1] for i in range(len(data))]:
            s.sendall(part)
        return s.recv(65536)


def test_the_name_chooses_the_service_and_the_service_ends_tls(sni):
    assert ask(sni.port, "one.example") == "one None hi"
    assert ask(sni.port, "ONE.Example", ["h2"]) == "one h2 hi"
    assert ask(sni.port, "a.two.example", ["http/1.1"]) == "two http/1.1 hi"
    assert ask(sni.port, "a.b.two.example", maximum_version=ssl.TLSVersion.TLSv1_2) == "two None hi"


def test_a_name_that_nobody_has_is_told_so_by_an_alert(sni):
    for name in ("two.example", "nobody.example", None):
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            ask(sni.port, name)
    assert answer_to(sni.port, b"GET / HTTP/1.1\r\n\r\n")[:7] == bytes([21, 3, 1, 0, 2, 2, 50])


def test_names_without_a_route_go_to_the_listener_s_service(sni):
    sni.write("muelle.yaml", configuration(sni.port, ", service: two"))
    sni.cli("reload")
    wait_until(lambda: served(sni.port, "nobody.example") == "two None hi", what="the new configuration")
    assert ask(sni.port, None) == "two None hi"
    assert ask(sni.port, "one.example") == "one None hi"


def served(port, name):
    try:
        return ask(port, name)
    except (OSError, ssl.SSLError):
        return None


def test_a_hello_may_come_byte_by_byte_and_in_small_records(sni):
    hello = hello_of("one.example", ["h2"])
    assert answer_to(sni.port, hello, pause=0)[0] == 22
    body = hello[5:]
    cut = [body[i:i + 30] for i in range(0, len(body), 30)]
    assert len(cut) <= 32
    assert answer_to(sni.port, b"".join(b"\x16\x03\x01" + struct.pack(">H", len(c)) + c for c in cut))[0] == 22


def test_a_connection_lives_through_changes_of_its_route_and_the_record_shows_its_protocols(sni):
    with socket.create_connection(("127.0.0.1", sni.port), 10) as plain:
        with context(["h2"]).wrap_socket(plain, server_hostname="one.example") as s, s.makefile("rb") as lines:
            for n in range(5):
                sni.write("muelle.yaml", configuration(sni.port, more=f", {{ host: n{n}.example, passthrough: true }}"))
                sni.cli("reload")
                s.sendall(b"on\n")
                assert lines.readline() == b"one h2 on\n"
    wait_until(lambda: served(sni.port, "n4.example"), what="the last route")
    records = wait_until(lambda: [r for r in map(json.loads, sni.cli("logs", "edge", "--no-prefix").stdout.splitlines())
                                  if r["path"] == "one.example h2"], what="the record")
    assert records[0]["service"] == "one" and records[0]["host"] == "one.example", records
    assert set(records[0]["flags"]) == {"tunnel", "tcp"} and records[0]["bytes_in"] > 200
    assert " TCP one.example h2 " in sni.cli("logs", "edge").stdout
    # a connection that was carried is counted, and no error
    status, _, metrics = sni.request("GET", "/metrics")
    rows = [line for line in metrics.decode().splitlines() if 'service="one"' in line and 'host="one.example"' in line]
    assert status == 200 and [r for r in rows if r.startswith("muelle_requests_total") and 'status="tunnel"' in r], rows
    assert not [r for r in rows if 'status="none"' in r], rows
    assert all(r.endswith(" 0") for r in rows if r.startswith("muelle_request_errors_total")), rows


def test_routes_say_how_they_are_reached_and_mistakes_are_found(sni):
    routes = sni.get("/api/v1/projects/sni/routes")["items"]
    assert {(r["host"], r["passthrough"], *r["listeners"]) for r in routes} == {
        ("one.example", True, f"tls://127.0.0.1:{sni.port}"), ("*.two.example", True, f"tls://127.0.0.1:{sni.port}")}
    sni.write("bad.yaml", configuration(sni.port, more=", { host: x.example, path: /a, passthrough: true }"))
    said = sni.cli("config", "-f", "bad.yaml", check=False)
    assert said.returncode != 0 and "passed on unread" in said.stderr, said
    sni.write("bad.yaml", configuration(sni.port, more=", { host: one.example, passthrough: true }"))
    assert "two routes for host" in sni.cli("config", "-f", "bad.yaml", check=False).stderr
    sni.write("fine.yaml", configuration(sni.port, more=", { host: one.example }"))
    assert sni.cli("config", "-f", "fine.yaml").returncode == 0


def test_many_at_once(sni):
    answers = []
    threads = [threading.Thread(target=lambda n=n: answers.append(ask(sni.port, ("one.example", "x.two.example")[n % 2])))
               for n in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(answers) == ["one None hi"] * 20 + ["two None hi"] * 20
