"""Reads TensorBoard event files below a folder and prints their scalars as JSON: {run: {tag: [[step, value, wall], ...]}}.

usage: read_event_files.py FOLDER [tensorboard]

Without a second word by this file's own reader of TFRecord and protobuf, which shares nothing with the writer and checks
both checksums of every record bit by bit; with it by the package tensorboard (exit 3 where it is missing).
"""

import json
import struct
import sys
from pathlib import Path


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def checked(data: bytes, stored: bytes) -> bytes:
    crc = crc32c(data)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert masked == struct.unpack("<I", stored)[0], "checksum"
    return data


def records(data: bytes):
    at = 0
    while at < len(data):
        (length,) = struct.unpack("<Q", checked(data[at : at + 8], data[at + 8 : at + 12]))
        at += 12
        yield checked(data[at : at + length], data[at + length : at + length + 4])
        at += length + 4


def fields(message: bytes):
    """(field number, value): bytes, or the raw integer."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            value = varint()
        elif kind == 2:
            length = varint()
            value, at = message[at : at + length], at + length
        else:
            size = {1: 8, 5: 4}[kind]
            value, at = message[at : at + size], at + size
        yield key >> 3, value


def own_reader(folder: Path) -> dict:
    out: dict = {}
    for file in sorted(folder.rglob("*tfevents*")):
        run = out.setdefault(file.parent.relative_to(folder).as_posix(), {})
        for i, record in enumerate(records(file.read_bytes())):
            event = dict(fields(record))
            if i == 0:
                assert event[3] == b"brain.Event:2", event
                continue
            for _, value in fields(event[5]):
                parts = dict(fields(value))
                point = [event.get(2, 0), struct.unpack("<f", parts[2])[0], struct.unpack("<d", event[1])[0]]
                run.setdefault(parts[1].decode(), []).append(point)
    return out


def package_reader(folder: Path) -> dict:
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        sys.exit(3)
    out = {}
    for file in sorted(folder.rglob("*tfevents*")):
        accumulator = EventAccumulator(str(file.parent), size_guidance={"scalars": 0})
        accumulator.Reload()
        out[file.parent.relative_to(folder).as_posix()] = {
            tag: [[e.step, e.value, e.wall_time] for e in accumulator.Scalars(tag)]
            for tag in accumulator.Tags()["scalars"]
        }
    return out


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print(json.dumps(package_reader(folder) if sys.argv[2:] == ["tensorboard"] else own_reader(folder)))
