"""Episodes side by side as one animated PNG (APNG, W3C PNG third edition), the same bytes every time.

The order (results/report.cpp): {"columns": [{"label", "color", "note", "strip", "frames"}], "frame_size",
"frames_per_second"}. A strip is a PNG of square frames from left to right; "" leaves an empty column with its note. A
shorter episode stands still at its end; the whole rests there for two seconds before it begins anew.
"""

import struct
import zlib
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import vl_convert

GAP = 8  # pixels between columns and around
HEAD, FOOT = 24, 20  # pixels for the label above and the note below
REST_SECONDS = 2
SIGNATURE = b"\x89PNG\r\n\x1a\n"
LEAST_WIDTH = 180  # pixels of a column: labels must fit


def read_png(data: bytes) -> np.ndarray:
    """8 bits a channel, grey, RGB or RGBA, not interlaced -> [height, width, 3], over white where it is transparent."""
    if data[:8] != SIGNATURE:
        raise ValueError("not a PNG")
    at, idat, header = 8, b"", b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += length + 12
        if kind == b"IHDR":
            header = body
        elif kind == b"IDAT":
            idat += body
    width, height, depth, color, _, _, interlace = struct.unpack(">IIBBBBB", header)
    channels = {0: 1, 2: 3, 6: 4}.get(color)
    if depth != 8 or channels is None or interlace:
        raise ValueError(f"PNG of depth {depth}, colour type {color}, interlace {interlace} is not read here")
    rows = np.frombuffer(zlib.decompress(idat), np.uint8).reshape(height, 1 + width * channels)
    out = np.zeros((height, width, channels), np.uint8)
    above = np.zeros((width, channels), np.uint8)
    for y in range(height):
        kind, line = rows[y, 0], rows[y, 1:].reshape(width, channels)
        if kind == 0:
            above = line
        elif kind == 1:
            above = np.cumsum(line, axis=0, dtype=np.uint8)
        elif kind == 2:
            above = line + above
        else:
            above = predicted(kind, line, above)
        out[y] = above
    if channels == 1:
        return np.repeat(out, 3, axis=2)
    if channels == 3:
        return out
    alpha = out[..., 3:].astype(np.uint32)
    return ((out[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def predicted(kind: int, line: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Filters 3 (average) and 4 (Paeth) need the pixel to the left, so they go one by one."""
    out = np.zeros(line.shape, np.int32)
    left, corner = np.zeros(line.shape[1], np.int32), np.zeros(line.shape[1], np.int32)
    for x in range(line.shape[0]):
        up = above[x].astype(np.int32)
        if kind == 3:
            guess = (left + up) // 2
        else:
            p = left + up - corner
            a, b, c = abs(p - left), abs(p - up), abs(p - corner)
            guess = np.where((a <= b) & (a <= c), left, np.where(b <= c, up, corner))
        out[x] = (line[x] + guess) & 255
        left, corner = out[x], up
    return out.astype(np.uint8)


def text_row(texts: list[str], colors: list[str], column: int, height: int, bold: bool) -> np.ndarray:
    width = len(texts) * (column + GAP) + GAP
    parts = [
        f'<text x="{GAP + i * (column + GAP)}" y="{height - 7}" font-family="Liberation Sans, Arial, sans-serif" '
        f'font-size="{13 if bold else 11}" font-weight="{600 if bold else 400}" fill="{color}">{escape(text)}</text>'
        for i, (text, color) in enumerate(zip(texts, colors))
    ]
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{"".join(parts)}</svg>'
    image = read_png(vl_convert.svg_to_png(svg, scale=1))
    out = np.full((height, width, 3), 255, np.uint8)
    out[: image.shape[0], : image.shape[1]] = image[:height, :width]
    return out


def frames_of(column: dict, size: int, factor: int) -> np.ndarray | None:
    """[frames, side, side, 3]; nothing where there is no strip."""
    if not column["strip"]:
        return None
    strip = read_png(Path(column["strip"]).read_bytes())
    count = strip.shape[1] // size
    if strip.shape[0] != size or count < 1:
        raise ValueError(f"{column['strip']}: {strip.shape[1]} x {strip.shape[0]} pixels are no strip of {size} x {size}")
    frames = strip.reshape(size, count, size, 3).swapaxes(0, 1)
    return frames.repeat(factor, axis=1).repeat(factor, axis=2)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def compressed(image: np.ndarray) -> bytes:
    """Filter 2 (difference to the line above): the scenes are smooth."""
    lines = image.reshape(image.shape[0], -1)
    up = lines - np.vstack([np.zeros_like(lines[:1]), lines[:-1]])
    return zlib.compress(np.hstack([np.full((len(up), 1), 2, np.uint8), up]).tobytes(), 9)


def animate(order: dict) -> bytes:
    size, columns = order["frame_size"], order["columns"]
    factor = max(1, -(-LEAST_WIDTH // size))
    side = size * factor
    episodes = [frames_of(column, size, factor) for column in columns]
    count = max([len(e) for e in episodes if e is not None], default=1)
    head = text_row([c["label"] for c in columns], [c["color"] for c in columns], side, HEAD, bold=True)
    foot = text_row([c["note"] for c in columns], ["#24292f"] * len(columns), side, FOOT, bold=False)
    blank = text_row([""] * len(columns), ["#24292f"] * len(columns), side, FOOT, bold=False)
    images = []
    for i in range(count):
        middle = np.full((side, head.shape[1], 3), 255, np.uint8)
        for c, episode in enumerate(episodes):
            left = GAP + c * (side + GAP)
            middle[:, left : left + side] = 236 if episode is None else episode[min(i, len(episode) - 1)]
        # How it ended is told at the end.
        images.append(np.vstack([head, middle, foot if i == count - 1 else blank]))
    height, width = images[0].shape[:2]
    out = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    out += chunk(b"acTL", struct.pack(">II", count, 0))
    rate = max(1, round(order["frames_per_second"]))
    sequence = 0
    for i, image in enumerate(images):
        delay = (REST_SECONDS, 1) if i == count - 1 else (1, rate)
        out += chunk(b"fcTL", struct.pack(">IIIIIHHBB", sequence, width, height, 0, 0, *delay, 0, 0))
        sequence += 1
        if i == 0:
            out += chunk(b"IDAT", compressed(image))
        else:
            out += chunk(b"fdAT", struct.pack(">I", sequence) + compressed(image))
            sequence += 1
    return out + chunk(b"IEND", b"")
