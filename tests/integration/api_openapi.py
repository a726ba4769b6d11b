# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document: valid for spectral and redocly, and true: prism compares live answers with it."""
import http.client
import json
import os
import subprocess
from pathlib import Path

import pytest

from muelle import Muelle, free_port, wait_until
from npm import TOOLS, npm_modules  # noqa: F401


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with Muelle(tmp_path_factory.mktemp("openapi")) as m:
        m.admin = free_port()
        m.write("muelle.yaml", f"""
name: shop
gateway: {{ listen: [ "http://127.0.0.1:{free_port()}" ], admin: "http://127.0.0.1:{m.admin}" }}
services:
  web:
    command: /usr/bin/python3 -m http.server $PORT --bind 127.0.0.1
    routes: [ {{ host: shop.localhost, path: / }} ]
  job: {{ command: sh -c "echo done; exit 3", restart: "no" }}
""")
        m.cli("up", "-d")
        wait_until(lambda: all(r["state"] in ("running", "crashed", "completed", "stopped") for r in m.ps()), what="services")
        m.token = (m.state / "run" / "token").read_text().strip()
        document = m.get("/api/openapi.json")
        m.document = Path(m.folder) / "openapi.json"
        m.document.write_text(json.dumps(document, indent=1))
        yield m


def test_every_operation_says_everything(shop):
    document = json.loads(shop.document.read_text())
    assert document["openapi"].startswith("3.1")
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["operationId"] and operation["summary"] and operation["x-description-es"], (path, method)
            assert set(operation["responses"]) >= {"4XX", "5XX"}, (path, method)
            names = [p["name"] for p in operation["parameters"]]
            assert len(names) == len(set(names)), (path, method)
            for part in path.split("/"):
                assert not part.startswith("{") or part[1:-1] in names, (path, method)


def test_spectral_finds_nothing(shop, npm_modules):
    result = subprocess.run([npm_modules / ".bin" / "spectral", "lint", shop.document, "-r", TOOLS / ".spectral.yaml",
                             "--fail-severity=warn"], text=True, capture_output=True)
    assert result.returncode == 0, result.stdout


def test_redocly_finds_nothing(shop, npm_modules):
    result = subprocess.run([npm_modules / ".bin" / "redocly", "lint", shop.document, "--format=json", "--max-problems=50"], text=True,
                            capture_output=True, cwd=shop.folder, env={**os.environ, "REDOCLY_TELEMETRY": "off"})
    problems = json.loads(result.stdout)["problems"]
    assert result.returncode == 0 and problems == [], problems


@pytest.fixture(scope="module")
def prism(shop, npm_modules):
    """A proxy that checks what passes; with --errors it answers 500 when something does not fit."""
    port = free_port()
    process = subprocess.Popen([npm_modules / ".bin" / "prism", "proxy", shop.document, f"http://127.0.0.1:{shop.admin}", "--errors",
                                "-h", "127.0.0.1", "-p", str(port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for line in process.stdout:
            if b"listening" in line:
                break
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("method, path, body, statuses", [
    ("GET", "/api/v1/instance", None, {200}),
    ("GET", "/api/v1/projects", None, {200}),
    ("GET", "/api/v1/projects/shop", None, {200}),
    ("GET", "/api/v1/projects/nope", None, {404}),
    ("GET", "/api/v1/projects/shop/config", None, {200}),
    ("GET", "/api/v1/projects/shop/services", None, {200}),
    ("GET", "/api/v1/projects/shop/services?limit=1", None, {200}),
    ("GET", "/api/v1/projects/shop/services/web", None, {200}),
    ("GET", "/api/v1/projects/shop/services/job", None, {200}),
    ("GET", "/api/v1/projects/shop/services/nope", None, {404}),
    ("GET", "/api/v1/projects/shop/replicas", None, {200}),
    ("GET", "/api/v1/projects/shop/routes", None, {200}),
    ("GET", "/api/v1/projects/shop/logs?tail=10", None, {200}),
    ("GET", "/api/v1/projects/shop/logs?service=web&service=job", None, {200}),
    ("GET", "/api/v1/events?limit=500", None, {200}),
    ("GET", "/api/mappings", None, {200}),
    ("GET", "/api/metrics", None, {200}),
    ("GET", "/healthz", None, {200}),
    ("GET", "/readyz", None, {200}),
    ("POST", "/api/v1/projects/shop/services/web/restart", None, {200}),
    ("POST", "/api/v1/projects/shop/services/web/scale", {"replicas": 2}, {200}),
    ("POST", "/api/v1/projects/shop/services/web/reset", None, {200}),
    ("POST", "/api/v1/projects/shop/services/web/stop", None, {200}),
    ("POST", "/api/v1/projects/shop/services/web/start", None, {200}),
    ("POST", "/api/v1/projects/shop/reload", None, {200}),
    ("POST", "/api/v1/projects", {"files": ["/nowhere/muelle.yaml"]}, {422}),
])
def test_answers_are_what_the_document_says(shop, prism, method, path, body, statuses):
    connection = http.client.HTTPConnection("127.0.0.1", prism, timeout=20)
    headers = {"Authorization": f"Bearer {shop.token}", "Accept": "application/json"}
    data = None
    if body is not None:
        headers["Content-Type"] = "application/json"
        data = json.dumps(body)
    connection.request(method, path, data, headers)
    response = connection.getresponse()
    text = response.read().decode()
    assert "sl-violations" not in response.headers, (response.headers["sl-violations"], text)
    assert response.status in statuses, text
