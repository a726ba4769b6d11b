# SPDX-License-Identifier: Apache-2.0
"""The real keeper with a core and an edge that only talk to it (tests/tools/keeper_play.c): what it starts, holds,
reports, adopts; what happens when any of the processes is killed."""
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from muelle import alive, free_port, wait_until  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MUELLE_BUILD", ROOT / "build"))
PLAY = Path(os.environ.get("KEEPER_PLAY", BUILD / "tests" / "tools" / "keeper_play"))
RUNGS = os.environ.get("KEEPER_RUNGS", "unified,none").split(",")


class Play:
    def __init__(self, rung, edge_user=None):
        self.dir = Path(tempfile.mkdtemp(prefix="mk-"))
        self.run, self.state = self.dir / "run", self.dir / "state"
        self.state.mkdir()
        self.id = f"t{os.getpid()}{self.dir.name[-4:]}"
        self.env = {**os.environ, "MUELLE_CGROUPS": rung, **({"PLAY_EDGE_USER": edge_user} if edge_user else {})}
        self.rung = rung
        self.pids = set()
        self.stopped = False
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(self.dir / "me.sock"))
        self.sock.settimeout(10)
        self.dir.chmod(0o711)  # for an edge without rights to answer
        os.chmod(self.dir / "me.sock", 0o666)

    def tool(self, *args):
        out = subprocess.run([PLAY, *map(str, args)], text=True, stdout=subprocess.PIPE, timeout=30,
                             env=self.env).stdout
        return out.strip()

    def start(self):
        code, pid, _ = (self.tool("start", self.run, self.state, self.id) + "  ").split(" ", 2)
        assert code in ("0", "1"), self.log()
        self.pids.add(int(pid))
        for role in ("core", "edge"):
            self.wait_ready(role)
        return int(pid)

    def log(self):
        return (self.state / "muelle.log").read_text()

    def heard(self, role="core"):
        try:
            return (self.run / f"play-{role}.log").read_text().splitlines()
        except FileNotFoundError:
            return []

    def last(self, role, prefix):
        lines = [line for line in self.heard(role) if line.startswith(prefix)]
        return lines[-1] if lines else None

    def pid(self, role):
        line = self.last(role, "start ")
        return int(line.split()[1]) if line else 0

    def keeper(self):
        return int(self.tool("probe", self.run))

    def wait_ready(self, role="core", keeper=None, other_than=None):
        """The role is up and talks to a keeper."""
        def ready():
            lines = self.heard(role)
            marks = [i for i, line in enumerate(lines) if line.startswith(("ready ", "lost", "start "))]
            if not marks or not lines[marks[-1]].startswith("ready "):
                return None
            pid = int(lines[marks[-1]].split()[1])
            return pid if pid != other_than and alive(self.pid(role)) else None
        pid = wait_until(ready, 10, f"{role} ready")
        self.pids.update({pid, self.pid(role)})
        return pid

    def ask(self, *words, role="core"):
        """The answer's fields: error, a, fd, text."""
        for _ in range(200):
            try:
                self.sock.sendto("\x1f".join(map(str, words)).encode(), str(self.run / f"play-{role}.sock"))
                break
            except OSError:
                time.sleep(0.01)  # the role is being started again
        error, _, rest = self.sock.recv(4096).decode().partition(" ")
        fields = (rest + "  ").split(" ", 2)
        return int(error), int(fields[0] or 0), fields[2].strip() if len(fields) > 2 else ""

    def spawn(self, name, script, out="-", err="-", listen="-", port=0):
        error, pid, text = self.ask("spawn", name, out, err, listen, port, "sh", "-c", script)
        assert error == 0, (error, text, self.log())
        self.pids.add(pid)
        return pid

    def wait_heard(self, prefix, role="core", since=0, seconds=10):
        def found():
            lines = [line for line in self.heard(role)[since:] if line.startswith(prefix)]
            return lines[0] if lines else None
        return fields(wait_until(found, seconds, f"{role}: {prefix!r} in {self.heard(role)[-5:]}"))

    def kill(self, *roles):
        pids = [self.keeper() if role == "keeper" else self.pid(role) for role in roles]
        for sign in (signal.SIGSTOP, signal.SIGKILL):  # together: none may bring back another in between
            for pid in pids:
                os.kill(pid, sign)
        return pids

    def stop(self):
        self.stopped = True
        self.tool("shutdown", self.run, 1)
        wait_until(lambda: not any(alive(p) for p in self.pids), 10, f"all ended: {self.pids} {self.log()}")
        assert not re.search("runtime error|Sanitizer|assert", self.log()), self.log()
        left = {p.name for p in self.run.iterdir()} if self.run.exists() else set()
        assert left <= {"play-core.log", "play-edge.log", "play-core.sock", "play-edge.sock"}, left

    def mine(self):
        """Every process of this instance that lives: its roles by their title, its services by their mark."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if folder.joinpath("cmdline").read_bytes().split(b"\0")[0].decode().endswith(f" {self.id}") \
                        or f"MUELLE_ID={self.id}/".encode() in folder.joinpath("environ").read_bytes():
                    found.append(int(folder.name))
            except (OSError, UnicodeDecodeError):
                pass
        return found

    def end(self):
        """Whatever the test did, nothing is left."""
        try:
            if not self.stopped:
                self.stop()
        finally:
            while left := self.mine():
                for sign in (signal.SIGSTOP, signal.SIGKILL):  # together: none may bring back another in between
                    for pid in left:
                        if alive(pid):
                            os.kill(pid, sign)
                time.sleep(0.02)
            self.sock.close()
            shutil.rmtree(self.dir, ignore_errors=True)


def fields(line):
    return {k: int(v) for k, v in re.findall(r"(\w+)=(-?\d+)", line)}


@pytest.fixture
def new_play():
    """Makes instances that are gone when the test is over, also when it failed."""
    made = []

    def make(*args, **words):
        made.append(Play(*args, **words))
        return made[-1]
    yield make
    for instance in made:
        instance.end()


@pytest.fixture(params=RUNGS)
def play(request, new_play):
    instance = new_play(request.param)
    instance.start()
    return instance


@pytest.fixture
def grouped(new_play):
    instance = new_play("unified")
    instance.start()
    return instance


def test_roles_have_titles_and_run(play):
    for role, pid in (("keeper", play.keeper()), ("core", play.pid("core")), ("edge", play.pid("edge"))):
        title = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
        assert title == f"muelle: {role} {play.id}"


def test_a_second_start_finds_the_first(play):
    pid = play.keeper()
    assert play.tool("start", play.run, play.state, play.id).split()[:2] == ["1", str(pid)]


def test_exit_codes_signals_and_output_reach_the_core(play):
    out, err = play.state / "output/a/out", play.state / "output/a/err"
    play.spawn("d/p/a/1", "echo hello; echo oops >&2; exit 7", out, err)
    end = play.wait_heard("exited d/p/a/1 ")
    assert (end["known"], end["signaled"], end["code"], end["hash"]) == (1, 0, 7, 4711)
    play.wait_heard("empty d/p/a/1 ")
    assert out.read_text() == "hello\n" and err.read_text() == "oops\n"
    play.spawn("d/p/b/1", "echo both; echo one >&2; kill -9 $$", out, out)
    end = play.wait_heard("exited d/p/b/1 ")
    assert (end["known"], end["signaled"], end["code"]) == (1, 1, 9)
    assert out.read_text() == "hello\nboth\none\n"


def test_what_cannot_be_started_is_named(play):
    error, _, text = play.ask("spawn", "x", "-", "-", "-", 0, "/no/such/program")
    assert error < 0 and text == "execute"
    error, _, text = play.ask("spawn", "x", play.state / "muelle.log" / "below", "-", "-", 0, "true")
    assert error < 0 and text == "open output"
    error, _, text = play.ask("spawn", "x", "-", "-", "listen:127.0.0.1:1", 0, "true")
    assert error < 0 and text == "pass listening sockets"
    play.spawn("x", "sleep 60")  # the name is still free
    assert play.ask("spawn", "x", "-", "-", "-", 0, "true")[0] == -17


def test_a_tree_of_detached_processes_dies_whole(play):
    count = 200 if play.rung != "none" else 40
    mark = f"sleep 61.{os.getpid()}"
    play.spawn("tree", f"trap '' TERM; for i in $(seq {count}); do (setsid {mark} &); done; wait; sleep 60")

    def marked():
        pids = []
        for p in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if p.read_bytes().replace(b"\0", b" ").strip() == mark.encode():
                    pids.append(int(p.parent.name))
            except OSError:
                pass
        return pids
    wait_until(lambda: len(marked()) == count, 20, "the tree")
    start = time.monotonic()
    assert play.ask("kill", "tree")[0] == 0
    play.wait_heard("empty tree ")
    print(f"{count} processes gone after {(time.monotonic() - start) * 1000:.1f} ms")
    assert marked() == []
    assert play.ask("forget", "tree")[0] == 0


def test_signals_reach_the_main_process_or_the_whole_tree(play):
    play.spawn("s", "trap 'exit 5' TERM; sleep 60 & while :; do wait; done")
    time.sleep(0.2)
    assert play.ask("signal", "s", 15, 0)[0] == 0
    assert play.wait_heard("exited s ")["code"] == 5
    assert play.ask("signal", "s", 15, 1)[0] == 0  # the sleep is left
    play.wait_heard("empty s ")


def test_kept_descriptors_reach_both_roles_and_survive_all_but_the_last(play):
    assert play.ask("keep", "snapshot", "content-1")[0] == 0
    wait_until(lambda: play.ask("held", "snapshot", role="edge")[0] == 1)
    for victims in (("core",), ("edge",), ("keeper",), ("core", "keeper"), ("edge", "keeper"), ("core", "edge")):
        old = play.keeper()
        dead = play.kill(*victims)
        wait_until(lambda: not any(alive(p) for p in dead))
        for role in ("core", "edge"):
            play.wait_ready(role, other_than=old if "keeper" in victims else None)
            wait_until(lambda: play.ask("held", "snapshot", role=role)[0] == 1, what=f"{role} holds after {victims}")
            error, _, text = play.ask("get", "snapshot", role=role)
            assert (error, text) == (0, "content-1"), victims


def test_listening_sockets_never_refuse(play):
    port = free_port()
    assert play.ask("listen", f"127.0.0.1:{port}") == (0, 0, "")
    assert play.ask("listen", f"127.0.0.1:{port}", role="edge")[:2] == (0, 1)
    for victims in (("core",), ("keeper",), ("edge", "keeper")):
        old = play.keeper()
        play.kill(*victims)
        for _ in range(30):
            socket.create_connection(("127.0.0.1", port), 1).close()
            time.sleep(0.005)
        play.wait_ready("core", other_than=old if "keeper" in victims else None)
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    error, _, text = play.ask("listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert error == -98 and f"pid {os.getpid()}" in text


def test_listen_fds_are_passed(play):
    port = free_port()
    out = play.state / "output/l"
    assert play.ask("listen", f"127.0.0.1:{port}")[0] == 0
    play.spawn("l", 'echo $LISTEN_FDS $(test $LISTEN_PID = $$ && echo own) $LISTEN_FDNAMES; readlink /proc/$$/fd/3',
               out, listen=f"listen:127.0.0.1:{port}")
    play.wait_heard("exited l ")
    lines = out.read_text().splitlines()
    assert lines[0] == f"1 own listen_127.0.0.1_{port}" and lines[1].startswith("socket:")


def test_a_killed_keeper_comes_back_and_knows_its_children(play):
    pids = {name: play.spawn(name, script) for name, script in
            (("stays", "sleep 60"), ("ends", "sleep 0.5; exit 42"), ("tree", "sleep 60 & sleep 60 & wait"))}
    old = play.keeper()
    seen = len(play.heard())
    start = time.monotonic()
    os.kill(old, signal.SIGKILL)
    new = play.wait_ready("core", other_than=old)
    print(f"a new keeper after {(time.monotonic() - start) * 1000:.1f} ms")
    assert new != old and play.keeper() == new
    for name, pid in pids.items():
        child = play.wait_heard(f"child {name} ", since=seen)
        assert (child["pid"], child["running"], child["hash"]) == (pid, 1, 4711)
        assert alive(pid)
    end = play.wait_heard("exited ends ", since=seen)
    assert end["known"] == 0 or end["code"] == 42  # known from kernel 6.15 on
    if tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) >= (6, 15):
        assert end["known"] == 1
    assert play.ask("kill", "tree")[0] == 0
    play.wait_heard("empty tree ", since=seen)
    assert alive(pids["stays"])


DIE_IN_SPAWN = """
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
int setsid(void)
{
    if (unlink(getenv("DIE_IN_SPAWN")) == 0)
        kill(getppid(), SIGKILL);
    return (int)syscall(SYS_setsid);
}
"""


def preload(play, tmp_path, source, **env):
    """The instance's roles run with that library."""
    (tmp_path / "preload.c").write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", tmp_path / "preload.so", tmp_path / "preload.c"], check=True)
    play.env.update(LD_PRELOAD=str(tmp_path / "preload.so"), **{k: str(v) for k, v in env.items()})
    return play


