# SPDX-License-Identifier: Apache-2.0
"""Lines of services' output: none lost, none doubled, whatever is killed; what cannot be kept is said."""
import json
import os
import random
import subprocess
import threading
import time

import pytest

from muelle import free_port, wait_until

WRITER = """
import sys, time
total, burst, rest = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
for first in range(0, total, burst):
    sys.stdout.write("".join(f"line {n} {'x' * (n % 60)}\\n" for n in range(first, min(first + burst, total))))
    sys.stdout.flush()
    time.sleep(rest)
sys.stdout.write("all written")   # without a newline
sys.stdout.flush()
time.sleep(3600)
"""


def start(muelle, services):
    muelle.write("muelle.yaml", f"""
name: logs
gateway:
  listen: [ "http://127.0.0.1:{free_port()}" ]
  admin: "http://127.0.0.1:{free_port()}"
services:
{services}
""")
    muelle.up()


def lines_of(muelle, service, query=""):
    """All stored lines, page by page."""
    items, cursor = [], ""
    while True:
        page = muelle.get(f"/api/v1/projects/logs/logs?service={service}&limit=10000{query}"
                          + (f"&cursor={cursor}" if cursor else ""))
        items += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return items


def events_of(muelle, kind):
    return muelle.get(f"/api/v1/events?kind={kind}")["items"]


def has_all(muelle, service, count):
    page = muelle.get(f"/api/v1/projects/logs/logs?service={service}&tail=1")["items"]
    return page and page[-1]["message"].startswith(f"line {count - 1} ")


def check_numbers(items, count):
    numbers = [int(i["message"].split()[1]) for i in items if i["message"].startswith("line ")]
    assert numbers == list(range(count))
    assert [i["time"] for i in items] == sorted(i["time"] for i in items)
    offsets = [i["offset"] for i in items if i["stream"] == "stdout"]
    assert offsets == sorted(set(offsets))


@pytest.mark.parametrize("roles", [[], ["core"], ["keeper", "core", "edge"]], ids=["quiet", "core", "all"])
def test_400000_lines_across_kills(muelle, roles):
    count = 400_000
    muelle.write("writer.py", WRITER)
    start(muelle, f"  writer: {{ command: /usr/bin/python3 writer.py {count} 2000 0.02 }}")
    rng = random.Random(7)
    for _ in range(8 if roles else 0):
        time.sleep(rng.uniform(0.1, 0.6))
        if roles == ["keeper", "core", "edge"]:
            muelle.kill(*rng.sample(roles, rng.randint(1, 2)))  # with all three, who would bring them back?
        else:
            muelle.kill(*roles)
        wait_until(lambda: muelle.cli("status", "--json", check=False).returncode == 0, 10, "coming back")
    wait_until(lambda: has_all(muelle, "writer", count), 60, "the last line")
    check_numbers(lines_of(muelle, "writer"), count)


def test_an_output_that_somebody_removed_is_followed_by_the_next_one(muelle):
    start(muelle, "  w: { command: [sh, -c, 'echo from $$$$; sleep 1000'] }")
    wait_until(lambda: len(lines_of(muelle, "w")) == 1, 10, "the first line")
    (muelle.state / "output/logs/w-1.out").unlink()
    muelle.cli("restart", "w")
    wait_until(lambda: len(lines_of(muelle, "w")) == 2, 10, "the line of the next process")


def test_what_a_killed_writer_left_is_a_line(muelle):
    start(muelle, "  w: { command: 'printf \"a\\nno end\"', restart: 'no' }")
    wait_until(lambda: len(lines_of(muelle, "w")) == 2, 10, "two lines")
    assert [i["message"] for i in lines_of(muelle, "w")] == ["a", "no end"]


