# SPDX-License-Identifier: Apache-2.0
"""TLS in the real program: names and certificates, what is refused, tickets, client certificates, files that change.

The other ends are OpenSSL's own client, curl and Python's ssl.
"""
import json
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

import pytest

from muelle import free_port, wait_until

APP = """
import http.server, json, os
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        size = int(self.path.rsplit("=", 1)[1]) if "size=" in self.path else 0
        body = b"x" * size if size else json.dumps({k.lower(): v for k, v in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
"""


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)


class Pki:
    """An authority and what it signs, in files."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "30", "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")

    def issue(self, file, *names, kind="ec", days=20):
        key = ["-newkey", "rsa:2048"] if kind == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        openssl(self.folder, "req", *key, "-nodes", "-keyout", f"{file}.key", "-out", f"{file}.csr", "-subj", f"/CN={names[0]}")
        (self.folder / f"{file}.ext").write_text("subjectAltName=" + ",".join(f"DNS:{n}" for n in names))
        openssl(self.folder, "x509", "-req", "-in", f"{file}.csr", "-CA", f"{self.name}.crt", "-CAkey", f"{self.name}.key",
                "-out", f"{file}.crt", "-days", str(days), "-extfile", f"{file}.ext")


class Site:
    def __init__(self, muelle):
        self.m, self.port, self.plain = muelle, free_port(), free_port()
        self.folder = muelle.folder
        self.pki = Pki(self.folder)
        muelle.write("app.py", APP)

    def up(self, tls, routes="[{host: a.test}, {host: b.test}, {host: '*.w.test'}]", listen=None, more="threads: 2", **options):
        listen = listen or f'["https://127.0.0.1:{self.port}"]'
        self.m.write("muelle.yaml", f"""
name: site
gateway: {{ listen: {listen}, tls: {tls}, admin: false, {more} }}
services:
  web: {{ command: python3 -u app.py, routes: {routes} }}
