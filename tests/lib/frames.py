# SPDX-License-Identifier: Apache-2.0
"""WebSocket frames by hand, right and wrong ones, for both ends of a raw connection (edge_peer.py)."""
import base64
import hashlib
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}"]


def accept(key):
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()


def frame(opcode, payload=b"", mask=None, fin=True, bits=0):
    """`mask`: four bytes, or None for a server's frame."""
    first = opcode | (0x80 if fin else 0) | bits
    masked = 0x80 if mask is not None else 0
    if len(payload) < 126:
        head = bytes([first, masked | len(payload)])
    elif len(payload) < 65536:
        head = bytes([first, masked | 126]) + struct.pack(">H", len(payload))
    else:
        head = bytes([first, masked | 127]) + struct.pack(">Q", len(payload))
    if mask is None:
        return head + payload
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def close(code, reason=b"", mask=None):
    return frame(CLOSE, struct.pack(">H", code) + reason, mask)


def read_frame(peer):
    """(opcode, fin, payload unmasked, was masked) of the next frame."""
    first, second = peer.exactly(2)
    size = second & 127
    if size > 125:
        size = int.from_bytes(peer.exactly(2 if size == 126 else 8), "big")
    mask = peer.exactly(4) if second & 128 else b"\0\0\0\0"
    payload = bytes(b ^ mask[i % 4] for i, b in enumerate(peer.exactly(size)))
    return first & 15, bool(first & 128), payload, bool(second & 128)


def read_close(peer):
    """The code of the Close that comes next, other frames skipped; "end" when none does."""
    try:
        while True:
            opcode, _, payload, _ = read_frame(peer)
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big") if payload else 1005
    except (EOFError, ConnectionResetError):
        return "end"


def upgrade(peer, headers=()):
    """The service's side of the handshake; the request's fields."""
    _, low, _ = peer.request()
    lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket",
             f"Sec-WebSocket-Accept: {accept(low['sec-websocket-key'])}", *headers]
    peer.send("\r\n".join(lines).encode() + b"\r\n\r\n")
    return low
