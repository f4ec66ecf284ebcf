#include "store/schema.h"

#include <array>
#include <string>

#include "core/error.h"

namespace pionbench {
namespace {

// Metric, parameter and split names, and runs, are integers in the tables that grow with steps: a third of the size,
// and one integer compare per key part. Row ids never leave the store: digests and queries speak in names.
constexpr const char* kFirstSchema = R"sql(
CREATE TABLE experiments (
  name  TEXT NOT NULL,
  scale TEXT NOT NULL,
  spec  TEXT NOT NULL,           -- JSON, after overlays
  arms  TEXT NOT NULL,           -- JSON array, display order
  PRIMARY KEY (name, scale)
) STRICT, WITHOUT ROWID;

CREATE TABLE experiment_cells (
  name     TEXT NOT NULL,
  scale    TEXT NOT NULL,
  position INTEGER NOT NULL,     -- display order
  cell     TEXT NOT NULL,        -- no foreign key: planned cells have no run yet
  arm      TEXT NOT NULL,
  point    TEXT NOT NULL,        -- JSON object of texts
  PRIMARY KEY (name, scale, position),
  FOREIGN KEY (name, scale) REFERENCES experiments (name, scale) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX experiment_cells_by_cell ON experiment_cells (cell);

CREATE TABLE cells (
  cell      TEXT PRIMARY KEY,
  suite     TEXT NOT NULL,
  optimizer TEXT NOT NULL,
  config    TEXT NOT NULL        -- canonical JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
  id            INTEGER PRIMARY KEY,
  run           TEXT NOT NULL UNIQUE,
  cell          TEXT NOT NULL REFERENCES cells (cell),
  step          INTEGER NOT NULL DEFAULT 0,
  steps         INTEGER NOT NULL DEFAULT 0,
  finish_status TEXT,            -- of run_finished
  finish_reason TEXT
) STRICT;
CREATE INDEX runs_by_cell ON runs (cell);

CREATE TABLE attempts (
  run_id       INTEGER NOT NULL REFERENCES runs (id),
  attempt      INTEGER NOT NULL,
  started_at   TEXT,
  host         TEXT,
  boot_id      TEXT,
  pid          INTEGER,
  pid_start    INTEGER,
  ended_at     TEXT,
  outcome      TEXT,
  exit_code    INTEGER,
  signal       INTEGER,
  wall_seconds REAL,
  reason       TEXT,
  stderr_tail  TEXT,
  PRIMARY KEY (run_id, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE names (
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE metrics (
  run_id  INTEGER NOT NULL REFERENCES runs (id),
  name_id INTEGER NOT NULL REFERENCES names (id),
  step    INTEGER NOT NULL,
  value   REAL NOT NULL,
  seq     INTEGER NOT NULL,
  PRIMARY KEY (run_id, name_id, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE spectral (
  run_id       INTEGER NOT NULL REFERENCES runs (id),
  parameter_id INTEGER NOT NULL REFERENCES names (id),
  head         INTEGER NOT NULL,
  name_id      INTEGER NOT NULL REFERENCES names (id),
  step         INTEGER NOT NULL,
  value        REAL NOT NULL,
  seq          INTEGER NOT NULL,
  PRIMARY KEY (run_id, parameter_id, head, name_id, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE evaluations (       -- per item; the means are metrics, evaluation/<split>/<metric>
  run_id   INTEGER NOT NULL REFERENCES runs (id),
  step     INTEGER NOT NULL,
  split_id INTEGER NOT NULL REFERENCES names (id),
  item     INTEGER NOT NULL,
  name_id  INTEGER NOT NULL REFERENCES names (id),
  value    REAL NOT NULL,
  seq      INTEGER NOT NULL,
  PRIMARY KEY (run_id, step, split_id, item, name_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE curves (
  run_id  INTEGER NOT NULL REFERENCES runs (id),
  name    TEXT NOT NULL,
  variant TEXT NOT NULL,
  x       TEXT NOT NULL,         -- JSON array of numbers
  y       TEXT NOT NULL,
  seq     INTEGER NOT NULL,
  PRIMARY KEY (run_id, name, variant)
) STRICT, WITHOUT ROWID;

CREATE TABLE phases (
  run_id  INTEGER NOT NULL REFERENCES runs (id),
  seq     INTEGER NOT NULL,
  step    INTEGER NOT NULL,
  name_id INTEGER NOT NULL REFERENCES names (id),
  seconds REAL NOT NULL,
  PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE phase_totals (      -- kept by the ingester, so that a list of runs need not sum every phase
  run_id  INTEGER NOT NULL REFERENCES runs (id),
  name_id INTEGER NOT NULL REFERENCES names (id),
  seconds REAL NOT NULL,
  PRIMARY KEY (run_id, name_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE environment (
  run_id  INTEGER NOT NULL REFERENCES runs (id),
  attempt INTEGER NOT NULL,
  name    TEXT NOT NULL,
  value   TEXT NOT NULL,
  PRIMARY KEY (run_id, attempt, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (
  run_id INTEGER NOT NULL REFERENCES runs (id),
  path   TEXT NOT NULL,
  kind   TEXT NOT NULL,
  bytes  INTEGER,
  step   INTEGER,                -- checkpoints only
  seq    INTEGER NOT NULL,
  PRIMARY KEY (run_id, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE benchmarks (        -- raw samples; one row per repetition
  series      TEXT NOT NULL,
  fingerprint TEXT NOT NULL,     -- machine, compiler and build
  revision    TEXT NOT NULL,
  sample      INTEGER NOT NULL,
  value       REAL NOT NULL,
  unit        TEXT NOT NULL,
  PRIMARY KEY (series, fingerprint, revision, sample)
) STRICT, WITHOUT ROWID;

CREATE TABLE noise (             -- spread of a series between runs of the same revision
  series      TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  relative_sd REAL NOT NULL,
  samples     INTEGER NOT NULL,
  PRIMARY KEY (series, fingerprint)
) STRICT, WITHOUT ROWID;

CREATE TABLE spools (            -- how far each file was taken; no part of the content
  path     TEXT PRIMARY KEY,     -- relative to the output folder
  taken    INTEGER NOT NULL,     -- bytes
  lines    INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,     -- -1 before the first event
  unread   INTEGER NOT NULL,     -- bad lines since last_seq
  stamp    INTEGER NOT NULL      -- whole-file spools: modification time in ns
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kAttemptResources = R"sql(
ALTER TABLE attempts ADD COLUMN owner TEXT;
ALTER TABLE attempts ADD COLUMN threads INTEGER NOT NULL DEFAULT 1;
ALTER TABLE attempts ADD COLUMN accumulation INTEGER NOT NULL DEFAULT 1;
ALTER TABLE attempts ADD COLUMN devices TEXT NOT NULL DEFAULT '[]';  -- JSON array of UUIDs
ALTER TABLE attempts ADD COLUMN peak_memory INTEGER;                 -- bytes
ALTER TABLE attempts ADD COLUMN peak_device_memory INTEGER;
ALTER TABLE attempts ADD COLUMN disturbance TEXT;
-- As a rebuild from the same spools would have it.
UPDATE attempts SET owner = '' WHERE started_at IS NOT NULL;
UPDATE attempts SET disturbance = '' WHERE outcome IS NOT NULL;
)sql";

// The first tables for these were never written by any program: nothing is lost with them.
constexpr const char* kSittings = R"sql(
DROP TABLE benchmarks;
DROP TABLE noise;

CREATE TABLE sittings (          -- one stay at a machine: what `bench` or `gate` measured in one go
  sitting     TEXT PRIMARY KEY,
  recorded_at TEXT NOT NULL,     -- UTC
  revision    TEXT NOT NULL,
  fingerprint TEXT NOT NULL,     -- of machine, compiler and build: only equal ones are compared
  environment TEXT NOT NULL      -- JSON object of texts: what the fingerprint stands for
) STRICT, WITHOUT ROWID;

CREATE TABLE benchmarks (
  sitting  TEXT NOT NULL REFERENCES sittings (sitting) ON DELETE CASCADE,
  series   TEXT NOT NULL,        -- "step/pion:real_time"
  unit     TEXT NOT NULL,
  standing TEXT NOT NULL,        -- good, changed (no part of later history), accepted (history starts anew here)
  samples  TEXT NOT NULL,        -- JSON array of numbers: one per process or seed, in order
  PRIMARY KEY (sitting, series)
) STRICT, WITHOUT ROWID;
CREATE INDEX benchmarks_by_series ON benchmarks (series);

CREATE TABLE noise (             -- spread of a series between sittings of one revision; kept by the ingester
  series      TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  relative_sd REAL NOT NULL,
  sittings    INTEGER NOT NULL,
  PRIMARY KEY (series, fingerprint)
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kVerdicts = R"sql(
ALTER TABLE benchmarks ADD COLUMN verdict TEXT NOT NULL DEFAULT '';  -- of the gate that judged it last; '' = none has
ALTER TABLE benchmarks ADD COLUMN why TEXT NOT NULL DEFAULT '';      -- that gate's sentence
)sql";

constexpr std::array kMigrations = {
    Migration{1, "experiments, runs and everything a worker reports", kFirstSchema},
    Migration{2, "what attempts were given and what they used", kAttemptResources},
    Migration{3, "benchmarks by sitting", kSittings},
    Migration{4, "what a gate said of each series", kVerdicts},
};

}  // namespace

std::span<const Migration> migrations() {
  return kMigrations;
}

std::int64_t schema_version(const Database& db) {
  return db.integer("PRAGMA user_version");
}

void migrate(const Database& db, std::span<const Migration> steps) {
  const std::int64_t last = steps.back().version;
  const std::int64_t application = db.integer("PRAGMA application_id");
  if (application == kApplicationId && schema_version(db) == last) return;

  WriteTransaction transaction(db);
  const bool is_empty = db.integer("SELECT count(*) FROM sqlite_schema") == 0;
  if (!is_empty && db.integer("PRAGMA application_id") != kApplicationId)
    throw UserError(db.path().string() +
                    " is another program's SQLite database; name another folder with --out, or move it away");
  const std::int64_t now = schema_version(db);
  if (now > last)
    throw UserError(db.path().string() + " has schema " + std::to_string(now) + ", this program knows up to " +
                    std::to_string(last) + "; update pionbench, or make it anew: pionbench store rebuild");
  db.execute("PRAGMA application_id = " + std::to_string(kApplicationId));
  for (const auto& step : steps) {
    if (step.version <= now) continue;
    db.execute(step.sql);
    db.execute("PRAGMA user_version = " + std::to_string(step.version));
  }
  transaction.commit();
}

void require_current_schema(const Database& db, std::span<const Migration> steps) {
  const std::int64_t last = steps.back().version;
  const std::string file = db.path().string();
  const ReadSnapshot snapshot(db);  // or the first writer may make the tables between two looks
  const std::int64_t application = db.integer("PRAGMA application_id");
  if (application == 0 && db.integer("SELECT count(*) FROM sqlite_schema") == 0)
    throw NoStoreYet("the store " + file + " is just being made; try again in a moment");
  if (application != kApplicationId)
    throw UserError(file + " is not a pionbench store; name the output folder of a run with --out");
  const std::int64_t now = schema_version(db);
  if (now == last) return;
  throw UserError(file + " has schema " + std::to_string(now) + ", this program reads " + std::to_string(last) +
                  (now > last ? "; update pionbench, or make it anew: pionbench store rebuild"
                              : "; bring it up to date: pionbench store rebuild"));
}

}  // namespace pionbench
