# SPDX-License-Identifier: Apache-2.0
"""Who may: the local socket by uid, TCP by token only; Host and Origin; the session cookie."""
import http.client
import os
import stat
import subprocess

import pytest

from muelle import Muelle, free_port


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with Muelle(tmp_path_factory.mktemp("access")) as m:
        m.admin = free_port()
        m.write("muelle.yaml", f"""
name: shop
gateway: {{ listen: [], admin: "http://127.0.0.1:{m.admin}", admin_names: [Panel.example] }}
services: {{ a: {{ command: sleep 1000 }} }}
""")
        m.up()
        m.token = (m.state / "run" / "token").read_text().strip()
        yield m


def tcp(m, method, path, headers=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", m.admin, timeout=10)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    response.content = response.read()
    connection.close()
    return response


def bearer(m):
    return {"Authorization": f"Bearer {m.token}"}


def test_sockets_and_token_are_the_owners_alone(shop):
    for name in ("core.sock", "token"):
        assert stat.S_IMODE(os.stat(shop.state / "run" / name).st_mode) == 0o600, name
    assert len(shop.token) == 43


def test_tcp_needs_the_token_for_everything_but_health_and_pages(shop):
    for path in ("/api/v1/instance", "/api/v1/projects", "/api/v1/projects/shop/logs", "/metrics", "/api/metrics",
                 "/api/v1/events", "/api/mappings", "/api/v1/stream"):
        answer = tcp(shop, "GET", path, {"Accept": "*/*"})
        assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer"), path
        wrong = tcp(shop, "GET", path, {"Authorization": "Bearer " + "x" * 43, "Accept": "*/*"})
        assert wrong.status == 401, path
    assert tcp(shop, "GET", "/api/v1/instance", bearer(shop)).status == 200
    for path in ("/healthz", "/readyz", "/api/openapi.json", "/"):
        assert tcp(shop, "GET", path).status == 200, path


def test_forged_forwarding_does_not_help(shop):
    for headers in ({"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=unix:"}, {"X-Real-IP": "127.0.0.1"}):
        assert tcp(shop, "GET", "/api/v1/instance", headers).status == 401
    # Nor over the local socket: a forwarded request is not the peer's own.
    assert shop.request("GET", "/api/v1/instance", headers={"X-Forwarded-For": "127.0.0.1"})[0] == 401


def test_the_login_link_sets_a_session(shop):
    answer = tcp(shop, "GET", f"/login?token={shop.token}")
    assert answer.status == 303 and answer.headers["Location"] == "/"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    session = {"Cookie": cookie.split(";")[0]}
    assert tcp(shop, "GET", "/api/v1/instance", session).status == 200
    assert tcp(shop, "GET", "/login?token=wrong").status == 401
    end = tcp(shop, "DELETE", "/api/v1/session", session)
    assert end.status == 204 and "Max-Age=0" in end.headers["Set-Cookie"]
    made = tcp(shop, "POST", "/api/v1/session", {"Content-Type": "application/json"}, '{"token":"%s"}' % shop.token)
    assert made.status == 204 and "muelle_session=" in made.headers["Set-Cookie"]


def test_foreign_host_names_are_refused(shop):
    for host in ("evil.example", "localhost.evil.example", f"evil.example:{shop.admin}", "a.panel.example", "xpanel.example"):
        assert tcp(shop, "GET", "/healthz", {"Host": host}).status == 421, host
    for host in ("localhost", f"127.0.0.1:{shop.admin}", "muelle.localhost", f"[::1]:{shop.admin}",
                 "panel.example", f"PANEL.EXAMPLE.:{shop.admin}"):  # gateway.admin_names
        assert tcp(shop, "GET", "/healthz", {"Host": host}).status == 200, host


def test_changes_from_foreign_pages_are_refused(shop):
    path = "/api/v1/projects/shop/services/a/restart"
    own = f"http://127.0.0.1:{shop.admin}"
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{shop.admin}", "http://127.0.0.1:1"):
        assert tcp(shop, "POST", path, {**bearer(shop), "Origin": origin}).status == 403, origin
    assert tcp(shop, "POST", path, {**bearer(shop), "Sec-Fetch-Site": "cross-site"}).status == 403
    assert tcp(shop, "POST", path, {**bearer(shop), "Origin": own, "Sec-Fetch-Site": "same-origin"}).status == 200


def test_exec_works_over_the_local_socket_only(shop):
    path = "/api/v1/projects/shop/services/a/exec"
    headers = {**bearer(shop), "Content-Type": "application/json"}
    assert tcp(shop, "POST", path, headers, '{"command":["true"]}').status == 403
    assert shop.request("POST", path, {"command": ["true"]})[0] == 400  # without descriptors


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_another_user_is_refused_even_past_the_socket_mode(shop):
    run_dir = os.path.realpath(shop.state / "run")
    for path in (run_dir, os.path.dirname(run_dir), os.path.dirname(os.path.dirname(run_dir))):
        os.chmod(path, 0o755)
    os.chmod(run_dir + "/core.sock", 0o666)
    try:
        result = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "curl", "-s", "-o",
                                 "/dev/null", "-w", "%{http_code}", "--unix-socket", run_dir + "/core.sock",
                                 "http://localhost/api/v1/instance"], text=True, stdout=subprocess.PIPE)
        assert result.stdout == "403"
    finally:
        os.chmod(run_dir + "/core.sock", 0o600)


def test_pages_have_a_policy(shop):
    answer = tcp(shop, "GET", "/services/web", {"Accept-Encoding": "br"})
    assert answer.status == 200 and answer.headers["Content-Encoding"] == "br"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["X-Frame-Options"] == "DENY"
    plain = tcp(shop, "GET", "/", {"Accept-Encoding": "identity"})
    assert plain.content.lower().startswith(b"<!doctype html>")
    assert tcp(shop, "GET", "/", {"If-None-Match": plain.headers["ETag"]}).status == 304
    assert tcp(shop, "GET", "/assets/none-00000000.js").status == 404


def test_the_token_outlives_the_core(shop):
    shop.kill("core")
    from muelle import wait_until
    wait_until(lambda: tcp(shop, "GET", "/readyz").status == 200, what="the core's return")
    assert tcp(shop, "GET", "/api/v1/instance", bearer(shop)).status == 200
