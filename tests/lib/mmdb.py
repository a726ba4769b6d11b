# SPDX-License-Identifier: Apache-2.0
"""A small database of places in MaxMind's format (version 2.0), made from simulated networks."""
import ipaddress
import struct
import time

UINT16, UINT32, UINT64 = 5, 6, 9


def _control(kind, size):
    """Type and size; types above 7 are extended, all sizes here are small."""
    extra = b""
    if size >= 29:
        assert size < 285
        size, extra = 29, bytes([size - 29])
    return (bytes([size]) + bytes([kind - 7]) if kind > 7 else bytes([kind << 5 | size])) + extra


def _encode(value):
    if isinstance(value, str):
        data = value.encode()
        return _control(2, len(data)) + data
    if isinstance(value, float):
        return _control(3, 8) + struct.pack(">d", value)
    if isinstance(value, tuple):  # a number of that kind
        kind, number = value
        data = number.to_bytes((number.bit_length() + 7) // 8, "big")
        return _control(kind, len(data)) + data
    if isinstance(value, list):
        return _control(11, len(value)) + b"".join(map(_encode, value))
    return _control(7, len(value)) + b"".join(_encode(k) + _encode(v) for k, v in value.items())


def write_mmdb(path, places):
    """places: {"10.1.0.0/16": (latitude, longitude)}; IPv4 lies at ::/96, as in MaxMind's own files."""
    nodes = [[None, None]]
    data = b""
    for network, (latitude, longitude) in places.items():
        net = ipaddress.ip_network(network)
        bits, length = int(net.network_address), net.prefixlen + (96 if net.version == 4 else 0)
        at = len(data)
        data += _encode({"location": {"latitude": float(latitude), "longitude": float(longitude)}})
        node = 0
        for depth in range(length):
            side = bits >> (127 - depth) & 1
            if depth == length - 1:
                nodes[node][side] = ("data", at)
            elif nodes[node][side] is None:
                nodes.append([None, None])
                nodes[node][side] = ("node", len(nodes) - 1)
                node = len(nodes) - 1
            else:
                node = nodes[node][side][1]
    count = len(nodes)

    def record(entry):
        value = count if entry is None else entry[1] if entry[0] == "node" else count + 16 + entry[1]
        return struct.pack(">I", value)
    tree = b"".join(record(left) + record(right) for left, right in nodes)
    about = {"binary_format_major_version": (UINT16, 2), "binary_format_minor_version": (UINT16, 0),
             "build_epoch": (UINT64, int(time.time())), "database_type": "Test-City",
             "description": {"en": "simulated"}, "ip_version": (UINT16, 6), "languages": ["en"],
             "node_count": (UINT32, count), "record_size": (UINT16, 32)}
    path.write_bytes(tree + b"\0" * 16 + data + b"\xab\xcd\xefMaxMind.com" + _encode(about))
    return path
