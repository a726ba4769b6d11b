# SPDX-License-Identifier: Apache-2.0
"""A small load generator: keep-alive connections that count what fails, and how.

Each request is checked (status and body), so an answer to somebody else's request counts as wrong. A connection that breaks is
opened again at once; `refused` counts connects that were refused, `broken` connections that ended under a request. With `fresh`
each request has a connection of its own.
"""
import asyncio
import threading
import time


class Load:
    """with Load(port, host, path) as load: …; then load.ok, load.refused, load.broken, load.bad, load.gap_ms."""

    def __init__(self, port, host, path="/", connections=8, expect=b"", method="GET", tls=None, fresh=False):
        self.port, self.expect, self.connections, self.tls = port, expect, connections, tls
        self.fresh = fresh
        more = "Connection: close\r\n" if fresh else ""
        self.head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()
        self.ok = self.refused = self.broken = 0
        self.bad = []
        self.gap_ms = 0.0
        self.last_ok = None
        self.stopping = False
        self.thread = threading.Thread(target=lambda: asyncio.run(self.main()))

    def __enter__(self):
        self.thread.start()
        end = time.monotonic() + 10
        while self.ok == 0 and time.monotonic() < end:
            time.sleep(0.005)
        assert self.ok, f"no answer: refused {self.refused}, broken {self.broken}, bad {self.bad[:2]}"
        return self

    def __exit__(self, *error):
        self.stopping = True
        self.thread.join()

    async def main(self):
        await asyncio.gather(*[self.connection() for _ in range(self.connections)])

    async def connection(self):
        while not self.stopping:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls)
            except OSError:
                self.refused += 1
                await asyncio.sleep(0.002)
                continue
            try:
                await self.requests(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                self.broken += not self.stopping
            finally:
                writer.close()

    async def requests(self, reader, writer):
        while not self.stopping:
            writer.write(self.head)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                           if line.startswith(b"content-length:")), 0)
            body = await reader.readexactly(length)
            if head.split(b" ", 2)[1] != b"200" or self.expect not in body:
                self.bad.append((head, body[:200]))
                continue
            now = time.monotonic()
            if self.last_ok is not None:
                self.gap_ms = max(self.gap_ms, (now - self.last_ok) * 1000)
            self.last_ok = now
            self.ok += 1
            if self.fresh:
                return

    def failed(self):
        return self.refused + self.broken + len(self.bad)

    def __str__(self):
        return (f"{self.ok} ok, {self.refused} refused, {self.broken} broken, {len(self.bad)} bad "
                f"{self.bad[:1]}, longest gap {self.gap_ms:.1f} ms")
