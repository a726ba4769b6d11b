# SPDX-License-Identifier: Apache-2.0
"""The fixture that integration, chaos and end-to-end tests share."""
import pytest

from muelle import Muelle


@pytest.fixture
def muelle(tmp_path):
    """An instance in a folder of its own, stopped at the end."""
    with Muelle(tmp_path) as m:
        yield m
