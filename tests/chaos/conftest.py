# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

for folder in ("integration", "lib"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / folder))

from conftest_shared import muelle  # noqa: E402,F401
