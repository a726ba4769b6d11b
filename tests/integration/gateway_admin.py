# SPDX-License-Identifier: Apache-2.0
"""Dashboard and API over https: the certificate, the link, the cookie, the live stream; and the way from http to https and back."""
import http.client
import json
import re
import socket
import ssl
import subprocess

import pytest

from gateway_tls import Pki
from muelle import free_port, wait_until


class Panel:
    def __init__(self, muelle):
        self.m, self.port, self.folder = muelle, free_port(), muelle.folder
        self.m.env["MUELLE_CA_DIR"] = str(self.folder / "dev")
        self.ca = self.folder / "dev" / "ca.crt"

    def up(self, address=None, extra=""):
        address = address or f"https://127.0.0.1:{self.port}"
        self.m.write("muelle.yaml", f"""
name: site
gateway: {{ listen: [], admin: "{address}", admin_names: [panel.test]{extra} }}
services:
  web: {{ command: sleep 1000 }}
""")
        return self.m.cli("up", "-d", "--wait").stdout

    def token(self, text):
        return re.search(r"/login\?token=(\S+)", text)[1]

    def ask(self, path, method="GET", name="127.0.0.1", context=None, **headers):
        """Status, headers and body, over TLS that was verified against `name`."""
        context = context or ssl.create_default_context(cafile=self.ca)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
        if name != "127.0.0.1":
            connection.sock = context.wrap_socket(self.plain(), server_hostname=name)
        headers = {"Host": f"{name}:{self.port}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        connection.request(method, path, headers=headers, body=headers.pop("body", None))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body

    def plain(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def curl(self, *args):
        return subprocess.run(["curl", "-sS", "--max-time", "10", "--cacert", str(self.ca), *args], capture_output=True, text=True)


@pytest.fixture
def panel(muelle):
    return Panel(muelle)


def test_links_lead_to_https_and_the_cookie_stays_there(panel):
    out = panel.up()
    link = f"https://127.0.0.1:{panel.port}/login?token="
    assert link in out and link in panel.m.cli("status").stdout
    status, headers, _ = panel.ask("/login?token=" + panel.token(out))
    assert status == 303 and headers["location"] == "/"
    cookie = headers["set-cookie"]
    assert "; Secure" in cookie and "; HttpOnly" in cookie and "SameSite=Strict" in cookie
    session = cookie.split(";")[0]
    for name in ("127.0.0.1", "localhost", "panel.test"):  # each verified: admin_names are in the development certificate
        status, _, body = panel.ask("/", name=name)
        assert status == 200 and b"<html" in body
        assert panel.ask("/api/v1/instance", name=name)[0] == 401
        assert json.loads(panel.ask("/api/v1/instance", name=name, Cookie=session)[2])["projects"] == ["site"]
    # A page of the same name by http is another origin.
    for scheme, good in (("https", True), ("http", False)):
        status = panel.ask("/api/v1/projects/site/services/web/start", "POST", Cookie=session, Content_Length="0",
                           Origin=f"{scheme}://127.0.0.1:{panel.port}")[0]
        assert (status == 403) != good and (not good or status < 300), (scheme, status)
    (item,) = panel.m.get("/api/v1/projects/site/certificates")["items"]
    assert item["development"] and "panel.test" in item["names"]


def test_the_live_stream_comes_over_http2(panel):
    token = panel.token(panel.up())
    url = f"https://127.0.0.1:{panel.port}"
    done = panel.curl("-N", "--http2", "-w", "%{http_version}", "-o", "/dev/null", url + "/")
    assert done.stdout == "2", done
    process = subprocess.Popen(["curl", "-sN", "--http2", "--max-time", "30", "--cacert", str(panel.ca), "-H", f"Authorization: Bearer {token}",
                                url + "/api/v1/stream"], stdout=subprocess.PIPE)
    seen = b""
    while b"event: metrics" not in seen:  # the first figures come a second later
        piece = process.stdout.read1(65536)
        assert piece, seen
        seen += piece
    process.kill()
    process.wait()
    process.stdout.close()
    assert b"event: hello" in seen and b"event: service" in seen


def test_an_admin_listener_changes_to_https_and_back(panel):
    out = panel.up(f"http://127.0.0.1:{panel.port}")
    assert f"http://127.0.0.1:{panel.port}/login" in out
    connection = http.client.HTTPConnection("127.0.0.1", panel.port, timeout=10)
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() is not None  # kept open
    out = panel.up()
    assert f"https://127.0.0.1:{panel.port}/login" in out
    wait_until(lambda: panel.curl(f"https://127.0.0.1:{panel.port}/healthz").returncode == 0, what="TLS")
    connection.request("GET", "/healthz")  # what was open keeps its manners
    assert connection.getresponse().status == 200
    connection.close()
    assert panel.curl(f"http://127.0.0.1:{panel.port}/healthz").stdout == "" or "https" in panel.curl(f"http://127.0.0.1:{panel.port}/healthz").stdout
    panel.up(f"http://127.0.0.1:{panel.port}")
    wait_until(lambda: panel.curl(f"http://127.0.0.1:{panel.port}/healthz").returncode == 0, what="plain http")


def test_certificates_and_client_certificates_are_those_of_gateway_tls(panel):
    pki = Pki(panel.folder)
    pki.issue("panel", "panel.test")
    pki.issue("me", "me")
    panel.ca = panel.folder / "ca.crt"
    panel.up(extra=", tls: { certificates: [{cert: panel.crt, key: panel.key}], client_ca: ca.crt, client_certificate: required }")
    context = ssl.create_default_context(cafile=panel.ca)
    context.load_cert_chain(panel.folder / "me.crt", panel.folder / "me.key")
    assert panel.ask("/healthz", name="panel.test", context=context)[0] == 200
    with pytest.raises(OSError):  # an alert, with TLS 1.3 behind the handshake
        panel.ask("/healthz", name="panel.test")


def test_what_is_no_address_for_it_is_refused(panel):
    for address in ("tcp://127.0.0.1:1", "tls://127.0.0.1:1", "https://127.0.0.1", "ftp://127.0.0.1:1", "https://panel.test:1"):
        panel.m.write("muelle.yaml", f"gateway: {{ listen: [], admin: \"{address}\" }}\nservices: {{ web: {{ command: sleep 1 }} }}\n")
        bad = panel.m.cli("check", check=False)
        assert bad.returncode == 5 and "for dashboard and API" in bad.stderr and "https://:7443" in bad.stderr, bad
