"""Render Vega-Lite specifications to SVG, PDF and PNG, the same bytes every time.

    render.py FOLDER NAME...      reads FOLDER/NAME.vl.json, writes FOLDER/NAME.{svg,pdf,png};
                                  where there is NAME.film.json, also the animation NAME.film.png (film.py)

Needs vl-convert-python, and NumPy for films; no network. One process renders all figures, because starting the converter costs more
than a figure.
"""

import json
import re
import sys
from pathlib import Path

VEGA_LITE = "5.20"
PNG_SCALE = 2


def canonical_svg(svg: str, name: str) -> str:
    """Ids in order of appearance, headed by the figure's name.

    Vega counts ids over the life of the process, and a page with several figures inline needs them distinct.
    """
    ids: dict[str, str] = {}

    def rename(match: re.Match) -> str:
        return match.group(1) + ids.setdefault(match.group(2), f"{name}-{len(ids) + 1}") + match.group(3)

    svg = re.sub(r'(\bid="|url\(#)([^")]+)([")])', rename, svg)
    # Links of marks are anchors of the report's page; Vega makes them relative to a site of its own.
    return re.sub(r'xlink:href="[^"#]*#', 'href="../index.html#', svg)


REFERENCE = re.compile(rb"(\d+) 0 R")
NAMED_REFERENCES = re.compile(rb"(?:[ \t]+/[A-Za-z]+\d+ \d+ 0 R\n)+")


def parse_objects(pdf: bytes) -> dict[int, tuple[bytes, bytes]]:
    """Number -> (dictionary, stream part) of every object of a PDF without object streams."""
    objects, position = {}, 0
    for match in iter(lambda: re.compile(rb"\s*(\d+) 0 obj\n").match(pdf, position), None):
        end = re.compile(rb"(?=stream\r?\n|endobj)").search(pdf, match.end()).start()
        head, stream = pdf[match.end() : end], b""
        if pdf.startswith(b"stream", end):
            start = pdf.index(b"\n", end) + 1
            length = int(re.search(rb"/Length (\d+)", head).group(1))
            stop = pdf.index(b"endobj", start + length)
            stream, end = pdf[end:stop], stop
        objects[int(match.group(1))] = (head, stream)
        position = end + len(b"endobj")
    return objects


def canonical_pdf(pdf: bytes) -> bytes:
    """Objects numbered and written in the order in which they are reached from the catalog.

    The converter walks its fonts in the order of a randomly seeded hash table, which shows in object numbers and in
    the order of resource names and in nothing else.
    """
    first = re.search(rb"\d+ 0 obj", pdf).start()
    header = pdf[:first]
    objects = parse_objects(pdf[first:])
    objects = {
        number: (NAMED_REFERENCES.sub(lambda m: b"".join(sorted(m.group(0).splitlines(keepends=True))), head), stream)
        for number, (head, stream) in objects.items()
    }
    root = int(re.search(rb"/Root (\d+) 0 R", pdf).group(1))
    number_of: dict[int, int] = {}
    queue = [root]
    for old in queue:  # grows while it is walked
        if old in number_of:
            continue
        number_of[old] = len(number_of) + 1
        queue += [int(n) for n in REFERENCE.findall(objects[old][0])]

    out, offsets = bytearray(header), []
    for old, new in number_of.items():
        head, stream = objects[old]
        offsets.append(len(out))
        head = REFERENCE.sub(lambda m: b"%d 0 R" % number_of[int(m.group(1))], head)
        out += b"%d 0 obj\n" % new + head + stream + b"endobj\n\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f\r\n" % (len(offsets) + 1)
    for offset in offsets:
        out += b"%010d 00000 n\r\n" % offset
    out += b"trailer\n<<\n  /Size %d\n  /Root 1 0 R\n>>\nstartxref\n%d\n%%%%EOF" % (len(offsets) + 1, start)
    return bytes(out)


def render(folder: Path, name: str) -> None:
    import vl_convert

    spec = (folder / f"{name}.vl.json").read_text(encoding="utf-8")
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    (folder / f"{name}.svg").write_text(canonical_svg(svg, name), encoding="utf-8")
    (folder / f"{name}.pdf").write_bytes(canonical_pdf(vl_convert.svg_to_pdf(svg)))
    (folder / f"{name}.png").write_bytes(vl_convert.svg_to_png(svg, scale=PNG_SCALE))
    order = folder / f"{name}.film.json"
    if order.exists():
        import film

        (folder / f"{name}.film.png").write_bytes(film.animate(json.loads(order.read_text(encoding="utf-8"))))


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    folder, failed = Path(sys.argv[1]), 0
    try:
        import vl_convert  # noqa: F401
    except ImportError as error:
        print(f"vl-convert-python is missing ({error})", file=sys.stderr)
        return 1
    for name in sys.argv[2:]:
        try:
            render(folder, name)
        except Exception as error:  # one bad figure must not take the others with it
            print(f"{name}: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