""")
        return self.m.cli("up", "-d", "--wait", **options)

    def context(self, ca="ca.crt", **options):
        context = ssl.create_default_context(cafile=self.folder / ca)
        for name, value in options.items():
            setattr(context, name, value)
        return context

    def connect(self, name="a.test", context=None, session=None):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return (context or self.context()).wrap_socket(raw, server_hostname=name, session=session)

    def get(self, path="/", name="a.test", context=None, headers="", sock=None):
        s = sock or self.connect(name, context)
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\n{headers}\r\n".encode())
        data = read_answer(s)
        if not sock:
            s.close()
        return data

    def shown(self, name, **options):
        """The first name of the certificate that a client gets who asks for `name`."""
        context = self.context(check_hostname=False, **options)
        with self.connect(name, context) as s:
            return s.getpeercert()["subject"][0][0][1]


def read_answer(s):
    data = b""
    while b"\r\n\r\n" not in data:
        got = s.recv(65536)
        assert got, data
        data += got
    head, body = data.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"content-length: (\d+)", head, re.I).group(1))
    while len(body) < length:
        got = s.recv(65536)
        assert got
        body += got
    return int(head.split()[1]), head.decode(), body


def refused(connect):
    try:
        connect().close()
        return False
    except (ssl.SSLError, ConnectionResetError):
        return True


@pytest.fixture
def site(muelle):
    return Site(muelle)


def test_a_listener_without_a_certificate_has_one_of_the_development_authority(site):
    folder = site.folder / "authority"
    site.up("{}", routes="[{host: shop.localhost}]", env={"MUELLE_CA_DIR": str(folder)})
    assert (folder / "ca.key").stat().st_mode & 0o777 == 0o600
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    for name in ("shop.localhost", "localhost"):
        with site.connect(name, context) as s:
            assert s.version() == "TLSv1.3"
    status, _, body = site.get(name="shop.localhost", context=context)
    seen = json.loads(body)
    assert status == 200 and seen["x-forwarded-proto"] == "https" and "proto=https" in seen["forwarded"]
    out = subprocess.run(["curl", "-sS", "--cacert", str(folder / "ca.crt"), f"https://shop.localhost:{site.port}/?size=100000"],
                         capture_output=True, check=True)
    assert out.stdout == b"x" * 100000


def test_names_below_localhost_have_a_development_certificate_beside_those_of_files(site):
    folder = site.folder / "authority"
    site.pki.issue("a", "a.test")
    site.pki.issue("mine", "mine.localhost")
    site.up("{certificates: [{cert: a.crt, key: a.key}, {cert: mine.crt, key: mine.key}]}", env={"MUELLE_CA_DIR": str(folder)},
            routes="[{host: a.test}, {host: b.test}, {host: shop.localhost}, {host: mine.localhost}, {host: x.mine.localhost}]")
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    for name in ("shop.localhost", "x.mine.localhost"):
        with site.connect(name, context) as s:
            assert s.getpeercert()["subjectAltName"] == (("DNS", "shop.localhost"), ("DNS", "x.mine.localhost"))
    assert [site.shown(n) for n in ("a.test", "mine.localhost", "b.test", "other.localhost", "none.test")] == \
        ["a.test", "mine.localhost", "a.test", "a.test", "a.test"]
    notes = [line for line in site.m.cli("check").stderr.splitlines() if "no certificate is for" in line]
    assert len(notes) == 1 and "b.test" in notes[0]
    site.up("{certificates: [{cert: a.crt, key: a.key}]}", routes="[{host: a.test}]")
    with pytest.raises(ssl.SSLCertVerificationError):
        site.connect("shop.localhost", context)


def test_the_name_chooses_the_certificate(site):
    site.pki.issue("a", "a.test")
    site.pki.issue("b", "b.test", "*.w.test")
    site.pki.issue("own", "own.test")
    other = free_port()
    site.up("{certificates: [{cert: a.crt, key: a.key}, {cert: b.crt, key: b.key}]}",
            listen=f"['https://127.0.0.1:{site.port}', {{address: 'https://127.0.0.1:{other}', tls: {{cert: own.crt, key: own.key}}}}]")
    assert [site.shown(n) for n in ("a.test", "B.TEST", "x.w.test", "x.y.w.test", "none.test")] == \
        ["a.test", "b.test", "b.test", "a.test", "a.test"]
    site.port = other
    assert [site.shown(n) for n in ("none.test", "b.test")] == ["own.test", "b.test"]


def test_a_pair_of_keys_serves_old_and_new_clients(site):
    site.pki.issue("r", "a.test", kind="rsa")
    site.pki.issue("e", "a.test")
    site.up("{certificates: [{cert: r.crt, key: r.key}, {cert: e.crt, key: e.key}]}")

    def kind(*args):
        out = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-servername", "a.test", *args],
                             input=b"", capture_output=True, timeout=20).stdout.decode()
        return re.search(r"Peer signature type: (\S+)", out).group(1)

    assert kind() == "ECDSA"
    assert kind("-sigalgs", "RSA-PSS+SHA256") == "RSA-PSS"
    assert kind("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256") in ("RSA-PSS", "RSA")


@pytest.mark.parametrize("break_it, words", [
    (lambda p: (p.folder / "a.crt").unlink(), ["a.crt", "cannot be read", "muelle.yaml:3:"]),
    (lambda p: (p.folder / "a.key").write_text("no key"), ["a.key", "no private key", "-----BEGIN PRIVATE KEY-----"]),
    (lambda p: (p.folder / "a.key").write_text((p.folder / "b.key").read_text()), ["a.key", "not that of the certificate"]),
    (lambda p: p.issue("a", "a.test", days=-1), ["a.crt", "expired", "renew it"]),
], ids=["missing", "no key", "another's key", "expired"])
def test_a_certificate_that_cannot_serve_is_refused_with_its_place(site, break_it, words):
    site.pki.issue("a", "a.test")
    site.pki.issue("b", "b.test")
    break_it(site.pki)
    result = site.up("{certificates: [{cert: b.crt, key: b.key}, {cert: a.crt, key: a.key}]}", check=False)
    assert result.returncode != 0
    for word in words:
        assert word in result.stderr


def test_old_versions_and_weak_ciphers_are_refused(site):
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}], min_version: '1.3'}")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        site.connect(context=site.context(maximum_version=ssl.TLSVersion.TLSv1_2))
    site.up("{certificates: [{cert: a.crt, key: a.key}]}")
    older = site.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    wait_until(lambda: not refused(lambda: site.connect(context=older)), what="the new configuration")
    with site.connect(context=older) as s:
        assert s.version() == "TLSv1.2"
    for args in (["-tls1_1"], ["-tls1_2", "-cipher", "AES128-SHA@SECLEVEL=0"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"]):
        out = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", *args], input=b"", capture_output=True, timeout=20)
        assert b"Cipher is (NONE)" in out.stdout or out.returncode != 0


@pytest.mark.skipif(not shutil.which("testssl"), reason="testssl.sh is not installed")
def test_a_strict_scanner_finds_nothing(site):
    site.pki.issue("r", "a.test", kind="rsa")
    site.pki.issue("e", "a.test")
    site.up("{certificates: [{cert: r.crt, key: r.key}, {cert: e.crt, key: e.key}]}")
    found = site.folder / "found.json"
    out = subprocess.run(["testssl", "--color", "0", "--warnings", "off", "--quiet", "-p", "-s", "-f", "-S", "-U", "--ip", "127.0.0.1",
                          "--severity", "LOW", "--jsonfile", str(found), f"a.test:{site.port}"],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300).stdout
    assert "TLS 1.3    offered (OK)" in out and "Heartbleed (CVE-2014-0160)                not vulnerable" in out, out
    # what it says of certificates is about the test's own authority: no chain, no revocation, no transparency
    faults = [f for f in json.loads(found.read_text()) if not re.match(r"cert|DNS_CAA|OCSP|engine|service", f["id"])]
    assert faults == [], faults


def tickets(site, count):
    """Sessions of that many connections, TLS 1.3 and 1.2."""
    found = []
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = site.context(minimum_version=version, maximum_version=version)
        for _ in range(count):
            with site.connect(context=context) as s:
                site.get(sock=s)
                found.append((context, s.session))
    return found


def test_the_first_request_does_not_wait_for_a_delayed_acknowledgement(site):
    """A client without TCP_NODELAY holds it back until the end of its handshake is acknowledged: 40 ms, if nothing answers that."""
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}]}")
    took, context = [], site.context()
    for _ in range(9):
        with site.connect(context=context) as s:
            before = time.monotonic()
            assert site.get(sock=s)[0] == 200
            took.append(time.monotonic() - before)
    assert min(took) < 0.03, took  # whatever else runs here: an acknowledgement that is delayed is so each time


def test_tickets_outlive_a_killed_edge_and_a_killed_core(site):
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}], tickets: 1}")
    sessions = tickets(site, 4)
    site.m.kill("edge")
    site.m.kill("core")

    def resumed(context, session):
        try:
            with site.connect(context=context, session=session) as s:
                return site.get(sock=s)[0] == 200 and s.session_reused
        except OSError:
            return None

    for context, session in sessions:
        assert wait_until(lambda: resumed(context, session) is not None, what="an answer")
    assert all(resumed(*one) for one in tickets(site, 1))
    assert (site.folder / ".muelle" / "tickets").stat().st_mode & 0o777 == 0o600
    site.up("{certificates: [{cert: a.crt, key: a.key}], tickets: 0}")

    def without():
        with site.connect() as s:
            site.get(sock=s)
            return not s.session or not s.session.has_ticket

    wait_until(without, what="the new configuration")


def test_clients_that_reconnect_with_tickets_meet_a_new_edge(site):
    """kill -9 while clients come and go: none hangs, and all resume soon again."""
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}]}")
    stop, counts, lock = threading.Event(), {"whole": 0, "resumed": 0, "lost": 0}, threading.Lock()

    def client():
        session, context = None, site.context()
        while not stop.is_set():
            try:
                with site.connect(context=context, session=session) as s:
                    assert site.get(sock=s)[0] == 200
                    what, session = "resumed" if s.session_reused else "whole", s.session
            except (OSError, AssertionError):
                what = "lost"
                time.sleep(0.02)
            with lock:
                counts[what] += 1

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    for _ in range(2):
        site.m.kill("edge")
        time.sleep(0.7)
    with lock:
        before = dict(counts)
    time.sleep(0.7)
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert counts["resumed"] > before["resumed"] + 5 and counts["whole"] == before["whole"]


def test_a_route_may_need_a_client_certificate(site):
    clients = Pki(site.folder, "clients")
    clients.issue("alice", "alice")
    Pki(site.folder, "strangers").issue("mallory", "mallory")
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}], client_ca: clients.crt}",
            routes="[{host: a.test}, {host: a.test, path: /me, client_certificate: required}, "
                   "{host: a.test, path: /maybe, client_certificate: optional}]")
    forged = "Client-Cert: :Zm9yZ2Vk:\r\nClient-Cert-Chain: :Zm9yZ2Vk:\r\n"
    assert "client-cert" not in site.get("/", headers=forged)[2].decode()
    assert site.get("/me", headers=forged)[0] == 403
    status, _, body = site.get("/maybe", headers=forged)
    assert status == 200 and "client-cert" not in json.loads(body)
    known = site.context()
    known.load_cert_chain(site.folder / "alice.crt", site.folder / "alice.key")
    der = subprocess.run(["openssl", "x509", "-in", "alice.crt", "-outform", "der"], cwd=site.folder, capture_output=True, check=True).stdout
    import base64
    for path in ("/me", "/maybe"):
        status, _, body = site.get(path, context=known, headers=forged)
        seen = json.loads(body)
        assert status == 200 and seen["client-cert"] == f":{base64.b64encode(der).decode()}:"
        assert "client-cert-chain" not in seen
    assert "client-cert" not in json.loads(site.get("/", context=known)[2])
    stranger = site.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    stranger.load_cert_chain(site.folder / "mallory.crt", site.folder / "mallory.key")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        site.connect(context=stranger)
    site.up("{certificates: [{cert: a.crt, key: a.key}], client_ca: clients.crt, client_certificate: required}")
    nobody = site.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    wait_until(lambda: refused(lambda: site.connect(context=nobody)), what="the new configuration")


def test_plain_requests_are_redirected(site):
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}]}",
            listen=f"['https://127.0.0.1:{site.port}', {{address: 'http://127.0.0.1:{site.plain}', redirect: 'https:{site.port}'}}]")
    for host, path, want in (("a.test", "/x/../y?q=1", f"https://a.test:{site.port}/y?q=1"),
                             ("a.test:80", "/", f"https://a.test:{site.port}/"),
                             ("[::1]:80", "/", f"https://[::1]:{site.port}/")):
        with socket.create_connection(("127.0.0.1", site.plain)) as s:
            s.sendall(f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n".encode())
            status, head, _ = read_answer(s)
        assert status == 308 and f"Location: {want}\r\n" in head + "\r\n"


def test_an_end_is_said_and_an_end_that_was_not_said_is_noticed(site):
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}]}")
    s = site.connect()
    s.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
    data = b""
    while got := s.recv(65536):  # ends by close_notify: without it ssl would raise
        data += got
    assert data.startswith(b"HTTP/1.1 200")
    s.unwrap().close()
    # A body that the client's FIN cuts short is not one that ended: the service never gets it whole.
    s = site.connect()
    s.sendall(b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    os.set_blocking(s.fileno(), True)
    socket.socket(fileno=os.dup(s.fileno())).shutdown(socket.SHUT_WR)
    with pytest.raises((ssl.SSLError, ConnectionResetError, AssertionError, OSError)):
        read_answer(s)


def test_large_bodies_both_ways_and_many_requests_on_one_connection(site):
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}]}")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with site.connect(context=site.context(minimum_version=version, maximum_version=version)) as s:
            assert site.get("/?size=3000000", sock=s)[2] == b"x" * 3000000
            body = os.urandom(2_000_000)
            sender = threading.Thread(target=s.sendall, args=(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2000000\r\n\r\n" + body,))
            sender.start()
            sender.join()
            assert read_answer(s)[2] == body
            for _ in range(50):
                assert site.get(sock=s)[0] == 200
            s.sendall(b"GET /?size=10 HTTP/1.1\r\nHost: a.test\r\n\r\n" * 20)
            got = b""
            while got.count(b"x" * 10) < 20:
                got += s.recv(65536)


def test_a_reload_takes_new_certificates_and_drops_no_connection(site):
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}]}")
    with site.connect() as s:
        before = s.getpeercert()["serialNumber"]
        site.pki.issue("a", "a.test")
        site.m.cli("reload")

        def fresh():
            with site.connect() as new:
                return new.getpeercert()["serialNumber"] != before

        assert wait_until(fresh, what="the new certificate")
        assert site.get(sock=s)[0] == 200
        (site.folder / "a.key").write_text("broken")
        assert site.m.cli("reload", check=False).returncode != 0
        assert fresh() and site.get(sock=s)[0] == 200


def test_files_that_change_are_taken_without_a_reload(site):
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}]}")

    def serial():
        with site.connect() as s:
            return s.getpeercert()["serialNumber"]

    first = serial()
    with site.connect() as old:
        for _ in range(2):
            before = serial()
            site.pki.issue("a", "a.test")
            wait_until(lambda: serial() != before, what="the new certificate")
        (site.folder / "a.crt").write_text("half of it")
        time.sleep(1)
        assert serial() != first and site.get(sock=old)[0] == 200
    assert "are not taken" in site.m.own_log()


def test_a_chain_may_have_a_file_of_its_own(site):
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key, chain: ca.crt}]}")
    out = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-servername", "a.test", "-showcerts"],
                         input=b"", capture_output=True, timeout=20).stdout
    assert out.count(b"BEGIN CERTIFICATE") == 2
    Pki(site.folder, "other")
    site.m.write("muelle.yaml", (site.folder / "muelle.yaml").read_text().replace("chain: ca.crt", "chain: other.crt"))
    result = site.m.cli("reload", check=False)
    assert result.returncode != 0 and "other.crt" in result.stderr and "not in order" in result.stderr


def test_no_key_is_shown_or_stored(site):
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}]}")
    secret = "".join((site.folder / "a.key").read_text().split("\n")[1:3])[:60].encode()
    for path in ("/api/v1/projects/site/config", "/api/v1/projects/site", "/api/v1/events"):
        assert secret not in json.dumps(site.m.get(path)).encode()
    for found in (site.folder / ".muelle").rglob("*"):
        if found.is_file():
            text = found.read_bytes().replace(b"\n", b"").replace(b"\\n", b"")
            assert secret not in text and b"PRIVATE KEY" not in text, found


def test_stapled_responses_come_from_their_file(site):
    site.pki.issue("a", "a.test")
    (site.folder / "index.txt").write_text("")
    serial = subprocess.run(["openssl", "x509", "-in", "a.crt", "-noout", "-serial"], cwd=site.folder,
                            capture_output=True, check=True).stdout.decode().strip().split("=")[1]
    (site.folder / "index.txt").write_text(f"V\t400101000000Z\t\t{serial}\tunknown\t/CN=a.test\n")
    openssl(site.folder, "ocsp", "-index", "index.txt", "-CA", "ca.crt", "-rsigner", "ca.crt", "-rkey", "ca.key",
            "-issuer", "ca.crt", "-cert", "a.crt", "-respout", "a.ocsp", "-ndays", "3", "-noverify")
    site.up("{certificates: [{cert: a.crt, key: a.key, ocsp: a.ocsp}]}")
    out = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-servername", "a.test", "-status"],
                         input=b"", capture_output=True, timeout=20).stdout.decode()
    assert "OCSP Response Status: successful" in out and "Cert Status: good" in out
    (site.folder / "a.ocsp").write_bytes(b"nothing")
    result = site.m.cli("reload", check=False)
    assert result.returncode != 0 and "a.ocsp" in result.stderr


SCHEME_APP = """
import os, socket, ssl, threading
import h2.config, h2.connection, h2.events
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("up.crt", "up.key")
context.set_alpn_protocols(["h2"])
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))