def test_bytes_long_lines_and_both_streams(muelle):
    muelle.write("say.py", """
import os, time
os.write(1, b"caf\\xc3\\xa9 \\xff\\xfe \\x00\\x1b[31m\\n")
os.write(2, b"to stderr\\r\\n\\n")
os.write(1, b"y" * 200_000 + b"\\n")
time.sleep(3600)
""")
    start(muelle, "  say: { command: /usr/bin/python3 say.py }")
    wait_until(lambda: sum(len(i["message"]) for i in lines_of(muelle, "say")) > 200_000, 10, "the long line")
    out = lines_of(muelle, "say", "&stream=stdout")
    assert out[0]["message"] == "café \ufffd\ufffd \x00\x1b[31m"
    assert [len(i["message"]) for i in out[1:]] == [65536, 65536, 65536, 200_000 - 3 * 65536]
    assert [i["message"] for i in lines_of(muelle, "say", "&stream=stderr")] == ["to stderr", ""]


def test_search_times_and_tail(muelle):
    muelle.write("writer.py", WRITER)
    start(muelle, "  w: { command: /usr/bin/python3 writer.py 5000 100 0 }")
    wait_until(lambda: has_all(muelle, "w", 5000), 10, "the last line")
    found = lines_of(muelle, "w", "&q=line%204321%20")
    assert len(found) == 1
    assert lines_of(muelle, "w", "&q=nowhere") == []
    middle = found[0]["time"]
    assert len(lines_of(muelle, "w", f"&since={middle}")) < 5000
    tail = muelle.get("/api/v1/projects/logs/logs?tail=3")["items"]
    assert [i["message"].split()[1] for i in tail] == ["4997", "4998", "4999"]
    cli = muelle.logs("w", "--tail", "2")
    assert [set(line) for line in cli] == [{"time", "service", "replica", "stream", "message"}] * 2


def test_following_sees_every_line_once(muelle):
    muelle.write("writer.py", WRITER)
    start(muelle, "  w: { command: /usr/bin/python3 writer.py 30000 50 0.002 }")
    muelle.kill("core")
    wait_until(lambda: muelle.cli("status", "--json", check=False).returncode == 0, 10, "the core")
    follow = subprocess.Popen([str(__import__("muelle").BINARY), "logs", "w", "-f", "--json", "--tail", "100000"],
                              cwd=muelle.folder, env=muelle.env, stdout=subprocess.PIPE, text=True)
    try:
        numbers = []
        timer = threading.Timer(60, follow.kill)
        timer.start()
        for line in follow.stdout:
            message = json.loads(line)["message"]
            numbers.append(int(message.split()[1]))
            if numbers[-1] == 29999:
                break
        timer.cancel()
    finally:
        follow.kill()
        follow.wait()
        follow.stdout.close()
    # The start is the newest page of what was there; from then on nothing is missing.
    assert numbers == list(range(numbers[0], 30000))


def test_a_service_that_truncates_its_own_output_is_noticed(muelle):
    muelle.write("rude.py", """
import os, time
os.write(1, b"before\\n")
time.sleep(0.5)
os.ftruncate(1, 0)
os.write(1, b"after\\n")
time.sleep(3600)
""")
    start(muelle, "  rude: { command: /usr/bin/python3 rude.py }")
    wait_until(lambda: events_of(muelle, "output.truncated"), 10, "the event")
    wait_until(lambda: [i["message"] for i in lines_of(muelle, "rude")][-1:] == ["after"], 10, "the line after")
    messages = [i["message"] for i in lines_of(muelle, "rude")]
    assert messages[0] == "before" and "truncated" in messages[1] and len(messages) == 3


def test_the_output_file_stays_small(muelle):
    muelle.write("writer.py", WRITER)
    start(muelle, "  w: { command: /usr/bin/python3 writer.py 300000 5000 0.01 }")
    wait_until(lambda: has_all(muelle, "w", 300000), 60, "the last line")
    output = muelle.state / "output/logs/w-1.out"
    size = sum(len(f"line {n} ") + n % 60 + 1 for n in range(300000)) + len("all written")
    wait_until(lambda: output.stat().st_size == size, 10, "the last words")
    # One stretch that is not freed yet, the end that never is, and the reserve past it.
    wait_until(lambda: output.stat().st_blocks * 512 < 3_500_000, 10, "freed blocks")
    assert output.stat().st_size == size


