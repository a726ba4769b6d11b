# SPDX-License-Identifier: Apache-2.0
"""The vectors of tests/vectors/http2_*.txt; the head of the file says what its lines mean."""
import re
from dataclasses import dataclass
from pathlib import Path

import h2_peer
from http1_vectors import closing_brace, expand

FOLDER = Path(__file__).resolve().parents[1] / "vectors"
KINDS = {"DATA": 0, "HEADERS": 1, "PRIORITY": 2, "RST_STREAM": 3, "SETTINGS": 4, "PUSH_PROMISE": 5, "PING": 6, "GOAWAY": 7,
         "WINDOW_UPDATE": 8, "CONTINUATION": 9, "PRIORITY_UPDATE": 16}
FLAGS = {"e": 1, "a": 1, "h": 4, "p": 8, "y": 32}
HEAD = b"\x86\x84" + b"\x01\x01a"
MACROS = {"GET": b"\x82" + HEAD, "POST": b"\x83" + HEAD, "SCHEME": b"\x86", "PATH": b"\x84", "METHOD": b"\x82", "HOST": b"\x01\x01a",
          "OK": b"\x88"}


@dataclass
class Vector:
    rfc: str
    what: str
    expected: list
    bytes: bytes
    preface: bool

    def __str__(self):
        return f"{self.what} (RFC {self.rfc})"


def inside(text):
    repeat = re.match(r"(\d+)\*", text)
    if repeat:
        return payload(text[repeat.end():]) * int(repeat[1])
    if text in MACROS:
        return MACROS[text]
    name, value = re.match(r"(:?[^=]*)=(.*)$", text, re.S).groups()
    return h2_peer.field(expand(name), expand(value))


def payload(text):
    out, i = b"", 0
    while i < len(text):
        if text[i] == "{":
            end = closing_brace(text, i)
            out += inside(text[i + 1:end])
            i = end + 1
        elif text[i] == '"':
            end = text.index('"', i + 1)
            out += expand(text[i + 1:end])
            i = end + 1
        elif text[i] == " ":
            i += 1
        else:
            out += bytes.fromhex(text[i:i + 2])
            i += 2
    return out


def one(text):
    words = text.split(" ", 1)
    if words[0] == "raw":
        return payload(words[1])
    kind, _, flags = words[0].partition("+")
    number = KINDS[kind] if kind in KINDS else int(kind, 16)
    stream, _, rest = words[1].partition(" ")
    length = None
    if rest.startswith("length="):
        size, _, rest = rest.removeprefix("length=").partition(" ")
        length = int(size)
    bits = int(flags, 16) if flags.startswith("0x") else sum(FLAGS[letter] for letter in flags)
    return h2_peer.frame(number, bits, int(stream, 0), payload(rest), length)


def read(name):
    found = []
    for line in (FOLDER / name).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        rfc, what, expected, text = line.split(" | ", 3)
        bare = text.startswith("bare ")
        steps = text.removeprefix("bare ").split(" ; ")
        found.append(Vector(rfc, what, expected.split("; "), b"".join(one(step) for step in steps), not bare))
    return found


def requests():
    return read("http2_requests.txt")


def answers():
    return read("http2_answers.txt")