def talk(plain):
    connection = context.wrap_socket(plain, server_side=True)
    peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    peer.initiate_connection()
    connection.sendall(peer.data_to_send())
    while data := connection.recv(65536):
        for event in peer.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                head = dict(event.headers)
                call = head[":path"].startswith("/grpc.health")
                peer.send_headers(event.stream_id, [(":status", "200")] + [("content-length", "5")] * (not call))
                said = b"\\0\\0\\0\\0\\2\\10\\1" if head[":scheme"] == "https" else b""
                peer.send_data(event.stream_id, said if call else head[":scheme"].encode(), end_stream=not call)
                if call:
                    peer.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
        connection.sendall(peer.data_to_send())

while True:
    threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
"""


def test_services_are_told_the_scheme_of_their_connection(site):
    """RFC 9113 8.3.1: https where it is TLS, requests and health checks; whatever the client's is."""
    site.pki.issue("up", "up.test")
    site.m.write("app.py", SCHEME_APP)
    site.m.write("muelle.yaml", f"""
name: site
gateway: {{ listen: ["http://127.0.0.1:{site.plain}"], admin: false }}
services:
  web:
    command: {sys.executable} -u app.py
    healthcheck: {{ grpc: "" }}
    routes: [{{path: /}}]
    traffic: {{ protocol: http2, tls: {{ca: ca.crt, server_name: up.test}} }}
""")
    result = site.m.cli("up", "-d", "--wait", check=False)
    assert result.returncode == 0, result.stderr
    with socket.create_connection(("127.0.0.1", site.plain), timeout=10) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(s)[2] == b"https"


