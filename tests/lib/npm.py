# SPDX-License-Identifier: Apache-2.0
"""What tests take from npm: the packages of tests/tools/npm/package-lock.json, installed once, whoever comes first."""
import fcntl
import shutil
import subprocess

import pytest

from muelle import ROOT

TOOLS = ROOT / "tests" / "tools" / "npm"


@pytest.fixture(scope="session")
def npm_modules():
    """The folder node_modules; the programs of the packages are in its .bin."""
    if not shutil.which("npm"):
        pytest.skip("npm is not there")
    modules, text = TOOLS / "node_modules", (TOOLS / "package-lock.json").read_text()
    mark = modules / ".muelle-lock"
    with open(TOOLS / "package.json") as door:
        fcntl.flock(door, fcntl.LOCK_EX)  # files of tests run side by side
        if not mark.exists() or mark.read_text() != text:
            result = subprocess.run(["npm", "ci", "--no-fund", "--no-audit", "--ignore-scripts"], cwd=TOOLS, text=True,
                                    capture_output=True)
            if result.returncode != 0:
                pytest.skip("npm cannot install the tools: " + result.stderr[-300:])
            mark.write_text(text)
    return modules
