"""What the tests of this folder share: the built programs, a store made by make_store, and what is true of it by SQL."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

BIN = Path(os.environ.get("PIONBENCH_BIN", ""))
PICTURES = Path(os.environ.get("PIONBENCH_PICTURES", "."))
SKIP = 77


def skip(reason: str) -> None:
    print(f"skipped: {reason}")
    sys.exit(SKIP)


def make_store(out: Path, *arguments: str) -> None:
    subprocess.run([BIN / "make_store", out, *arguments], check=True)


def pionbench(*arguments: object, code: int | None = 0) -> str:
    result = subprocess.run([BIN / "pionbench", *map(str, arguments)], capture_output=True, text=True)
    if code is not None and result.returncode != code:
        raise AssertionError(f"pionbench {arguments}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


class Truth:
    """The store, read without any of our code."""

    def __init__(self, out: Path) -> None:
        self._db = sqlite3.connect(f"file:{out}/store.sqlite?mode=ro", uri=True)

    def rows(self, sql: str, *parameters: object) -> list[tuple]:
        return self._db.execute(sql, parameters).fetchall()

    def one(self, sql: str, *parameters: object) -> object:
        return self.rows(sql, *parameters)[0][0]

    def states(self) -> dict[str, str]:
        """Run -> outcome of its last attempt."""
        return dict(self.rows("SELECT r.run, coalesce((SELECT outcome FROM attempts a WHERE a.run_id = r.id "
                              "ORDER BY attempt DESC LIMIT 1), 'running') FROM runs r"))

    def last(self, metric: str) -> dict[str, float]:
        return dict(self.rows("SELECT r.run, m.value FROM metrics m JOIN runs r ON r.id = m.run_id JOIN names n ON "
                              "n.id = m.name_id WHERE n.name = ? AND m.step = (SELECT max(step) FROM metrics l WHERE "
                              "l.run_id = m.run_id AND l.name_id = m.name_id)", metric))

    def metrics_of(self, run: str) -> dict[str, float]:
        return dict(self.rows("SELECT n.name, m.value FROM metrics m JOIN names n ON n.id = m.name_id JOIN runs r ON "
                              "r.id = m.run_id WHERE r.run = ? ORDER BY m.step", run))

    def samples(self, series: str) -> list[tuple[str, list[float]]]:
        """Newest first: revision and samples."""
        return [(revision, json.loads(text)) for revision, text in self.rows(
            "SELECT s.revision, b.samples FROM benchmarks b JOIN sittings s USING (sitting) WHERE b.series = ? "
            "ORDER BY s.recorded_at DESC", series)]
