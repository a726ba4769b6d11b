import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from muelle import Muelle  # noqa: E402


@pytest.fixture
def muelle(tmp_path):
    """An instance in a folder of its own, stopped at the end."""
    with Muelle(tmp_path) as m:
        yield m
