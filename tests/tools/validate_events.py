"""Hold an events.jsonl to the event protocol.

    validate_events.py FILE...

Every line must match docs/event-protocol.schema.json; over the file, seq must count from 0 without a gap, a
run_started must come first, curves must have as many x as y, and nothing may follow run_finished but another attempt.
Prints "FILE:LINE: what is wrong" for each fault. Exit code: 0 sound, 1 faults, 2 usage, 3 jsonschema is missing.
"""

import os
import sys

# A neighbour with the name of a standard module would be taken for it.
sys.path = [entry for entry in sys.path if entry != os.path.dirname(os.path.abspath(__file__))]

import json  # noqa: E402
from pathlib import Path  # noqa: E402

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "event-protocol.schema.json"


def refuse(token: str):
    raise ValueError(f"{token} is not JSON")


def faults_of_line(text: bytes, validator) -> tuple[dict | None, list[str]]:
    try:
        event = json.loads(text, parse_constant=refuse)
    except ValueError as error:
        return None, [f"not JSON: {error}"]
    faults = [f"{'.'.join(map(str, e.absolute_path)) or 'line'}: {e.message}" for e in validator.iter_errors(event)]
    if faults:
        return event if isinstance(event, dict) else None, faults
    if event["type"] == "curve" and len(event["x"]) != len(event["y"]):
        faults.append(f"x has {len(event['x'])} numbers, y {len(event['y'])}")
    return event, faults


def faults_of_file(path: Path, validator) -> list[str]:
    data = path.read_bytes()
    lines = data.split(b"\n")
    faults = [] if lines[-1] == b"" else [f"{path}:{len(lines)}: the last line has no end"]
    finished = False
    for number, text in enumerate(lines[:-1], start=1):
        event, found = faults_of_line(text, validator)
        if event is not None:
            if event.get("seq") != number - 1:
                found.append(f"seq must be {number - 1}, got {event.get('seq')}")
            kind = event.get("type")
            if number == 1 and kind != "run_started":
                found.append(f"the first line must be run_started, got {kind}")
            if finished and kind != "run_started":
                found.append(f"{kind} after run_finished")
            finished = kind == "run_finished"
        faults += [f"{path}:{number}: {fault}" for fault in found]
    return faults


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        import jsonschema
    except ImportError:
        print("jsonschema is missing; install it: ci/setup", file=sys.stderr)
        return 3
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    faults = [fault for name in sys.argv[1:] for fault in faults_of_file(Path(name), validator)]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