@pytest.fixture
def mortal_play(new_play, tmp_path):
    """A keeper that is killed in the middle of starting a process once the file is there."""
    def make(rung):
        trigger = tmp_path / "now"
        play = preload(new_play(rung), tmp_path, DIE_IN_SPAWN, DIE_IN_SPAWN=trigger)
        play.start()
        return play, trigger
    return make


@pytest.mark.parametrize("reviver", ["the other", "the half started"])
@pytest.mark.parametrize("role", ["core", "edge"])
def test_a_keeper_killed_in_the_middle_of_starting_a_role_gets_one_that_it_knows(role, reviver, mortal_play):
    """The journal names the dead one, and whoever has the keeper's channel first brings the new keeper."""
    play, trigger = mortal_play("none")
    old, victim = play.keeper(), play.pid(role)
    other = play.pid("edge" if role == "core" else "core")
    if reviver == "the half started":
        os.kill(other, signal.SIGSTOP)
    trigger.touch()
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: not trigger.exists() and not alive(old), 10, "the death of the keeper")
    if reviver == "the half started":
        play.wait_ready(role, other_than=old)
        os.kill(other, signal.SIGCONT)
    wait_until(lambda: play.ask("keep", "thing", "x", role="core")[0] == 0, 20, "a core with rights")
    wait_until(lambda: play.ask("get", "thing", role="edge")[0] == 0, 20, "an edge with rights")

    def known(number, each):
        return fields(play.last("core", f"role {number} ") or "").get("pid") == play.pid(each)
    for number, each in ((1, "core"), (2, "edge")):
        wait_until(lambda: known(number, each), 20, f"the keeper knows its {each}: {play.heard()[-9:]}")  # noqa: B023
        play.pids.add(play.pid(each))


