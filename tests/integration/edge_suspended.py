# SPDX-License-Identifier: Apache-2.0
"""Every test of the edge once more, with a filter that suspends at each stage of each request."""
import pytest

import edge_peer
from edge_http import *  # noqa: F401,F403
from edge_services import *  # noqa: F401,F403
from edge_trailers import *  # noqa: F401,F403


@pytest.fixture(autouse=True)
def suspended(monkeypatch):
    monkeypatch.setattr(edge_peer, "DRIVER_ARGS", ["--suspend"])