def test_the_authority_issues_for_names(site):
    env = {"MUELLE_CA_DIR": str(site.folder / "dev")}
    shown = site.m.cli("cert", env=env).stdout
    assert "To trust it" in shown and "SHA-256" in shown
    told = json.loads(site.m.cli("cert", "--json", env=env).stdout)
    assert told["authority"] == str(site.folder / "dev" / "ca.crt") and told["fingerprint_sha256"] in shown
    pair = json.loads(site.m.cli("cert", "--json", "--out", str(site.folder), "a.test", "*.w.test", "192.0.2.1", env=env).stdout)
    assert os.stat(pair["key"]).st_mode & 0o777 == 0o600
    site.m.cli("cert", "--client", "--out", str(site.folder), "bob", env=env)
    new = site.folder / "keys/of"
    pair_there = json.loads(site.m.cli("cert", "--json", "--out", f"{new}/", "c.test", env=env).stdout)
    assert pair_there == {"cert": f"{new}/c.test.crt", "key": f"{new}/c.test.key"} and new.stat().st_mode & 0o777 == 0o700
    refused = site.m.cli("cert", "--out", f"{site.folder}/ca.crt", "c.test", env=env, check=False)
    assert refused.returncode == 1 and f"the folder {site.folder}/ca.crt cannot be made" in refused.stderr
    for name, purpose in (("a.test", "sslserver"), ("bob", "sslclient")):
        openssl(site.folder, "verify", "-purpose", purpose, "-x509_strict", "-CAfile", "dev/ca.crt", f"{name}.crt")
    assert site.m.cli("cert", "a b", env=env, check=False).returncode == 2
    site.up("{certificates: [{cert: a.test.crt, key: a.test.key}], client_ca: dev/ca.crt}")
    context = site.context("dev/ca.crt")
    context.load_cert_chain(site.folder / "bob.crt", site.folder / "bob.key")
    for name in ("a.test", "x.w.test"):
        assert site.get(name=name, context=context)[0] == 200