def test_outputs_of_a_removed_replica_are_drained_and_removed(muelle):
    muelle.write("writer.py", WRITER)
    start(muelle, "  w: { command: /usr/bin/python3 writer.py 1000 100 0, deploy: { replicas: 2 } }")
    wait_until(lambda: has_all(muelle, "w&replica=2", 1000), 10, "all lines")
    muelle.cli("scale", "w=1")
    wait_until(lambda: not (muelle.state / "output/logs/w-2.out").exists(), 20, "its removal")
    assert (muelle.state / "output/logs/w-1.out").exists()
    check_numbers(lines_of(muelle, "w", "&replica=2"), 1000)


def test_the_budget_of_all_logs_acts_on_reload(muelle):
    muelle.write("much.py", """
import base64, os, time
for n in range(12):  # of random bytes, which packing does not make smaller
    os.write(1, b"".join(base64.b64encode(os.urandom(3000)) + b"\\n" for _ in range(256)))
os.write(1, b"all written\\n")
time.sleep(3600)
""")
    start(muelle, "  w: { command: /usr/bin/python3 much.py }")
    wait_until(lambda: [i["message"] for i in lines_of(muelle, "w")][-1:] == ["all written"], 20, "the last line")
    text = (muelle.folder / "muelle.yaml").read_text()
    stored = lambda: muelle.get("/api/metrics")["logs"]["stored_bytes"]
    muelle.write("muelle.yaml", text + "logging: { max_size: 100m, max_age: 2d }\n")
    plan = muelle.cli("plan", "--json").stdout
    assert [(i["service"], i["action"], i["changes"]) for i in json.loads(plan)["plan"]] == [
        ("w", "unchanged", []), (None, "update", ["logging"])]
    pid = muelle.ps()[0]["pid"]
    muelle.cli("reload")
    wait_until(lambda: stored() > 3_000_000, 10, "sealed files, counted")
    muelle.write("muelle.yaml", text + "logging: { max_size: 1m }\n")
    muelle.cli("reload")
    wait_until(lambda: stored() < 1_048_576, 10, "fewer sealed files")
    assert [i["message"] for i in lines_of(muelle, "w")][-1:] == ["all written"]
    assert muelle.ps()[0]["pid"] == pid
    shown = json.loads(muelle.cli("config", "--json").stdout)
    assert shown["logging"] == {"max_size": "1m"}
    muelle.write("muelle.yaml", text + "logging: { max_size: 1k }\n")
    refused = muelle.cli("reload", check=False)
    assert refused.returncode != 0 and "max_size" in refused.stderr


CAREFUL_WRITER = """
import os, time
for n in range(8000):  # in all less than the reserve of 1 MiB, so no write may fail
    os.write(1, f"line {n} {'x' * (n % 60)}\\n".encode())
    if n % 50 == 0:
        time.sleep(0.02)
time.sleep(3600)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a small file system of its own")
def test_a_full_disk_loses_nothing_and_is_got_over(muelle):
    muelle.state.mkdir()
    muelle.write("writer.py", CAREFUL_WRITER)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", muelle.state], check=False)
    if mounted.returncode != 0:
        pytest.skip("cannot mount a tmpfs here")
    try:
        start(muelle, "  w: { command: /usr/bin/python3 writer.py }")
        ballast = muelle.state / "ballast"
        subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=64k"], capture_output=True, check=False)
        failed = muelle.cli("scale", "w=2", check=False)
        assert failed.returncode != 0 and "No space left" in failed.stderr  # answered, nothing changed
        time.sleep(1.5)
        ballast.unlink()
        wait_until(lambda: has_all(muelle, "w", 8000), 30, "the last line")
        check_numbers(lines_of(muelle, "w"), 8000)
        wait_until(lambda: events_of(muelle, "logs.resumed"), 10, "the event")
        muelle.cli("scale", "w=2")  # the store works again
        wait_until(lambda: len(muelle.ps()) == 2, 10, "two replicas")
    finally:
        muelle.close()
        subprocess.run(["umount", muelle.state], check=True)
