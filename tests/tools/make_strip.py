"""Writes a PNG of FRAMES square frames from left to right, by the filter of each line in turn; exit 3 without NumPy.

usage: make_strip.py FILE SIZE FRAMES LEVEL          pixel (x, y) of frame f is (LEVEL, 8 f + x, y), modulo 256
       make_strip.py check FILE                      reads an animated PNG back, prints {"width", "height", "frames",
                                                     "delays", "pixels": the pixel at (10, 40) of each frame}
"""

import json
import struct
import sys
import zlib
from pathlib import Path

try:
    import numpy as np
except ImportError:
    sys.exit(3)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def write(file, size, frames, level):
    y, x = np.mgrid[0:size, 0 : size * frames]
    image = np.stack([np.full_like(x, level), 8 * (x // size) + x % size, y], axis=2).astype(int) % 256
    lines = b""
    for row in range(size):
        kind = row % 5
        line = image[row].reshape(-1)
        up = image[row - 1].reshape(-1) if row else np.zeros_like(line)
        left = np.concatenate([[0, 0, 0], line[:-3]])
        corner = np.concatenate([[0, 0, 0], up[:-3]])
        guess = [0 * line, left, up, (left + up) // 2, np.array([paeth(*v) for v in zip(left, up, corner)])][kind]
        lines += bytes([kind]) + ((line - guess) % 256).astype(np.uint8).tobytes()
    head = struct.pack(">IIBBBBB", size * frames, size, 8, 2, 0, 0, 0)
    body = zlib.compress(lines)
    half = len(body) // 2
    Path(file).write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body[:half]) + chunk(b"IDAT", body[half:]) + chunk(b"IEND", b"")
    )


def check(file):
    data, at = Path(file).read_bytes(), 8
    out = {"delays": [], "pixels": []}
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body), kind
        at += length + 12
        if kind == b"IHDR":
            out["width"], out["height"] = struct.unpack(">II", body[:8])
        elif kind == b"acTL":
            out["frames"] = struct.unpack(">II", body)[0]
        elif kind == b"fcTL":
            out["delays"].append(list(struct.unpack(">HH", body[20:24])))
        elif kind in (b"IDAT", b"fdAT"):
            raw = zlib.decompress(body[4:] if kind == b"fdAT" else body)
            rows = np.frombuffer(raw, np.uint8).reshape(out["height"], 1 + 3 * out["width"])
            assert (rows[:, 0] == 2).all()
            image = np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8).reshape(out["height"], out["width"], 3)
            out["pixels"].append(image[40, 10].tolist())
    print(json.dumps(out))


if __name__ == "__main__":
    if sys.argv[1] == "check":
        check(sys.argv[2])
    else:
        write(sys.argv[1], *map(int, sys.argv[2:5]))
