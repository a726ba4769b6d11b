# SPDX-License-Identifier: Apache-2.0
"""`gateway.tls.light`: every test of TLS once more with it, then what only it can break: keys that change, HTTP/2 over it,
strangers, scanners, upgrades, and the memory that it is there for.
"""
import re
import resource
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

import gateway_tls
from gateway_tls import *  # noqa: F401,F403
from muelle import wait_until


class LightSite(gateway_tls.Site):
    def up(self, tls, *args, **options):
        inside = tls.strip()[1:-1].strip()
        return super().up("{light: true" + (", " + inside if inside else "") + "}", *args, **options)


@pytest.fixture
def site(muelle):
    return LightSite(muelle)


@pytest.fixture
def ready(site):
    site.pki.issue("a", "a.test")
    site.up("{certificates: [{cert: a.crt, key: a.key}]}")
    return site


SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


class Client:
    """openssl s_client, which changes keys when it is told to."""

    def __init__(self, site, *args):
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-servername", "a.test", "-CAfile", "ca.crt", *args],
            cwd=site.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.seen = b""
        self.until(b"Verify return code: 0 (ok)")

    def until(self, what, count=1):
        while self.seen.count(what) < count:
            got = self.process.stdout.read1(65536)
            assert got, self.seen.decode(errors="replace")
            self.seen += got

    def say(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()
        time.sleep(0.05)  # a command is one only at the beginning of what it reads

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stdin.close()


@pytest.mark.parametrize("suite", SUITES)
def test_openssl_changes_keys_between_requests(ready, suite):
    with Client(ready, "-ciphersuites", suite) as client:
        for count in range(1, 8):
            client.say(b"GET /?size=10 HTTP/1.1\r\nHost: a.test\r\n\r\n")
            client.until(b"x" * 10, count)
            client.say(b"K\n" if count % 2 else b"k\n")
            client.until(b"KEYUPDATE", count)
        assert suite.encode() in client.seen


def test_every_suite_and_each_version_by_curl(ready):
    for args in (["--tlsv1.3", "--tls13-ciphers", suite] for suite in SUITES):
        out = subprocess.run(["curl", "-sS", "--http1.1", "--cacert", "ca.crt", "--resolve", f"a.test:{ready.port}:127.0.0.1", *args,
                              f"https://a.test:{ready.port}/?size=300000"], cwd=ready.folder, capture_output=True)
        assert out.stdout == b"x" * 300000, out.stderr
    out = subprocess.run(["curl", "-sS", "--tls-max", "1.2", "--cacert", "ca.crt", "--resolve", f"a.test:{ready.port}:127.0.0.1",
                          f"https://a.test:{ready.port}/?size=300000"], cwd=ready.folder, capture_output=True)
    assert out.stdout == b"x" * 300000, out.stderr


def test_http2_is_spoken_over_it(ready):
    url = f"https://a.test:{ready.port}/?size=70000"
    out = subprocess.run(["curl", "-sS", "--http2", "-w", "%{http_version}", "--cacert", "ca.crt", "--resolve", f"a.test:{ready.port}:127.0.0.1",
                          url, url], cwd=ready.folder, capture_output=True)
    assert out.stdout == (b"x" * 70000 + b"2") * 2, out.stderr
    out = subprocess.run(["h2load", "-n200", "-c4", "-m8", f"https://127.0.0.1:{ready.port}/?size=20000", "-H", ":authority: a.test"],
                         capture_output=True, text=True, timeout=60)
    assert "200 succeeded, 0 failed" in out.stdout, out.stdout
    assert "TLSv1.3" in out.stdout and "h2" in out.stdout


def test_a_record_that_was_changed_ends_the_connection_with_an_alert(ready):
    """A stranger on the way turns one bit of what the client sends."""
    for at in (0, 1, 4, 5, 20, -1):
        with socket.create_server(("127.0.0.1", 0)) as way:
            client = socket.create_connection(way.getsockname())
            near, _ = way.accept()
        far = socket.create_connection(("127.0.0.1", ready.port))
        context = ready.context(minimum_version=ssl.TLSVersion.TLSv1_3)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="a.test")
        client.close(), near.close()
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                far.sendall(outgoing.read())
                incoming.write(far.recv(65536))
        tls.write(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        flight = bytearray(outgoing.read())
        finished = int.from_bytes(flight[3:5], "big") + 5
        if flight[0] == 20:  # change_cipher_spec, then Finished
            finished += int.from_bytes(flight[finished + 3:finished + 5], "big") + 5
        place = at if at < 0 else finished + at
        flight[place] ^= 1
        far.sendall(flight)
        far.settimeout(10)
        if at == 4:
            far.sendall(b"\0" * 300)  # it waits for a longer one
        with pytest.raises(ssl.SSLError, match="(?i)alert (bad record mac|unexpected message|record overflow)"):
            while got := far.recv(65536):
                incoming.write(got)
                try:
                    assert not tls.read(65536)
                except ssl.SSLWantReadError:
                    pass
        far.close()


def test_connections_outlive_a_change_of_the_switch(ready):
    with ready.connect() as light:
        assert ready.get(sock=light)[0] == 200
        gateway_tls.Site.up(ready, "{certificates: [{cert: a.crt, key: a.key}]}")
        with ready.connect() as heavy:
            for _ in range(5):
                assert ready.get(sock=light)[0] == 200 and ready.get(sock=heavy)[0] == 200
            ready.up("{certificates: [{cert: a.crt, key: a.key}]}")
            for _ in range(5):
                assert ready.get(sock=light)[0] == 200 and ready.get(sock=heavy)[0] == 200


def test_an_upgrade_drains_them_as_it_does_without(ready):
    s = ready.connect()
    assert ready.get(sock=s)[0] == 200
    before = ready.m.pid("edge")
    ready.m.cli("upgrade")
    wait_until(lambda: ready.m.pid("edge") not in (None, before), what="the next edge")
    assert ready.get()[0] == 200
    s.settimeout(10)
    try:
        assert ready.get(sock=s)[0] == 200  # the answer that ends it, or
    except (AssertionError, OSError):
        pass                                # it ended while it was idle
    s.close()


def rss(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024


def test_an_idle_connection_costs_a_tenth(ready):
    """1.5 KB with it; OpenSSL's own are 14 KB. The figure itself is measured by bench/idle.py."""
    count = 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[0]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    pid = ready.m.pid("edge")
    context = ready.context()

    def some(n):
        return [ready.connect(context=context) for _ in range(n)]

    idle = some(100)
    for s in idle[:20]:
        assert ready.get(sock=s)[0] == 200
    before = rss(pid)
    idle += some(count)
    time.sleep(0.3)
    each = (rss(pid) - before) / count
    for s in idle:
        s.close()
    assert each <= 2500, each


@pytest.mark.skipif(not shutil.which("sslscan"), reason="sslscan is not installed")
def test_a_scanner_finds_nothing_else_than_without_it(ready):
    out = subprocess.run(["sslscan", "--no-colour", "--sni-name=a.test", f"127.0.0.1:{ready.port}"], capture_output=True, text=True, timeout=120).stdout
    assert re.search(r"TLSv1\.3\s+enabled", out) and re.search(r"TLSv1\.1\s+disabled", out), out
    assert "not vulnerable to heartbleed" in out and "vulnerable to heartbleed" not in out.replace("not vulnerable to heartbleed", "")
    assert "Compression disabled" in out or "OpenSSL version does not support compression" in out, out
    for suite in SUITES:
        assert suite in out, out