@pytest.mark.parametrize("rung", RUNGS)
def test_a_keeper_killed_in_the_middle_of_a_start_leaves_no_stranger(rung, mortal_play):
    """The process exists already, nobody has heard of it yet: the worst moment."""
    play, trigger = mortal_play(rung)
    old, mark = play.keeper(), f"sleep 63.{os.getpid()}"
    trigger.touch()
    error, _, _ = play.ask("spawn", "x", "-", "-", "-", 0, "sh", "-c", f"exec {mark}")
    assert error == -104 and not trigger.exists()
    play.wait_ready("core", other_than=old)
    wait_until(lambda: any(re.match(r"(empty|child) x .*running=0 empty=1", line) for line in play.heard()), 10,
               "the end of what was begun")
    assert subprocess.run(["pgrep", "-f", f"^{mark}"], stdout=subprocess.PIPE).stdout == b""
    play.spawn("x", "sleep 60")


def test_an_exit_while_no_keeper_lives_is_learned(grouped):
    play = grouped
    pid = play.spawn("g", "sleep 60")
    old = play.keeper()
    seen = len(play.heard())
    core = play.pid("core")
    # The core stands still while keeper and child die, so that the child is gone before a keeper is there.
    os.kill(core, signal.SIGSTOP)
    os.kill(play.pid("edge"), signal.SIGSTOP)
    os.kill(old, signal.SIGKILL)
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not alive(pid))
    time.sleep(0.05)
    os.kill(core, signal.SIGCONT)
    os.kill(play.pid("edge"), signal.SIGCONT)
    # Told as news, or by the list of children when the new keeper knew it first.
    wait_until(lambda: any(re.match(r"(exited|child) g .*running=0", line) for line in play.heard()[seen:]))
    end = fields(next(line for line in play.heard()[seen:] if re.match(r"(exited|child) g .*running=0", line)))
    if tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) >= (6, 15):
        assert (end["known"], end["signaled"], end["code"]) == (1, 1, 15)