SECURE_APP = APP.replace("http.server.ThreadingHTTPServer(", "server = http.server.ThreadingHTTPServer(").replace(".serve_forever()", """
import ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("up.crt", "up.key")
context.load_verify_locations("ca.crt")
context.verify_mode = ssl.CERT_REQUIRED if os.environ.get("ASK") else ssl.CERT_NONE
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()""")


def test_services_are_reached_by_tls(site):
    site.pki.issue("up", "up.test")
    site.pki.issue("gateway", "gateway")
    site.m.write("app.py", SECURE_APP)

    def up(tls, ask="", wait=True):
        site.m.write("muelle.yaml", f"""
name: site
gateway: {{ listen: ["http://127.0.0.1:{site.plain}"], admin: false }}
services:
  web:
    command: python3 -u app.py
    environment: {{ ASK: "{ask}" }}
    healthcheck: {{ http: /healthz }}
    routes: [{{path: /}}]
    traffic: {{ tls: {tls} }}
""")
        return site.m.cli("up", "-d", *["--wait"] * wait, check=False)

    def get(path="/"):
        with socket.create_connection(("127.0.0.1", site.plain), timeout=10) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            return read_answer(s)

    def works(want):
        return wait_until(lambda: (get()[0] == 200) == want, what=f"answers: {want}")

    up("{ca: ca.crt, server_name: up.test}")
    works(True)
    assert get("/?size=3000000")[2] == b"x" * 3000000
    with socket.create_connection(("127.0.0.1", site.plain), timeout=10) as s:
        for _ in range(100):
            assert site.get(sock=s)[0] == 200
    up("{ca: ca.crt}", wait=False)  # the certificate is not for localhost
    works(False)
    up("{verify: false}")
    works(True)
    # One that asks for a certificate is well only by a probe that shows one, as requests do.
    result = up("{ca: ca.crt, server_name: up.test, cert: gateway.crt, key: gateway.key}", ask="1")
    assert result.returncode == 0, result.stderr
    works(True)
    result = up("{ca: nowhere.crt}")
    assert result.returncode != 0 and "nowhere.crt" in result.stderr
    result = up("{cert: gateway.crt}")
    assert result.returncode != 0 and "belong together" in result.stderr


