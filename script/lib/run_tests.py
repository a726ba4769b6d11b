# SPDX-License-Identifier: Apache-2.0
"""Runs the stages of script/test and adds up what passed and failed.

A stage is a function that returns (passed, failed, skipped). Each prints one line when it is well, and the
output of what failed when it is not. The stages here run always; those of full_stages.py only with --full, or
by name.
"""
import argparse
import concurrent.futures
import sys
import time

import full_stages
from runner import JOBS, ROOT, add, build, pytest, run, run_tap, tap_stage

SIM_SEEDS, SIM_SHARE = 4000, 250  # of the long form: so many seeds, in processes of so many


def unit(options, names):
    build("build-asan", "-Db_sanitize=address,undefined", "-Doptimization=1")
    return tap_stage("build-asan", lambda t: not t["name"].startswith("sim/"), names)


def sim(options, names):
    build("build")
    counts = tap_stage("build", lambda t: t["name"].startswith("sim/"), names)
    return add(counts, sim_long()) if options.full else counts


def sim_long():
    """Many seeds; what fails is printed with its seed."""
    counts = (0, 0, 0)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        command = [str(ROOT / "build/tests/sim/sim"), "--seeds", str(SIM_SHARE), "--from"]
        for *part, output in pool.map(run_tap, [[*command, str(n)] for n in range(1, SIM_SEEDS, SIM_SHARE)]):
            counts = add(counts, part)
            if part[1]:
                print("\n".join(line for line in output.split("\n") if not line.startswith("ok "))[-5000:])
    return counts


def integration(options, names):
    build("build")
    # they wait more than they compute
    return pytest(["tests/integration"], names, processes=JOBS + 1)


def chaos(options, names):
    build("build")
    return pytest(["tests/chaos"], names, {"CHAOS_LONG": "1"} if options.full else {})


def e2e(options, names):
    build("build")
    return pytest(["tests/e2e"], names)


def tidy(options, names):
    result = run(["script/tidy"])
    if result.returncode != 0:
        print(result.stdout[-6000:])
    return (1, 0, 0) if result.returncode == 0 else (0, 1, 0)


def fuzz(options, names):
    seconds = "600" if options.full else "3"
    result = run(["script/fuzz", "--seconds", seconds, *names])
    if result.returncode != 0:
        print(result.stdout[-6000:])
    return (1, 0, 0) if result.returncode == 0 else (0, 1, 0)


QUICK = {"tidy": tidy, "unit": unit, "sim": sim, "integration": integration, "chaos": chaos, "e2e": e2e, "fuzz": fuzz}
STAGES = {**QUICK, **full_stages.STAGES}


def chosen(options):
    if options.stage:
        return {options.stage: STAGES[options.stage]}
    return STAGES if options.full else QUICK


def main():
    parser = argparse.ArgumentParser(prog="script/test")
    parser.add_argument("--full", action="store_true", help="all stages, and the long form of those that have one")
    parser.add_argument("stage", nargs="?", choices=STAGES, help="only this stage")
    parser.add_argument("names", nargs="*", help="of the stage, what these select")
    options, rest = parser.parse_known_args()
    total = (0, 0, 0)
    for name, stage in chosen(options).items():
        start = time.monotonic()
        counts = stage(options, options.names + rest)
        total = add(total, counts)
        print(f"{name:12} {counts[0]:5} passed {counts[1]:4} failed {counts[2]:4} skipped   "
              f"{time.monotonic() - start:6.1f} s", flush=True)
    passed, failed, skipped = total
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
