# SPDX-License-Identifier: Apache-2.0
"""No server behind the edge sees another request than the edge did (tests/lib/differential.py); longer: script/differential."""
import shutil

import pytest

import differential

PROGRAMS = {"apache": "apache2", "python": "python3"}


@pytest.mark.parametrize("kind", differential.PEERS)
def test_a_server_sees_the_requests_that_the_edge_saw(tmp_path, kind):
    if not shutil.which(PROGRAMS.get(kind, kind)):
        pytest.skip(f"{kind} is not installed")
    tmp_path.chmod(0o755)
    done, requests = differential.run(kind, tmp_path, differential.seed_of_today(), count=200)
    assert done >= 200 and requests >= 100