def test_connections_to_a_service_resume(site):
    """Each answer ends its connection: the next one resumes with the ticket of one before."""
    site.pki.issue("up", "up.test")
    app = SECURE_APP.replace("json.dumps({k.lower(): v for k, v in self.headers.items()}).encode()",
                             "str(self.connection.session_reused).encode()")
    assert app != SECURE_APP
    site.m.write("app.py", app.replace('protocol_version = "HTTP/1.1"', 'protocol_version = "HTTP/1.0"'))
    site.m.write("muelle.yaml", f"""
name: site
gateway: {{ listen: ["http://127.0.0.1:{site.plain}"], admin: false, threads: 1 }}
services:
  web:
    command: python3 -u app.py
    healthcheck: {{ http: /healthz }}
    routes: [{{path: /}}]
    traffic: {{ tls: {{ ca: ca.crt, server_name: up.test }} }}
""")
    site.m.cli("up", "-d", "--wait")

    def reused():
        with socket.create_connection(("127.0.0.1", site.plain), timeout=10) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return read_answer(s)[2]

    wait_until(lambda: reused() == b"True", what="the first ticket")
    assert [reused() for _ in range(10)] == [b"True"] * 10
    site.m.cli("restart", "web")  # another process: other keys
    wait_until(lambda: refused_or(reused) == b"True", what="the next ticket")