COUNT_ALLOCATIONS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
static struct { long count; void *callers[64]; } here, *shared = &here;
static void note(void *caller)
{
    shared->callers[shared->count++ % 64] = caller;
}
__attribute__((constructor)) static void begin(void)
{
    char path[300];
    snprintf(path, sizeof(path), "%s.%d", getenv("ALLOCATIONS"), getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(here)) < 0)
        abort();
    void *p = (void *)syscall(SYS_mmap, NULL, sizeof(here), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    shared = p;
    close(fd);
}
void *malloc(size_t n) { note(__builtin_return_address(0)); return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { note(__builtin_return_address(0)); return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { note(__builtin_return_address(0)); return __libc_realloc(p, n); }
void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    if (flags & MAP_ANONYMOUS)
        note(__builtin_return_address(0));
    return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, offset);
}
void *mmap64(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    return mmap(at, n, prot, flags, fd, offset);
}
"""


def everything(play, round_):
    """All that a keeper is asked for in its life."""
    port, name = free_port(), f"all{round_}"
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    assert play.ask("listen", f"127.0.0.1:{port}")[0] == 0
    assert play.ask("listen", f"127.0.0.1:{taken.getsockname()[1]}")[0] == -98  # says who has it
    assert play.ask("listen", "no address")[0] == -22
    assert play.ask("listen", f"127.0.0.1:{free_port()}", role="edge")[0] == -1
    assert play.ask("keep", "thing", "content")[0] == 0 and play.ask("get", "thing")[2] == "content"
    out = play.state / "output" / name / "out"
    play.spawn(name, "setsid sleep 60 & echo hello; sleep 60", out, listen=f"listen:127.0.0.1:{port}")
    assert play.ask("signal", name, 28, 1)[0] == 0
    play.spawn(f"{name}b", "exit 3")
    play.wait_heard(f"exited {name}b ")
    assert play.ask("spawn", "x", "-", "-", "-", 0, "/no/such/program")[0] < 0
    assert play.ask("kill", name)[0] == 0
    play.wait_heard(f"empty {name} ")
    assert play.ask("forget", name)[0] == 0
    for role in ("core", "edge"):  # the new one greets, gets copies, the list of children, hands over
        old = play.pid(role)
        play.kill(role)
        wait_until(lambda: play.pid(role) not in (0, old))  # noqa: B023
        play.wait_ready(role)
    taken.close()


@pytest.mark.skipif("sanitize" in os.environ.get("MESON_ARGS", "") or b"libasan" in PLAY.read_bytes(),
                    reason="a sanitizer has an allocator of its own")
@pytest.mark.parametrize("rung", RUNGS)
def test_the_keeper_allocates_nothing_after_its_start(rung, new_play, tmp_path):
    play = preload(new_play(rung), tmp_path, COUNT_ALLOCATIONS, ALLOCATIONS=tmp_path / "count")
    play.start()

    def count():
        data = (tmp_path / f"count.{play.keeper()}").read_bytes()
        return struct.unpack_from("l", data)[0], [hex(p) for p in struct.unpack_from("64P", data, 8)]
    before = count()
    assert before[0] > 0, "the counter counts"
    everything(play, 1)
    assert count()[0] == before[0], (count(), before)
    old = play.keeper()
    play.kill("keeper")
    for role in ("core", "edge"):
        play.wait_ready(role, other_than=old)
    before = count()
    everything(play, 2)
    assert count()[0] == before[0], (count(), before)


@pytest.mark.skipif(os.getuid() != 0, reason="needs the right to take descriptors of others")
def test_sockets_that_services_were_handed_come_back_when_all_roles_died(play):
    """The keeper's copy died with it; the service's is the same open socket."""
    port = free_port()
    assert play.ask("listen", f"127.0.0.1:{port}")[0] == 0
    play.spawn("s", "exec sleep 60", listen=f"listen:127.0.0.1:{port}")
    other = free_port()
    assert play.ask("listen", f"127.0.0.1:{other}")[0] == 0
    play.spawn("closed", "exec 3<&-; exec sleep 60", listen=f"listen:127.0.0.1:{other}")
    dead = play.kill("core", "edge", "keeper")
    wait_until(lambda: not any(alive(p) for p in dead))
    client = socket.create_connection(("127.0.0.1", port), 1)  # never refused: it waits in the service's queue
    play.start()
    assert play.ask("listen", f"127.0.0.1:{port}") == (0, 0, ""), "taken back"
    assert play.ask("listen", f"127.0.0.1:{other}") == (0, 0, ""), "nobody had it any more: opened anew"
    service = play.spawn("next", "exec sleep 60", listen=f"listen:127.0.0.1:{port}")
    first = int(fields(play.last("core", "child s "))["pid"])
    inodes = {os.readlink(f"/proc/{pid}/fd/3") for pid in (service, first)}
    assert len(inodes) == 1, "one socket"
    client.close()


def test_when_all_roles_died_the_next_start_adopts(play):
    out = play.state / "output/w"
    pid = play.spawn("w", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done", out, port=4242)
    dead = play.kill("core", "edge", "keeper")
    wait_until(lambda: not any(alive(p) for p in dead))
    assert play.tool("probe", play.run) == "0" and alive(pid)
    seen = len(play.heard())
    play.start()
    child = play.wait_heard("child w ", since=seen)
    assert (child["pid"], child["running"], child["port"]) == (pid, 1, 4242)
    assert play.ask("signal", "w", 9, 0)[0] == 0
    end = play.wait_heard("exited w ", since=seen)
    assert end["code"] == 9 or end["known"] == 0
    numbers = list(map(int, out.read_text().split()))
    assert numbers == list(range(1, len(numbers) + 1))


def test_roles_are_restarted_at_once_and_counted(play):
    for role in ("core", "edge"):
        old = play.pid(role)
        start = time.monotonic()
        play.kill(role)
        wait_until(lambda: play.pid(role) != old)
        print(f"{role} again after {(time.monotonic() - start) * 1000:.1f} ms")
        play.wait_ready(role)
    status = play.wait_heard("role 2 up=1", since=0)
    assert status["restarts"] in (0, 1)
    wait_until(lambda: fields(play.last("core", "role 2 up=1"))["restarts"] == 1, 10, "the core hears of it")


def test_a_core_that_stands_still_hears_of_eight_hundred_ends(grouped):
    """It is not dropped, for then its requests under way would fail: their news wait in the keeper."""
    play, count = grouped, 800
    pids = [play.spawn(f"n{i}", "exec sleep 60") for i in range(count)]
    seen, core = len(play.heard()), play.pid("core")
    os.kill(core, signal.SIGSTOP)
    try:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(alive(pid) for pid in pids), 20, "the end of all")
        # The keeper takes the ends in order: it has told of all once it has seen this one go.
        play.kill("edge")
        play.wait_ready("edge")
    finally:
        os.kill(core, signal.SIGCONT)
    wait_until(lambda: sum(line.startswith("empty n") for line in play.heard()[seen:]) == count, 20, "all ends heard")
    lines = play.heard()[seen:]
    assert sum(line.startswith("exited n") for line in lines) == count
    assert not [line for line in lines if line.startswith(("lost", "start"))], "the channel broke"
    assert "does not read" not in play.log()


def test_output_is_trimmed_while_no_core_lives(grouped):
    play = grouped
    out = play.state / "output/big"
    play.spawn("big", "while :; do head -c 65536 /dev/zero; sleep 0.01; done", out)
    play.wait_ready()
    core = play.pid("core")
    # A core that hangs but holds its channel is a core; a dead one is not. Keep killing it at its start.
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        pid = play.pid("core")
        if pid and alive(pid):
            os.kill(pid, signal.SIGKILL)
        if out.stat().st_size > 2_000_000 and out.stat().st_blocks * 512 < 1_500_000:
            break
        time.sleep(0.02)
    assert out.stat().st_blocks * 512 < out.stat().st_size
    play.wait_ready("core")
    assert play.pid("core") != core
    assert play.ask("kill", "big")[0] == 0
    play.wait_heard("empty big ")
    assert fields(play.last("core", "child big "))["trimmed"] > 0


def test_shutdown_without_killing_leaves_services_and_the_next_start_finds_them(play):
    pid = play.spawn("stays", "sleep 60")
    assert play.tool("shutdown", play.run, 0) == "0"
    wait_until(lambda: play.tool("probe", play.run) == "0")
    assert alive(pid)
    seen = len(play.heard())
    play.start()
    assert play.wait_heard("child stays ", since=seen)["pid"] == pid


def test_sigterm_ends_the_roles_and_leaves_the_services(grouped):
    play = grouped
    pid, roles = play.spawn("stays", "sleep 60"), [play.keeper(), play.pid("core"), play.pid("edge")]
    os.kill(roles[0], signal.SIGTERM)
    wait_until(lambda: not any(alive(p) for p in roles), 10, "the end of the roles")
    assert alive(pid)
    seen = len(play.heard())
    play.start()
    assert play.wait_heard("child stays ", since=seen)["pid"] == pid


def test_a_role_that_does_not_end_is_killed(grouped):
    play = grouped
    core = play.pid("core")
    os.kill(core, signal.SIGSTOP)
    assert play.tool("shutdown", play.run, 1) == "0"
    assert not alive(core)


def test_a_keeper_that_cannot_start_says_why(grouped, tmp_path):
    def keeper(*args, run=tmp_path):
        done = subprocess.run([PLAY, "keeper", "--run-dir", run, "--state-dir", tmp_path, "--id", "x", *args], timeout=20,
                              stderr=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stderr.strip()
    done = subprocess.run([PLAY, "keeper"], timeout=20, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("usage: muelle keeper")
    assert keeper(run="/tmp/" + 200 * "x") == (2, "muelle: keeper: the folder's path is too long: File name too long")
    code, text = keeper(run=grouped.run)
    assert code == 3 and f"a keeper runs for this instance already (pid {grouped.keeper()})" in text
    (tmp_path / "keeper.lock").mkdir()
    assert keeper() == (3, "muelle: keeper: keeper.lock cannot be taken: Is a directory")
    (tmp_path / "keeper.lock").rmdir()
    (tmp_path / "keeper.sock").mkdir()
    code, text = keeper("--cgroups", "none")
    assert code == 1 and text.endswith("keeper.sock cannot be made: Address already in use")


def test_an_upgrade_that_fails_changes_nothing(grouped, tmp_path):
    play, keeper = grouped, grouped.keeper()
    pid = play.spawn("x", "sleep 60")
    assert play.ask("keep", "thing", "content")[0] == 0
    gone = tmp_path / "gone"
    gone.write_text('#!/bin/sh\nrm "$0"\nexit 42\n')  # answers well once, and then is not there
    gone.chmod(0o755)
    assert play.ask("reexec", gone)[0] == 0
    wait_until(lambda: "going on as before" in play.log(), 10, "the failure")
    (play.run / "keeper.journal.new").mkdir()  # what the next image needs cannot be written down
    assert play.ask("reexec", PLAY)[0] == 0
    wait_until(lambda: play.log().count("going on as before") == 2, 10, "the refusal")
    (play.run / "keeper.journal.new").rmdir()
    wait_until(lambda: "keeper.journal is whole again" in play.log(), 10, "a whole journal")
    assert play.keeper() == keeper and os.readlink(f"/proc/{keeper}/exe") == str(PLAY.resolve())
    assert play.ask("get", "thing")[2] == "content" and alive(pid)
    play.kill("keeper")
    play.wait_ready("core", other_than=keeper)
    assert play.ask("get", "thing")[2] == "content" and alive(pid)


def test_rights_of_the_edge_and_of_tools_are_small(play):
    assert play.ask("spawn", "e", "-", "-", "-", 0, "true", role="edge")[0] == -1
    assert play.ask("shutdown", 1, role="edge")[0] == -1
    error, _, text = play.ask("listen", f"127.0.0.1:{free_port()}", role="edge")
    assert (error, text) == (-1, "not a listener of the snapshot")
    pid = play.spawn("c", "sleep 60")
    assert play.ask("signal", "c", 9, 0, role="edge")[0] == -1
    assert alive(pid)


def test_streams_of_commands_are_the_cores_alone_and_end_with_it(play):
    assert play.ask("keep", "stdio:x:0", "secret")[0] == 0
    assert play.ask("keep", "shared", "content")[0] == 0
    wait_until(lambda: play.ask("held", "shared", role="edge")[0] == 1)
    assert play.ask("held", "stdio:x:0", role="edge")[0] == 0
    assert play.ask("get", "stdio:x:0", role="edge")[0] == -1
    assert play.ask("get", "stdio:x:0")[2] == "secret"
    assert play.ask("keep", "output:x:0", "line")[0] == 0
    assert play.ask("held", "output:x:0", role="edge")[0] == 0
    assert play.ask("get", "output:x:0", role="edge")[0] == -1
    core, keeper = play.pid("core"), play.keeper()
    os.kill(core, signal.SIGKILL)
    wait_until(lambda: play.pid("core") not in (0, core))
    play.wait_ready("core")
    assert play.keeper() == keeper
    assert play.ask("get", "stdio:x:0")[0] == -2 and play.ask("get", "shared")[2] == "content"
    assert play.ask("get", "output:x:0")[2] == "line", "a service's stream stays"


def test_garbage_on_the_socket_drops_only_its_sender(play):
    keeper = play.keeper()
    for data in (b"x", b"\0" * 512, os.urandom(512), os.urandom(4000)):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.connect(str(play.run / "keeper.sock"))
            s.send(data)
            s.settimeout(5)
            try:
                assert s.recv(1024) == b""
            except ConnectionResetError:
                pass
    assert play.keeper() == keeper


def test_the_keeper_becomes_another_binary_and_nobody_notices(play, tmp_path):
    copy = tmp_path / "muelle-new"
    shutil.copy2(PLAY, copy)
    pid = play.spawn("x", "sleep 60")
    assert play.ask("keep", "snapshot", "content")[0] == 0
    keeper, core, edge = play.keeper(), play.pid("core"), play.pid("edge")
    seen = len(play.heard())
    for bad in ("/bin/true", "/no/such/file", "/etc/passwd"):
        assert play.ask("reexec", bad)[0] < 0
    start = time.monotonic()
    assert play.ask("reexec", copy)[0] == 0
    assert play.ask("get", "snapshot") == (0, 1, "content") or play.ask("get", "snapshot")[2] == "content"
    print(f"answers again after {(time.monotonic() - start) * 1000:.1f} ms")
    assert os.readlink(f"/proc/{keeper}/exe") == str(copy)
    assert Path(f"/proc/{keeper}/cmdline").read_bytes().startswith(b"muelle: keeper ")
    assert (play.keeper(), play.pid("core"), play.pid("edge")) == (keeper, core, edge)
    assert not [line for line in play.heard()[seen:] if line.startswith("lost")]
    assert play.ask("signal", "x", 15, 0)[0] == 0
    end = play.wait_heard("exited x ", since=seen)
    assert (end["pid"], end["known"], end["signaled"], end["code"]) == (pid, 1, 1, 15)
    assert play.ask("restart", 2)[0] == 0  # from the new binary
    wait_until(lambda: play.pid("edge") != edge)
    play.wait_ready("edge")
    assert os.readlink(f"/proc/{play.pid('edge')}/exe") == str(copy)
    play.kill("keeper")
    play.wait_ready("core", other_than=keeper)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_an_edge_without_rights_brings_the_keeper_back_by_its_guard(new_play):
    play = new_play("unified", edge_user="nobody")
    play.start()
    edge = play.pid("edge")
    status = Path(f"/proc/{edge}/status").read_text()
    assert re.search(r"^Uid:\s+65534\s", status, re.M) and re.search(r"^CapEff:\s+0+$", status, re.M)
    guards = wait_until(lambda: [p for p in children(edge) if title(p) == f"muelle: guard {play.id}"], 10, "the guard")
    assert len(guards) == 1
    assert play.ask("keep", "snapshot", "content")[0] == 0
    wait_until(lambda: play.ask("held", "snapshot", role="edge")[0] == 1)
    pid = play.spawn("x", "sleep 60")
    old, core = play.keeper(), play.pid("core")
    os.kill(core, signal.SIGSTOP)
    seen = len(play.heard("edge"))
    start = time.monotonic()
    os.kill(old, signal.SIGKILL)
    play.wait_ready("edge", other_than=old)
    print(f"a new keeper by the guard after {(time.monotonic() - start) * 1000:.1f} ms")
    os.kill(core, signal.SIGCONT)
    assert play.wait_ready("core", other_than=old) == play.keeper()
    assert play.ask("get", "snapshot", role="edge")[2] == "content"
    assert alive(pid) and any(line.startswith("lost") for line in play.heard("edge")[seen:])
    # The edge connects as the edge also where another brought the keeper back.
    for _ in range(3):
        old = play.keeper()
        os.kill(old, signal.SIGKILL)
        play.wait_ready("core", other_than=old)
        play.wait_ready("edge", other_than=old)
        assert play.ask("get", "snapshot", role="edge")[0] == 0
    os.kill(edge, signal.SIGKILL)
    wait_until(lambda: not any(alive(g) for g in guards), what="the guard ends with its edge")
    play.wait_ready("edge")


SYSTEMD_SCRIPT = """
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/system   # sd_booted(3)
for tree in {trees}; do echo $$ > $tree/cgroup.procs; done
exec setpriv --reuid 12345 --regid 12345 --clear-groups env -i HOME={home} XDG_RUNTIME_DIR={home}/rt PATH=/usr/bin:/bin \
    KEEPER_PLAY={play} KEEPER_RUNGS=systemd PYTHONDONTWRITEBYTECODE=1 sh -c '
