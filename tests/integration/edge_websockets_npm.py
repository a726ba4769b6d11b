# SPDX-License-Identifier: Apache-2.0
"""The npm library `ws` (tests/lib/ws_peer.cjs) on both sides of WebSockets: through HTTP/1 and TLS, to services with and without
TLS, frames read and unread."""
import os
import subprocess
from pathlib import Path

import pytest

from gateway_tls import Pki
from muelle import ROOT, free_port
from npm import npm_modules  # noqa: F401

PEER = ROOT / "tests" / "lib" / "ws_peer.cjs"
NAMES = ["messages", "fragments", "pings", "codes", "cuts", "limits", "protocols", "many", "pauses"]


@pytest.fixture
def gate(muelle, npm_modules):
    muelle.port, muelle.tls = free_port(), free_port()
    pki = Pki(muelle.folder)
    pki.issue("a", "unread.test", "read.test", "localhost")
    muelle.node = {"NODE_PATH": str(npm_modules), "NODE_EXTRA_CA_CERTS": str(Path(muelle.folder) / "ca.crt")}
    muelle.env.update(muelle.node)
    muelle.write("muelle.yaml", f"""
name: ws
gateway:
  admin: false
  threads: 2
  listen: [ "http://127.0.0.1:{muelle.port}", "https://127.0.0.1:{muelle.tls}" ]
  tls: {{ certificates: [ {{ cert: a.crt, key: a.key }} ] }}
services:
  plain: &plain
    command: [ node, {PEER}, server ]
    environment: {{ NODE_PATH: "{npm_modules}" }}
    routes: [ {{ host: unread.test }}, {{ host: read.test, websocket: {{ check: frames, max_message: 64m }} }} ]
  secure:
    <<: *plain
    environment: {{ NODE_PATH: "{npm_modules}", CERT: "{muelle.folder}/a.crt", KEY: "{muelle.folder}/a.key" }}
    traffic: {{ tls: {{ ca: ca.crt, server_name: localhost }} }}
    routes: [ {{ host: unread.test, path: /tls }}, {{ host: read.test, path: /tls, websocket: {{ check: frames, max_message: 64m }} }} ]
""")
    muelle.up()
    return muelle


@pytest.mark.parametrize("path", ["/", "/tls/"], ids=["plain service", "TLS service"])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("host", ["unread.test", "read.test"])
def test_a_library_that_most_use_is_at_home_on_both_ends(gate, host, scheme, path):
    port = gate.port if scheme == "ws" else gate.tls
    done = subprocess.run(["node", PEER, "client", f"{scheme}://{host}:{port}{path}"], env={**os.environ, **gate.node}, text=True,
                          capture_output=True, timeout=120)
    assert done.stdout.split() == [word for name in NAMES for word in ("ok", name)], done.stderr
