"""Runs the parts of the benchmark, prints what they found, and holds the ratcheted figures of budget.json.

A part is a module of this folder with `measure() -> list[Figure]`. A figure that is in the budget fails the run when
it is worse than the budget allows; only figures that do not depend on the machine's speed (instructions, system calls,
allocations, memory, counts) are in the budget.
"""
import argparse
import importlib
import json
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "tests" / "lib")]
os.environ.setdefault("MUELLE", str(ROOT / "build-release" / "muelle"))
os.environ.setdefault("MUELLE_BUILD", str(ROOT / "build-release"))
PARTS = ("services", "edge", "protocols")


@dataclass
class Figure:
    name: str            # "idle.pss_mb"
    value: float
    unit: str
    reach: str = ""      # the goal, as text
    peers: dict = None   # name -> value, measured in the same run
    note: str = ""

    def verdict(self):
        """Of a goal that is a number: "ok" or "missed"."""
        most = re.fullmatch(r"(?:<= )?([\d.]+)", self.reach)
        return "" if not most else "ok" if self.value <= float(most[1]) else "missed"

    def row(self):
        peers = ", ".join(f"{name} {value:g} (x{self.value / value:.2f})" if value else f"{name} –"
                          for name, value in (self.peers or {}).items())
        return f"{self.name:34} {self.value:10.4g} {self.unit:8} {self.reach:20} {self.verdict():6} {peers} {self.note}".rstrip()


def main():
    parser = argparse.ArgumentParser(prog="script/bench")
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"of {', '.join(PARTS)}")
    parser.add_argument("--ratchet", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    budget_file = HERE / "budget.json"
    budget = json.loads(budget_file.read_text())
    print(f"# {platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    figures = []
    for part in options.parts:
        for figure in importlib.import_module(part).measure(Figure):
            figures.append(figure)
            print(figure.row(), flush=True)
    over = [f for f in figures if f.name in budget and f.value > budget[f.name]]
    for figure in over:
        print(f"OVER BUDGET: {figure.name} is {figure.value:g} {figure.unit}, budget {budget[figure.name]:g}")
    if options.ratchet:
        for figure in figures:
            if figure.name in budget and figure.value < budget[figure.name]:
                budget[figure.name] = round(figure.value * 1.02, 4)
        budget_file.write_text(json.dumps(budget, indent=2) + "\n")
    if options.json:
        print(json.dumps([f.__dict__ for f in figures]))
    sys.exit(1 if over else 0)


if __name__ == "__main__":
    main()
