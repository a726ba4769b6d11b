# SPDX-License-Identifier: Apache-2.0
"""The stages that only script/test --full runs: what takes minutes, or packages that CI does not need.

Each is a function (options, names) -> (passed, failed, skipped), as in run_tests.py.
"""
import concurrent.futures
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import runner
from runner import JOBS, ROOT

# What runs threads: the edge's workers, the store's and the logs' worker, and what all of them share.
TSAN_INTEGRATION = ["edge_http", "edge_services", "api_stream", "logs_lines", "metrics_scrape", "store_state"]
TSAN_OPTIONS = "halt_on_error=0 exitcode=66 second_deadlock_stack=1"
ANALYZER_SECONDS = 120


def tsan(options, names):
    """Unit tests and the integration tests of what has threads, under gcc's thread sanitizer."""
    folder = "build-tsan"
    runner.build(folder, "-Db_sanitize=thread", "-Doptimization=1")
    env = {"TSAN_OPTIONS": TSAN_OPTIONS}
    counts = runner.tap_stage(folder, lambda t: not t["name"].startswith("sim/"), names, env)
    with tempfile.TemporaryDirectory() as reports:
        # The roles are daemons: what they have to say goes to files.
        env = {"TSAN_OPTIONS": f"{TSAN_OPTIONS} log_path={reports}/tsan", "MUELLE": str(ROOT / folder / "muelle"),
               "MUELLE_BUILD": str(ROOT / folder)}
        chosen = [n for n in TSAN_INTEGRATION if not names or any(w in n for w in names)]
        if chosen:
            files = [f"tests/integration/{name}.py" for name in chosen]
            counts = runner.add(counts, runner.pytest([*files, "-m", "not figures"], [], env, report="tsan"))
        found = sorted(Path(reports).iterdir())
        for path in found[:5]:
            print(path.read_text(errors="replace")[:4000])
        if chosen:
            counts = runner.add(counts, (0, len(found), 0) if found else (1, 0, 0))
    return counts


def clang(options, names):
    """clang 14 builds everything without a warning: the same set as gcc, warnings are errors."""
    os.environ["CC"] = "clang-14"
    try:
        result = runner.run(["script/build", "build-clang"])
    finally:
        del os.environ["CC"]
    if result.returncode != 0:
        print(result.stdout[-6000:])
    return (1, 0, 0) if result.returncode == 0 else (0, 1, 0)


def sources(folder, names):
    """The compile commands of src/ in a build folder: {path: words}."""
    commands = json.loads((ROOT / folder / "compile_commands.json").read_text())
    rows = {}
    for row in commands:
        path = os.path.relpath(os.path.realpath(ROOT / folder / row["file"]), ROOT)
        if path.startswith("src/") and (not names or any(n in path for n in names)):
            rows.setdefault(path, shlex.split(row["command"]))
    return rows


def each_source(folder, names, command_of, seconds=None):
    """Runs a command for each source file: yields (path, result)."""
    rows = sources(folder, names)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        futures = {pool.submit(runner.run, command_of(path, words), cwd=ROOT / folder, timeout=seconds): path
                   for path, words in rows.items()}
        for future in concurrent.futures.as_completed(futures):
            yield futures[future], future


def clang_tidy(options, names):
    """.clang-tidy over src/; a finding is a failure."""
    if clang(options, [])[1]:
        return 0, 1, 0
    passed = failed = 0
    seen = set()
    command = lambda path, words: ["clang-tidy-14", "-p", ".", "--quiet", str(ROOT / path)]
    for path, future in each_source("build-clang", names, command):
        result = future.result()
        passed, failed = (passed + 1, failed) if result.returncode == 0 else (passed, failed + 1)
        for line in result.stdout.split("\n"):
            # what stands in a header is said once
            line = re.sub(r"^\S*?((src|tests)/)", r"\1", line).replace(",-warnings-as-errors", "")
            if re.search(r": (error|warning): .*\]$", line) and line not in seen:
                seen.add(line)
                print(line)
    return passed, failed, 0


def cppcheck(options, names):
    """Debian's cppcheck over src/; what is wrong in it is answered at its line, with the reason."""
    result = runner.run(["cppcheck", "--enable=warning,performance,portability", "--inline-suppr", "--std=c11",
                          "--language=c", "-Isrc", "-D_GNU_SOURCE", "-D__x86_64__", "--quiet", f"-j{JOBS}",
                          "--error-exitcode=1", "--template={file}:{line}: {id}: {message}", "src"])
    if result.returncode != 0:
        print(result.stdout[-6000:])
    return (1, 0, 0) if result.returncode == 0 else (0, 1, 0)


def analyzer(options, names):
    """gcc 12's -fanalyzer, which is wrong too often to fail on: what it says is printed, and counted."""
    runner.build("build")
    said = {}
    late, broken = [], []
    command = lambda path, words: analyzer_command(words)
    for path, future in each_source("build", names, command, ANALYZER_SECONDS):
        try:
            result = future.result()
            if result.returncode != 0:
                broken.append(path)
                print(result.stdout[-500:])
            for line in result.stdout.split("\n"):
                match = re.match(r"^.*?(src/\S+:\d+):\d+: warning: (.*)\[(?:CWE-\d+\] )?\[?(-Wanalyzer\S+)\]$", line)
                if match:
                    said[f"{match[1]}: {match[2].strip()} [{match[3]}]"] = True
        except subprocess.TimeoutExpired:
            late.append(path)
    for line in sorted(said):
        print(f"advice: {line}")
    for path in late:
        print(f"advice: {path}: not analysed within {ANALYZER_SECONDS} s")
    print(f"-fanalyzer: {len(said)} remarks; none of them fails the run")
    return (0, 1, 0) if broken else (1, 0, 0)


def analyzer_command(words):
    """The compile command without its outputs. Without the optimiser, which takes away what is to be found."""
    kept = []
    skip = False
    for word in words:
        if not skip and word not in ("-MD", "-MQ", "-MF", "-o", "-Werror") and not word.startswith(("-O", "-D_FORTIFY")):
            kept.append(word)
        skip = word in ("-MQ", "-MF", "-o")
    return [*kept, "-O0", "-fanalyzer", "-fdiagnostics-plain-output", "-o", "/dev/null"]


def coverage(options, names):
    """The gates of script/coverage, with the integration tests."""
    if shutil.which("llvm-cov-14") is None:
        print("coverage: llvm-cov-14 is missing: script/bootstrap --full")
        return 0, 1, 0
    result = runner.run(["script/coverage", "--integration", "--gate", *names])
    print(result.stdout[-4000:])
    fuzz = runner.run(["script/fuzz", "--coverage"])
    if fuzz.returncode != 0:
        print(fuzz.stdout[-4000:])
    codes = [result.returncode, fuzz.returncode]
    return codes.count(0), len(codes) - codes.count(0), 0


STAGES = {"clang": clang, "clang-tidy": clang_tidy, "cppcheck": cppcheck, "analyzer": analyzer, "tsan": tsan,
          "coverage": coverage}
