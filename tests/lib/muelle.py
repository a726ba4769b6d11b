# SPDX-License-Identifier: Apache-2.0
"""Drives the real muelle binary in a temporary folder, for the integration, chaos and end-to-end tests.

    with Muelle(tmp_path) as m:
        m.write("muelle.yaml", "services: …")
        m.up()                      # muelle up -d --wait
        m.ps(), m.status(), m.get("/api/v1/instance"), m.logs("web")
        m.kill("core")              # SIGKILL by the process id that status names
    # leaving stops all of it and fails when a process is left

Ports come from free_port(); everything lies below tmp_path; nothing is found or ended by name.
"""
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("MUELLE", ROOT / "build" / "muelle"))


given_ports = set()


def port_range():
    """The ports that this process may give: of several that run tests side by side each has its own."""
    count, worker = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")), os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    share = 10000 // count
    return range(10000 + int(worker[2:]) * share, 10000 + (int(worker[2:]) + 1) * share)


def free_port():
    """A port of 127.0.0.1 that nobody has now and that no call before has given: below those that muelle chooses for
    replicas, and below those that the kernel gives to outgoing connections, which could take it before it is used."""
    while True:
        port = random.SystemRandom().choice(port_range())
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in given_ports:
            given_ports.add(port)
            return port


def wait_until(condition, seconds=10.0, what="condition"):
    """Polls until `condition` returns something true, and returns it."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.01)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Muelle:
    def __init__(self, folder=None):
        """Without a folder it makes one and removes it at the end."""
        self.own_folder = folder is None
        self.folder = Path(folder or tempfile.mkdtemp(prefix="mb-"))
        # Unix socket paths end at 107 bytes, and pytest's folders are long.
        self.run = Path(tempfile.mkdtemp(prefix="mu-"))
        self.state = self.folder / ".muelle"
        self.env = {**os.environ, "XDG_RUNTIME_DIR": str(self.run), "NO_COLOR": "1"}
        self.pids = set()
        self.run_dirs = set()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def write(self, name, text, mode=0o644):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def cli(self, *args, check=True, timeout=60, env=None, **options):
        result = subprocess.run([str(BINARY), *map(str, args)], cwd=self.folder, text=True, timeout=timeout,
                                capture_output=True, env={**self.env, **(env or {})}, **options)
        if check and result.returncode != 0:
            raise AssertionError(f"muelle {' '.join(map(str, args))}: exit {result.returncode}\n"
                                 f"{result.stdout}{result.stderr}{self.own_log()}")
        return result

    def own_log(self):
        path = self.state / "muelle.log"
        return f"\n--- muelle.log\n{path.read_text()[-4000:]}" if path.exists() else ""

    def up(self, *args, file="muelle.yaml", **options):
        result = self.cli("up", "-f", file, "-d", "--wait", *args, **options)
        self.note_pids()
        return result

    def down(self, **options):
        self.note_pids()
        return self.cli("down", **options)

    def status(self):
        return json.loads(self.cli("status", "--json").stdout)

    def ps(self):
        return json.loads(self.cli("ps", "--json").stdout)

    def logs(self, *args):
        return [json.loads(line) for line in self.cli("logs", "--json", *args).stdout.splitlines()]

    def pid(self, role):
        return self.status()[role]["pid"]

    def kill(self, *roles):
        """SIGKILL to these roles at once; returns the process ids that died."""
        status = self.status()
        pids = [status[role]["pid"] for role in roles]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(alive, pids)), what="death")
        return pids

    def note_pids(self):
        try:
            status = self.status()
            self.run_dirs.add(os.path.realpath(self.state / "run"))
            self.pids |= {status[r]["pid"] for r in ("keeper", "core", "edge") if status.get(r)}
            self.pids |= {row["pid"] for row in self.ps() if row["pid"]}
        except (AssertionError, ValueError, KeyError, subprocess.TimeoutExpired):
            pass

    def socket(self):
        # Root's run folder lies in /run, where the edge (user nobody) can pass.
        instance = json.loads((self.state / "instance.json").read_text())["id"][:12]
        folders = (self.run / "muelle", Path("/run/muelle"), Path(f"/tmp/muelle-{os.geteuid()}"))
        found = next((f / instance / "core.sock" for f in folders if (f / instance / "core.sock").exists()), None)
        if not found:
            raise FileNotFoundError("core.sock")  # the core begins
        return found

    def request(self, method, path, body=None, headers=None, timeout=10):
        """A request to the API over the core's own socket: (status, headers, decoded body)."""
        connection = UnixConnection(str(self.socket()), timeout)
        data = json.dumps(body) if body is not None else None
        sent = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, data, {**sent, **(headers or {})})
        response = connection.getresponse()
        raw = response.read()
        connection.close()
        kind = response.headers.get("Content-Type", "")
        return response.status, response.headers, json.loads(raw) if "json" in kind and raw else raw

    def get(self, path, **options):
        status, _, body = self.request("GET", path, **options)
        assert status == 200, (status, body)
        return body

    def close(self):
        self.note_pids()
        if BINARY.exists():
            self.cli("down", check=False, timeout=60)
        left = {pid: command_of(pid) for pid in self.pids if alive(pid)}
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        folders = {path: os.listdir(path) for path in self.run_dirs if os.path.isdir(path)}
        shutil.rmtree(self.run, ignore_errors=True)
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        assert not left, f"left running after down: {left}"
        assert not folders, f"left after down: {folders}"
