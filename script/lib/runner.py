# SPDX-License-Identifier: Apache-2.0
"""What the stages of script/test share: building, and running TAP programs and pytest."""
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3"
JOBS = len(os.sched_getaffinity(0))
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def run(command, cwd=ROOT, **options):
    return subprocess.run(command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          errors="replace", **options)


def build(folder, *options):
    result = run(["script/build", folder, *options])
    if result.returncode != 0:
        print(result.stdout[-6000:])
        sys.exit(f"build of {folder} failed")


def run_tap(command, env=None):
    """Runs one TAP program: (passed, failed, skipped, output)."""
    try:
        result = run(command, env={**os.environ, **SANITIZERS, **(env or {})}, timeout=600)
        output, code = result.stdout, result.returncode
    except subprocess.TimeoutExpired as late:
        output, code = f"{late.stdout or ''}\n# timed out after 600 s", 1
    oks = re.findall(r"^ok \d+.*$", output, re.M)
    skipped = sum("# SKIP" in line for line in oks)
    failed = len(re.findall(r"^not ok \d+", output, re.M))
    if code != 0 and failed == 0:
        failed = 1  # died outside a test: a leak at exit, or a crash of the harness
    return len(oks) - skipped, failed, skipped, output


def add(one, other):
    return tuple(a + b for a, b in zip(one, other))


def tap_stage(folder, suites, names, env=None):
    """Runs the TAP programs of a build folder that `suites` and the names select."""
    tests = json.loads(run(["meson", "introspect", folder, "--tests"]).stdout)
    chosen = [t for t in tests if suites(t) and (not names or any(n in t["name"] for n in names))]
    totals = (0, 0, 0)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        futures = {pool.submit(run_tap, t["cmd"], {**t["env"], **(env or {})}): t for t in chosen}
        for future in concurrent.futures.as_completed(futures):
            *counts, output = future.result()
            totals = add(totals, counts)
            if counts[1]:
                print(f"--- {futures[future]['name']} ({folder})\n{output[-5000:]}")
    return totals


def pytest(paths, names, env=None, report=None, processes=1):
    """Runs the tests of folders or files in so many processes; those of a file stay together."""
    report = ROOT / "build" / f"pytest-{report or Path(paths[0]).name}.xml"
    report.unlink(missing_ok=True)
    command = [PYTHON, "-m", "pytest", "-q", "-x" if "-x" in names else "--maxfail=50", "--tb=short",
               "-p", "no:cacheprovider", f"--junitxml={report}", *paths]
    if processes > 1:
        command += ["-n", str(processes), "--dist", "loadfile"]
    wanted = [n for n in names if not n.startswith("-")]
    if wanted:
        command += ["-k", " or ".join(wanted)]
    result = run(command, env={**os.environ, **(env or {})})
    if result.returncode not in (0, 5):
        print(result.stdout[-12000:])
    if not report.exists():
        return 0, 1, 0
    suite = next(ET.parse(report).getroot().iter("testsuite"))
    total, skipped = int(suite.get("tests")), int(suite.get("skipped"))
    failed = int(suite.get("failures")) + int(suite.get("errors"))
    if result.returncode not in (0, 5) and failed == 0:
        failed = 1
    return total - skipped - failed, failed, skipped
