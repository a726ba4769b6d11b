# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 by hand, right and wrong: frames, header blocks without compression, and a raw client that notes what it is told."""
import socket
import struct
import time

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 1
END_HEADERS, PADDED, WITH_PRIORITY = 4, 8, 32
ERRORS = ["NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
          "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
          "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"]
HEADER_TABLE_SIZE, ENABLE_PUSH, STREAMS_MAX, WINDOW, FRAME_SIZE, LIST_SIZE, CONNECT_PROTOCOL = 1, 2, 3, 4, 5, 6, 8


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def integer(n, bits, first=0):
    """An integer of HPACK (RFC 7541 §5.1)."""
    most = (1 << bits) - 1
    if n < most:
        return bytes([first | n])
    out, n = bytes([first | most]), n - most
    while n >= 128:
        out, n = out + bytes([n % 128 | 128]), n // 128
    return out + bytes([n])


def field(name, value):
    """Literal, not indexed, not Huffman: leaves no trace in tables."""
    return b"\0" + integer(len(name), 7) + name + integer(len(value), 7) + value


def secret(name, value):
    """The same, and nobody may keep it (RFC 7541 §6.2.3)."""
    return b"\x10" + field(name, value)[1:]


def block(*fields):
    return b"".join(field(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields)


def get(path="/", *more, host="a", method="GET"):
    return block((":method", method), (":scheme", "http"), (":authority", host), (":path", path), *more)


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", key, value) for key, value in pairs))


def window_update(stream, n):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", n))


def error_name(code):
    return ERRORS[code] if code < len(ERRORS) else str(code)


class Answer:
    """What has come on one stream."""

    def __init__(self):
        self.heads, self.size, self.body, self.reset, self.ended = [], 0, b"", None, False
        self.secret = set()  # names of fields that nobody may keep

    @property
    def status(self):
        finals = [head for head in self.heads if not head.get(":status", "200").startswith("1")]
        return int(finals[0][":status"]) if finals else None

    @property
    def over(self):
        return self.ended or self.reset is not None

    def verdict(self):
        """ "200", "RST CANCEL", or both."""
        said = [] if self.status is None else [str(self.status) if self.ended else f"{self.status} unfinished"]
        if self.reset is not None and not (self.ended and self.reset == 0):
            said.append("RST " + error_name(self.reset))
        return " ".join(said)


class H2Client:
    """`keep`: bytes of each body that are kept. It gives windows back only when told to."""

    def __init__(self, port, timeout=10, preface=True, pairs=(), keep=100000, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout, self.keep, self.buffer = timeout, keep, b""
        self.answers, self.pings, self.settings, self.acks = {}, [], {}, 0
        self.goaway, self.ended, self.gives_windows = None, False, False
        self.windows = {}
        self.decoder = hpack.Decoder(max_header_list_size=1 << 20)
        self.part = None
        if preface:
            self.send(PREFACE + settings(*pairs))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def try_send(self, data):
        """False: it has ended the connection."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def answer(self, stream):
        return self.answers.setdefault(stream, Answer())

    def take(self, kind, flags, stream, payload):
        if kind in (HEADERS, CONTINUATION):
            self.part = (payload, flags) if kind == HEADERS else (self.part[0] + payload, self.part[1])
            if flags & END_HEADERS:
                fields = self.decoder.decode(self.part[0])
                self.answer(stream).heads.append(dict(fields))
                self.answer(stream).secret |= {item[0] for item in fields if not item.indexable}
                self.answer(stream).ended |= bool(self.part[1] & END_STREAM)
        elif kind == DATA:
            answer = self.answer(stream)
            answer.size += len(payload)
            answer.body += payload[:max(self.keep - len(answer.body), 0)]
            answer.ended |= bool(flags & END_STREAM)
            if self.gives_windows and payload:
                self.try_send(window_update(0, len(payload)) + (b"" if answer.ended else window_update(stream, len(payload))))
        elif kind == RST_STREAM:
            self.answer(stream).reset = struct.unpack(">I", payload)[0]
        elif kind == SETTINGS and flags & ACK:
            self.acks += 1
        elif kind == SETTINGS:
            self.settings.update({key: value for key, value in struct.iter_unpack(">HI", payload)})
            self.try_send(frame(SETTINGS, ACK))
        elif kind == PING and flags & ACK:
            self.pings.append(payload)
        elif kind == WINDOW_UPDATE:
            self.windows[stream] = self.windows.get(stream, 0) + struct.unpack(">I", payload)[0]
        elif kind == GOAWAY:
            self.goaway = struct.unpack(">I", payload[4:8])[0]

    def read(self, seconds=None):
        """What is there, or comes in this time. False: it is over."""
        self.socket.settimeout(self.timeout if seconds is None else max(seconds, 0.001))
        try:
            data = self.socket.recv(1 << 18)
        except (TimeoutError, socket.timeout, BlockingIOError):
            return True
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        finally:
            self.socket.settimeout(self.timeout)
        self.ended |= not data
        self.buffer += data
        while len(self.buffer) >= 9:
            size = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + size:
                break
            head, payload, self.buffer = self.buffer[:9], self.buffer[9:9 + size], self.buffer[9 + size:]
            self.take(head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7fffffff, payload)
        return not self.ended

    def until(self, what, seconds=None):
        """Reads until it is true; False: it was not in time, or the connection ended before."""
        end = time.monotonic() + (self.timeout if seconds is None else seconds)
        while not what():
            left = end - time.monotonic()
            if left <= 0 or not self.read(left):
                return bool(what())
        return True

    def ping(self, text=b"are you?", seconds=None):
        """It lives, and has read all that was sent."""
        count = self.pings.count(text)
        return self.try_send(frame(PING, 0, 0, text)) and self.until(lambda: self.pings.count(text) > count, seconds)

    def ask(self, stream, path="/", *more, host="a", method="GET"):
        self.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, get(path, *more, host=host, method=method)))

    def fetch(self, stream, path="/", *more, seconds=None):
        """The whole answer, or what has come of it in time."""
        self.ask(stream, path, *more)
        self.until(lambda: self.answer(stream).over, seconds)
        return self.answer(stream)
