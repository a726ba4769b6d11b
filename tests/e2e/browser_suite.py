# SPDX-License-Identifier: Apache-2.0
"""Runs the browser tests (*.test.mjs) and reports each of them, so that script/test counts them one by one.

They drive the real program when it is there (MUELLE, else build/muelle), else the dashboard on its mock.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BINARY = Path(os.environ.get("MUELLE", ROOT / "build" / "muelle"))
FILES = sorted(HERE.glob("*.test.mjs"))
# A title: `test("…"`, `scenario("…"`; those with a variable in them are matched by what stands before it.
TITLE = re.compile(r'^\s*(?:test|scenario)\((["`])(.*?)\1', re.M)
ran = {}


def titles(path):
    return [match[2].split("${")[0] for match in TITLE.finditer(path.read_text())]


def results_of(path):
    """{title: passed} and the output of one file, run once."""
    if path not in ran:
        target = ["--muelle", str(BINARY)] if BINARY.exists() else []
        if not target and not (ROOT / "ui" / "dist" / "index.html").exists():
            subprocess.run(["node", "build.mjs"], cwd=ROOT / "ui", check=True)
        done = subprocess.run(["node", "run.mjs", *target, path.name], cwd=HERE, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
        found = re.findall(r"^(not ok|ok) \d+ - (.*)$", done.stdout, re.M)
        ran[path] = ([(title, word == "ok") for word, title in found], done.stdout)
    return ran[path]


@pytest.mark.parametrize("path,title", [(p, t) for p in FILES for t in titles(p)],
                         ids=lambda value: value.name if isinstance(value, Path) else value)
def test_dashboard(path, title):
    if not shutil.which("node") or not Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists():
        pytest.skip("needs node and Debian's chromium")
    results, output = results_of(path)
    mine = [passed for found, passed in results if found.startswith(title)]
    assert mine and all(mine), output[-6000:]
