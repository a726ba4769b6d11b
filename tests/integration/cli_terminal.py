# SPDX-License-Identifier: Apache-2.0
"""`up` on a terminal: the live table, Ctrl-C, a second Ctrl-C, a terminal that goes away."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from muelle import BINARY, alive, free_port, wait_until


class Terminal:
    """A command on a pseudo-terminal, and what it has printed."""

    def __init__(self, m, *args, columns=120, **env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))  # before it is asked for
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored by all below
            os.chdir(m.folder)
            environment = {**m.env, "TERM": "xterm", **env}
            environment.pop("NO_COLOR", None) if "NO_COLOR" not in env else None
            os.execve(BINARY, [str(BINARY), *args], environment)
        self.text = ""
        self.code = None

    def pump(self, seconds=0.05):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if ready:
            try:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                return False
        return True

    def until(self, pattern, seconds=20):
        end = time.monotonic() + seconds
        while not re.search(pattern, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.text)):
            assert self.pump() and time.monotonic() < end, self.text[-2000:]
        return self.text

    def send(self, data):
        os.write(self.fd, data)

    def wait(self, seconds=30):
        end = time.monotonic() + seconds
        while self.code is None:
            more = self.pump()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self.pump(0) and select.select([self.fd], [], [], 0)[0]:
                    pass
                self.code = os.waitstatus_to_exitcode(status)
            assert time.monotonic() < end, self.text
            if not more:
                time.sleep(0.01)
        return self.code

    def close(self):
        if self.code is None:
            os.close(self.fd)
            os.waitpid(self.pid, 0)
            self.code = -1


@pytest.fixture
def shop(muelle):
    muelle.write("muelle.yaml", f"""
name: shop
gateway: {{ listen: [], admin: "http://127.0.0.1:{free_port()}" }}
services:
  a: {{ command: sleep 1000, deploy: {{ replicas: 2 }} }}
  stubborn:
    command: sh -c "trap '' TERM; while :; do sleep 0.1; done"
    stop_grace_period: 60s
""")
    return muelle


def pids(m):
    m.note_pids()
    return [r["pid"] for r in m.ps() if r["pid"]]


def test_ctrl_c_stops_everything_and_a_second_one_kills(shop):
    terminal = Terminal(shop, "up")
    terminal.until(r"a +.*running.*2/2")
    assert "\x1b[32m" in terminal.text and "login?token=" in terminal.text
    running = pids(shop)
    terminal.send(b"\x03")
    terminal.until("Ctrl-C again kills at once")
    time.sleep(0.3)
    assert any(map(alive, running)), "the stubborn one has 60 s"
    terminal.send(b"\x03")
    assert terminal.wait() == 0
    assert "nothing is left" in terminal.text
    assert not any(map(alive, running))
    assert terminal.text.rstrip().endswith("\x1b[?25h"), "the cursor is shown again"


def test_a_terminal_that_goes_away_leaves_services_running(shop):
    terminal = Terminal(shop, "up")
    terminal.until(r"a +.*running.*2/2")
    running = pids(shop)
    os.kill(terminal.pid, signal.SIGHUP)
    assert terminal.wait() == -signal.SIGHUP
    assert all(map(alive, running))
    again = Terminal(shop, "up")
    again.until(r"a +.*running.*2/2")
    os.kill(again.pid, signal.SIGKILL)
    again.wait()
    assert pids(shop) == running
    shop.cli("down", "--kill")


def test_q_ends_top_and_gives_the_terminal_back(shop):
    shop.cli("up", "-d")
    terminal = Terminal(shop, "top")
    terminal.until(r"a +.*2/2")
    terminal.send(b"xq")
    assert terminal.wait() == 0
    assert terminal.text.rstrip().endswith("\x1b[?25h") and "x" not in terminal.text.split("\x1b[?25l")[0]
    shop.cli("down", "--kill")


def test_no_colour_where_it_is_not_wanted(shop):
    for args, env in ((["--no-color"], {}), ([], {"NO_COLOR": "1"})):
        terminal = Terminal(shop, "up", "-d", "--wait", *args, **env)
        assert terminal.wait() == 0
        assert "\x1b[3" not in terminal.text and "running" in terminal.text
    piped = subprocess.run([BINARY, "ps"], cwd=shop.folder, env={**shop.env, "NO_COLOR": ""}, text=True,
                           stdout=subprocess.PIPE)
    assert "\x1b" not in piped.stdout
    shop.cli("down", "--kill")


def test_somebody_elses_down_ends_a_foreground_up(shop):
    text = (shop.folder / "muelle.yaml").read_text()
    shop.write("muelle.yaml", text[:text.index("  stubborn:")])
    terminal = Terminal(shop, "up")
    terminal.until(r"a +.*running.*2/2")
    shop.note_pids()
    shop.cli("down")
    assert terminal.wait() == 0


def test_an_instance_that_is_killed_ends_a_foreground_up_with_a_word(shop):
    terminal = Terminal(shop, "up")
    terminal.until(r"a +.*running.*2/2")
    shop.note_pids()
    shop.cli("down", "--kill")
    assert terminal.wait() == 1
    assert "the instance ended" in terminal.text


def test_a_narrow_terminal_cuts_lines_instead_of_wrapping(shop):
    terminal = Terminal(shop, "up", "-d", "--wait", columns=40)
    assert terminal.wait() == 0
    for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.text).replace("\r", "").split("\n"):
        assert len(line) <= 40 or "login?token" in line, line
    shop.cli("down", "--kill")


def test_control_characters_of_a_service_do_not_reach_the_terminal(muelle):
    muelle.write("evil.py", "print('\\x1b[2J\\x1b]0;owned\\x07text', flush=True)\nimport time; time.sleep(1000)\n")
    muelle.write("muelle.yaml", f"""
