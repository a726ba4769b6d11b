# SPDX-License-Identifier: Apache-2.0
"""Runs the stages of script/test and adds up what passed and failed.

A stage is a function that returns (passed, failed, skipped). Each prints one line when it is well, and the
output of what failed when it is not.
"""
import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3"
JOBS = os.cpu_count() or 2
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def run(command, **options):
    return subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
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


def tap_stage(folder, suites, names):
    tests = json.loads(run(["meson", "introspect", folder, "--tests"]).stdout)
    chosen = [t for t in tests if suites(t) and (not names or any(n in t["name"] for n in names))]
    totals = [0, 0, 0]
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        futures = {pool.submit(run_tap, t["cmd"], t["env"]): t for t in chosen}
        for future in concurrent.futures.as_completed(futures):
            *counts, output = future.result()
            totals = [a + b for a, b in zip(totals, counts)]
            if counts[1]:
                print(f"--- {futures[future]['name']} ({folder})\n{output[-5000:]}")
    return totals


def unit(options, names):
    build("build-asan", "-Db_sanitize=address,undefined", "-Doptimization=1")
    return tap_stage("build-asan", lambda t: not t["name"].startswith("sim/"), names)


def sim(options, names):
    build("build")
    return tap_stage("build", lambda t: t["name"].startswith("sim/"), names)


def pytest(folder, names, env=None):
    if not any((ROOT / folder).glob("*.py")):
        return 0, 0, 0
    report = ROOT / "build" / f"pytest-{Path(folder).name}.xml"
    command = [PYTHON, "-m", "pytest", "-q", "-x" if "-x" in names else "--maxfail=50", "--tb=short",
               "-p", "no:cacheprovider", f"--junitxml={report}", folder]
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


def integration(options, names):
    build("build")
    return pytest("tests/integration", names)


def chaos(options, names):
    build("build")
    return pytest("tests/chaos", names, {"CHAOS_LONG": "1"} if options.full else {})


def e2e(options, names):
    build("build")
    return pytest("tests/e2e", names)


def tidy(options, names):
    result = run(["script/tidy"])
    if result.returncode != 0:
        print(result.stdout[-6000:])
    return (1, 0, 0) if result.returncode == 0 else (0, 1, 0)


def fuzz(options, names):
    seconds = "600" if options.full else "5"
    result = run(["script/fuzz", "--seconds", seconds, *names])
    if result.returncode != 0:
        print(result.stdout[-6000:])
    return (1, 0, 0) if result.returncode == 0 else (0, 1, 0)


STAGES = {"tidy": tidy, "unit": unit, "sim": sim, "integration": integration, "chaos": chaos, "e2e": e2e, "fuzz": fuzz}


def main():
    parser = argparse.ArgumentParser(prog="script/test")
    parser.add_argument("--full", action="store_true", help="long chaos and fuzz runs too")
    parser.add_argument("stage", nargs="?", choices=STAGES, help="only this stage")
    parser.add_argument("names", nargs="*", help="of the stage, what these select")
    options, rest = parser.parse_known_args()
    passed = failed = skipped = 0
    for name, stage in STAGES.items():
        if options.stage and name != options.stage:
            continue
        start = time.monotonic()
        counts = stage(options, options.names + rest)
        passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
        print(f"{name:12} {counts[0]:5} passed {counts[1]:4} failed {counts[2]:4} skipped   "
              f"{time.monotonic() - start:6.1f} s", flush=True)
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
