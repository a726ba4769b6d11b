# SPDX-License-Identifier: Apache-2.0
"""script/server --check: starts examples/hello as a person would, asks each part over HTTP, stops it, and
fails when a process, a port or a temporary file is left.
"""
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

binary, example = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
state = Path(tempfile.mkdtemp(prefix="muelle-check-"))
common = ["-f", str(example / "muelle.yaml"), "--state-dir", str(state)]


def fetch(port, host, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers={"Host": host})
    response = connection.getresponse()
    return response.status, response.read().decode(errors="replace")


def expect(name, ok, found):
    print(f"  {'ok ' if ok else 'NOT'}  {name}" + ("" if ok else f": found {found!r}"))
    return ok


def alive(pid):
    return Path(f"/proc/{pid}").exists() and ") Z " not in Path(f"/proc/{pid}/stat").read_text()


def muelle(*args):
    return subprocess.run([binary, *args], text=True, capture_output=True, timeout=120)


def main():
    started = time.monotonic()
    up = muelle("up", *common, "-d", "--wait")
    sys.stdout.write(up.stdout)
    if up.returncode:
        sys.exit(f"muelle up failed ({up.returncode}):\n{up.stderr}")
    print(f"up in {(time.monotonic() - started) * 1000:.0f} ms")
    status = json.loads(muelle("status", *common, "--json").stdout)
    run_dir = os.path.realpath(state / "run")
    rows = json.loads(muelle("ps", *common, "--json").stdout)
    pids = [status[role]["pid"] for role in ("keeper", "core", "edge")] + [r["pid"] for r in rows if r["pid"]]
    good = expect("three roles run", all(map(alive, pids[:3])), pids[:3])
    code, body = fetch(8080, "hello.localhost", "/")
    good &= expect("the app answers at http://hello.localhost:8080", code == 200, (code, body[:200]))
    code, body = fetch(7070, "127.0.0.1:7070", "/healthz")
    good &= expect("the dashboard's listener is healthy", code == 200, (code, body[:200]))
    code, body = fetch(7070, "127.0.0.1:7070", "/")
    good &= expect("the dashboard is served", code == 200 and "<html" in body, (code, body[:200]))
    code, _ = fetch(7070, "127.0.0.1:7070", "/api/v1/projects")
    good &= expect("the API refuses a stranger", code == 401, code)
    down = muelle("down", *common)
    good &= expect("down succeeds", down.returncode == 0, down.stderr)
    time.sleep(0.1)
    left = [pid for pid in pids if alive(pid)]
    good &= expect("no process is left", not left, left)
    for port in (8080, 7070):
        try:
            fetch(port, "x", "/")
            good &= expect(f"port {port} is free", False, "an answer")
        except OSError:
            good &= expect(f"port {port} is free", True, "")
    good &= expect("no run folder is left", not os.path.exists(run_dir), os.path.exists(run_dir) and os.listdir(run_dir))
    subprocess.run(["rm", "-rf", str(state)], check=False)
    sys.exit(0 if good else 1)


main()