name: evil
gateway: {{ listen: [], admin: "http://127.0.0.1:{free_port()}" }}
services: {{ a: {{ command: /usr/bin/python3 evil.py }} }}
""")
    muelle.up()
    wait_until(lambda: muelle.logs("a"), what="the line")
    terminal = Terminal(muelle, "logs", "a")
    assert terminal.wait() == 0
    assert "^[[2J^[]0;owned^Gtext" in terminal.text and "\x1b[2J" not in terminal.text


@pytest.fixture
def web(muelle):
    muelle.write("muelle.yaml", f"""
gateway: {{ listen: [], admin: "http://127.0.0.1:{free_port()}" }}
services: {{ web: {{ command: sleep 1000 }} }}
""")
    muelle.up()
    return muelle


def has_the_terminal(shell, command):
    """Is `command` a child of the shell, running, and of the group that the terminal's keys go to?"""
    for pid in Path(f"/proc/{shell}/task/{shell}/children").read_text().split():
        try:
            state, _, group, _, _, foreground = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:6]
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        if name == command and state != "T" and group == foreground:
            return True
    return False


def test_exec_gives_a_shell_a_terminal_of_its_own(web):
    pid = web.ps()[0]["pid"]
    terminal = Terminal(web, "exec", "web", "bash", "--norc", "--noediting", columns=101)
    try:
        terminal.send(b"PS1='ready> '\r")
        terminal.until(r"\sready> $")
        assert "no job control" not in terminal.text
        terminal.send(b"stty size; tty; ps -o sid= -p $$\r")
        shell = int(re.search(r"40 101\s+/dev/pts/\d+\s+(\d+)\s+ready> $",
                              terminal.until(r"40 101\s+/dev/pts/\d+\s+\d+\s+ready> $")).group(1))
        terminal.send(b"sleep 1000\r")
        wait_until(lambda: has_the_terminal(shell, "sleep"), 20, "the command in the foreground")
        terminal.send(b"\x1a")
        terminal.until(r"Stopped +sleep 1000\s+ready> $")
        terminal.send(b"fg\r")
        terminal.until(r"fg\s+sleep 1000\s")
        wait_until(lambda: has_the_terminal(shell, "sleep"), 20, "the command in the foreground again")
        terminal.send(b"\x03")
        terminal.until(r"\^C\s+ready> $")
        fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
        wait_until(lambda: terminal.send(b"stty size\r") or "33 77" in terminal.until(r"\d+ \d+\s+ready> $"), 20, "the new size")
        terminal.send(b"seq 20000; exit 7\r")
        assert terminal.wait() == 7
        assert terminal.text.rstrip().endswith("20000\r\nexit"), terminal.text[-200:]
        assert alive(pid)
    finally:
        terminal.close()


def test_exec_gives_the_terminal_back_and_says_what_is_wrong_on_it(web):
    terminal = Terminal(web, "exec", "web", "/no/such")
    before = termios.tcgetattr(terminal.fd)
    try:
        assert terminal.wait() == 127
        assert "\r\n" in terminal.text and "/no/such" in terminal.text
        assert termios.tcgetattr(terminal.fd) == before
    finally:
        terminal.close()