def refused_or(ask):
    try:
        return ask()
    except (OSError, AssertionError, AttributeError):
        return None


def figures(site):
    edge = site.m.get("/api/metrics")["edge"]
    return {name: edge["tls_" + name] for name in ("handshakes", "resumed", "failed")}


def test_handshakes_are_counted_and_plain_http_is_told_so(site):
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}]}")
    for said in (b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", b"POST /" + b"x" * 9000):
        with socket.create_connection(("127.0.0.1", site.port), timeout=10) as s:
            s.sendall(said)
            answer = b"".join(iter(lambda: s.recv(65536), b""))
            assert answer.startswith(b"HTTP/1.1 400 ") and b"https://" in answer
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as s:
        s.sendall(b"\x00nothing")
        assert s.recv(100) in (b"", b"\x15\x03\x01\x00\x02\x02\x46")
    old = site.context()
    old.set_ciphers("AES128-SHA")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        site.connect(context=old)
    with pytest.raises(ssl.SSLError):  # the client refuses: it knows no such authority
        site.connect(context=ssl.create_default_context())
    socket.create_connection(("127.0.0.1", site.port)).close()  # somebody looks whether the port is open
    context = site.context(maximum_version=ssl.TLSVersion.TLSv1_2)
    with site.connect(context=context) as s:
        site.get(sock=s)
        session = s.session
    with site.connect(context=context, session=session) as s:
        site.get(sock=s)
        assert s.session_reused
    site.get()
    reset_amid_handshake(site)
    with socket.create_connection(("127.0.0.1", site.port)) as s:
        s.sendall(b"\x16\x03\x01\x02\x00\x01\x00")  # a hello that is cut
    wait_until(lambda: figures(site) == {"handshakes": 3, "resumed": 1, "failed": 7}, what=f"{figures(site)}")


class Handshake:
    """One whose hello was answered, and which goes on when it is told to."""

    def __init__(self, site):
        self.inward, self.outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = site.context().wrap_bio(self.inward, self.outward, server_hostname="a.test")
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        self.socket = socket.create_connection(("127.0.0.1", site.port), timeout=10)
        assert self.step()

    def step(self):
        """Sends what there is to send, and takes something; nothing at the end."""
        self.socket.sendall(self.outward.read())
        data = self.socket.recv(65536)
        self.inward.write(data)
        return data

    def do(self, what):
        while True:
            try:
                return what()
            except ssl.SSLWantReadError:
                assert self.step()

    def ask(self):
        """The rest of it, and the status of an answer."""
        self.do(self.tls.do_handshake)
        self.tls.write(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        self.socket.sendall(self.outward.read())
        status = self.do(lambda: self.tls.read(65536)).split()[1]
        self.socket.close()
        return int(status)

    def is_over(self):
        """It was ended by the other side."""
        try:
            return not self.step()
        except ConnectionError:
            return True


def reset_amid_handshake(site):
    """Says hello, and cuts the connection when it is answered."""
    with Handshake(site).socket as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_handshake_that_stands_still_makes_room_and_has_not_failed(site):
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}]}", more="threads: 1, limits: { connections: 4 }")
    oldest, *others = [Handshake(site) for _ in range(4)]
    time.sleep(0.5)  # who came within 250 ms stays
    assert Handshake(site).ask() == 200
    assert oldest.is_over()
    assert [handshake.ask() for handshake in others] == [200] * 3
    wait_until(lambda: figures(site) == {"handshakes": 4, "resumed": 0, "failed": 0}, what=f"{figures(site)}")
    assert site.m.get("/api/metrics")["edge"]["limit_connections"] == 1


def test_handshakes_under_way_end_well_in_the_edge_that_is_replaced(site):
    """They have half a second for the rest and their first request; who says no more has not failed."""
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}]}")
    statuses, done, still = [], threading.Event(), Handshake(site)

    def clients():
        while not done.is_set():
            try:
                handshake = Handshake(site)
                time.sleep(0.05)
                statuses.append(handshake.ask())
            except (OSError, AssertionError) as error:
                statuses.append(repr(error))
    threads = [threading.Thread(target=clients) for _ in range(4)]
    for thread in threads:
        thread.start()
    site.m.cli("upgrade")
    time.sleep(0.5)
    done.set()
    for thread in threads:
        thread.join()
    assert len(statuses) > 20 and set(statuses) == {200}
    assert still.is_over()
    assert figures(site)["failed"] == 0