/lib/systemd/systemd --user >{home}/log 2>&1 &
manager=$!
for i in $(seq 100); do test -S {home}/rt/systemd/private && break; sleep 0.05; done
/usr/bin/python3 -m pytest -q -p no:cacheprovider {file} -k "scope or exit_codes or detached or killed_keeper" >{home}/out 2>&1
code=$?
kill $manager; wait $manager
exit $code'
"""


@pytest.mark.skipif(os.getuid() != 0 or not Path("/lib/systemd/systemd").exists() or
                    not Path("/sys/fs/cgroup/unified").is_dir() or not shutil.which("unshare"),
                    reason="needs root, systemd and a hybrid tree")
def test_systemd_gives_a_scope_with_delegation():
    """A user's systemd, started by hand in a control group and a mount namespace of its own."""
    home = Path(tempfile.mkdtemp(prefix="mk-sd-"))
    (home / "rt").mkdir()
    trees = [Path("/sys/fs/cgroup") / kind / f"muelle-test-{os.getpid()}" for kind in ("unified", "systemd")]
    try:
        for tree in trees:
            tree.mkdir()
            os.chown(tree, 12345, 12345)
            os.chown(tree / "cgroup.procs", 12345, 12345)
        for path in (home, home / "rt"):
            os.chown(path, 12345, 12345)
        script = SYSTEMD_SCRIPT.format(trees=" ".join(map(str, trees)), home=home, play=PLAY, file=__file__)
        started = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script], timeout=120,
                                 check=False, capture_output=True, text=True)
        if not (home / "out").exists():
            pytest.skip("no user manager can be started here: " + started.stderr.strip()[-200:])
        out = (home / "out").read_text()
        assert re.search(r"^[4-9] passed", out, re.M) and "failed" not in out, out + (home / "log").read_text()
    finally:
        for tree in trees:
            for folder in sorted(tree.rglob("*/"), key=lambda p: -len(p.parts)):
                if folder.is_dir():
                    folder.rmdir()
            tree.rmdir()
        shutil.rmtree(home)


@pytest.mark.skipif(RUNGS != ["systemd"], reason="run by test_systemd_gives_a_scope_with_delegation")
def test_the_keeper_sits_in_a_scope_and_services_beside_it(play):
    pid = play.spawn("d/p/web/1", "sleep 60")

    def group(pid):
        return Path(f"/proc/{pid}/cgroup").read_text().rpartition("0::")[2].strip()
    assert group(play.keeper()).endswith(f"/muelle-{play.id}.scope/keeper")
    assert group(pid).endswith(f"/muelle-{play.id}.scope/d/p/web/1")


def children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def title(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
