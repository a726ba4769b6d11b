# SPDX-License-Identifier: Apache-2.0
"""The vectors of tests/vectors/http1_*.txt; the head of each file says what its lines mean."""
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "vectors"
MACROS = {"H": b"Host: a\r\n", "GET": b"GET / HTTP/1.1\r\nHost: a\r\n", "POST": b"POST / HTTP/1.1\r\nHost: a\r\n",
          "CHUNKED": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"}
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}


@dataclass
class Vector:
    rfc: str
    what: str
    expected: list
    bytes: bytes
    method: str = "GET"
    eof: bool = False

    def __str__(self):
        return f"{self.what} (RFC {self.rfc})"


def closing_brace(text, at):
    depth = 0
    for i in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return i
    raise ValueError(text)


def expand(text):
    out, i = b"", 0
    while i < len(text):
        if text[i] == "\\" and text[i + 1] == "x":
            out += bytes([int(text[i + 2:i + 4], 16)])
            i += 4
        elif text[i] == "\\":
            out += ESCAPES[text[i + 1]]
            i += 2
        elif text[i] == "{":
            end = closing_brace(text, i)
            inner = text[i + 1:end]
            repeat = re.match(r"(\d+)\*", inner)
            out += expand(inner[repeat.end():]) * int(repeat[1]) if repeat else MACROS[inner]
            i = end + 1
        else:
            out += text[i].encode()
            i += 1
    return out


def lines(name):
    for line in (FOLDER / name).read_text().splitlines():
        if line and not line.startswith("#"):
            yield line.split(" | ", 3)


def requests():
    return [Vector(rfc, what, expand(expected).decode().split("; "), expand(text))
            for rfc, what, expected, text in lines("http1_requests.txt")]


def answers():
    found = []
    for rfc, what, expected, text in lines("http1_answers.txt"):
        method, expected = expected.split(" ", 1)
        found.append(Vector(rfc, what, expand(expected).decode().split("; "), expand(text.removesuffix("{EOF}")), method,
                            text.endswith("{EOF}")))
    return found
