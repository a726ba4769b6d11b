# SPDX-License-Identifier: Apache-2.0
"""gateway.threads: what the edge starts with, and what a change of it says."""
import json

import pytest

from muelle import free_port, wait_until


def write(m, threads):
    m.admin = getattr(m, "admin", None) or free_port()
    m.write("muelle.yaml", f"""
name: shop
gateway: {{ listen: [], admin: "http://127.0.0.1:{m.admin}", threads: {threads} }}
services: {{ a: {{ command: sleep 1000 }} }}
""")


@pytest.mark.parametrize("threads", [1, 3])
def test_the_edge_starts_with_the_threads_of_the_file(muelle, threads):
    write(muelle, threads)
    muelle.up()
    assert muelle.status()["edge"]["threads"] == threads


def test_another_number_waits_for_the_next_edge_and_says_so(muelle):
    write(muelle, 1)
    muelle.up()
    write(muelle, 2)
    for command in ("plan", "reload"):
        told = json.loads(muelle.cli(command, "--json").stdout)["warnings"]
        assert [w["code"] for w in told] == ["gateway.threads"], told
        assert "serves with 1 thread until its next start, then with 2" in json.dumps(told) and "muelle upgrade" in json.dumps(told)
    assert "note: the edge serves with 1 thread until its next start" in muelle.cli("plan").stderr
    assert muelle.status()["edge"]["threads"] == 1
    muelle.cli("upgrade")
    wait_until(lambda: muelle.status()["edge"]["threads"] == 2, what="a new edge")
    assert json.loads(muelle.cli("plan", "--json").stdout)["warnings"] == []


def test_more_threads_than_are_counted_are_refused(muelle):
    write(muelle, 17)
    told = muelle.cli("config", check=False)
    assert told.returncode != 0 and "threads" in told.stderr and "16" in told.stderr
