#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "common/hash.h"
#include "core/error.h"
#include "store/filesystem.h"
#include "store/impl.h"
#include "store/spool.h"

namespace pionbench {
namespace {

/// SHA-256 over a sequence of rows of any length: blocks are chained, each hash heads the next block.
class RowHash {
 public:
  void add(const Statement& row) {
    for (int i = 0; i < row.columns(); ++i) {
      switch (row.type(i)) {
        case Statement::Type::kNull:
          block_ += '~';
          break;
        case Statement::Type::kInteger:
          block_ += std::to_string(row.integer(i));
          break;
        case Statement::Type::kReal:
          add_real(row.real(i));
          break;
        case Statement::Type::kText:
          add_text(row.text(i));
          break;
      }
      block_ += '|';
    }
    block_ += '\n';
    if (block_.size() > kBlock) block_ = sha256(block_);
  }
  /// With its length first: no text can pass for the end of a field.
  void add_text(std::string_view text) { (block_ += std::to_string(text.size()) + ":") += text; }
  std::string finish() const { return sha256(block_); }

 private:
  static constexpr std::size_t kBlock = 1 << 20;
  void add_real(double value) {
    char buffer[32];
    block_.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  }
  std::string block_;
};

constexpr std::array kGlobalContent = {
    "SELECT name, scale, spec, arms FROM experiments ORDER BY 1, 2",
    "SELECT name, scale, position, cell, arm, point FROM experiment_cells ORDER BY 1, 2, 3",
    "SELECT cell, suite, optimizer, config FROM cells ORDER BY 1",
    "SELECT sitting, recorded_at, revision, fingerprint, environment FROM sittings ORDER BY 1",
    "SELECT sitting, series, unit, standing, samples, verdict, why FROM benchmarks ORDER BY 1, 2",
    "SELECT series, fingerprint, relative_sd, sittings FROM noise ORDER BY 1, 2",
};

// Of one run, ?1: the sort by name then stays small, whatever the size of the store.
constexpr std::array kRunContent = {
    "SELECT cell, step, steps, finish_status, finish_reason FROM runs WHERE id = ?1",
    "SELECT attempt, started_at, host, boot_id, pid, pid_start, ended_at, outcome, exit_code, signal, wall_seconds, "
    "reason, stderr_tail, owner, threads, accumulation, devices, peak_memory, peak_device_memory, disturbance "
    "FROM attempts WHERE run_id = ?1 ORDER BY 1",
    "SELECT n.name, m.step, m.value, m.seq FROM metrics m JOIN names n ON n.id = m.name_id WHERE m.run_id = ?1 "
    "ORDER BY 1, 2",
    "SELECT p.name, s.head, n.name, s.step, s.value, s.seq FROM spectral s JOIN names p ON p.id = s.parameter_id "
    "JOIN names n ON n.id = s.name_id WHERE s.run_id = ?1 ORDER BY 1, 2, 3, 4",
    "SELECT e.step, s.name, e.item, n.name, e.value, e.seq FROM evaluations e JOIN names s ON s.id = e.split_id "
    "JOIN names n ON n.id = e.name_id WHERE e.run_id = ?1 ORDER BY 1, 2, 3, 4",
    "SELECT name, variant, x, y, seq FROM curves WHERE run_id = ?1 ORDER BY 1, 2",
    "SELECT p.seq, p.step, n.name, p.seconds FROM phases p JOIN names n ON n.id = p.name_id WHERE p.run_id = ?1 "
    "ORDER BY 1",
    "SELECT attempt, name, value FROM environment WHERE run_id = ?1 ORDER BY 1, 2",
    "SELECT path, kind, bytes, step, seq FROM artifacts WHERE run_id = ?1 ORDER BY 1",
};

void check_spools(const std::filesystem::path& out, const SpoolStates& states, Store::Verify what,
                  std::vector<std::string>& problems) {
  for (const auto& [path, state] : states) {
    const auto stamp = file_stamp(out / path);
    const bool is_lines = path.ends_with(".jsonl");
    if (!stamp)
      problems.push_back(path + " is gone; what it held is in the store alone, and a rebuild drops it");
    else if (is_lines && stamp->size < state.taken)
      problems.push_back(path + " is shorter (" + std::to_string(stamp->size) + " bytes) than what was taken of it (" +
                         std::to_string(state.taken) + ")");
    else if (is_lines && stamp->size > state.taken && what == Store::Verify::kEverything)
      problems.push_back(path + " has " + std::to_string(stamp->size - state.taken) +
                         " bytes that were not taken yet, or a torn last line");
  }
}

void check_rebuild(const Database& db, const std::filesystem::path& out, const SpoolStates& states, Store::Verify what,
                   std::vector<std::string>& problems) {
  Database memory(db.path(), Database::Mode::kMemory);
  prepare_writer(memory);
  const auto report = Ingester(memory, out, &states).ingest();
  if (what == Store::Verify::kEverything)
    for (const auto& complaint : report.complaints) problems.push_back(complaint);
  const std::string ours = content_digest(db), theirs = content_digest(memory);
  if (ours != theirs)
    problems.push_back("the store (" + ours.substr(0, 12) + ") differs from what its spools give (" +
                       theirs.substr(0, 12) + "); make it anew: pionbench store rebuild");
}

void remove_database(const std::filesystem::path& file) {
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + suffix);
}

}  // namespace

std::string content_digest(const Database& db) {
  const ReadSnapshot snapshot(db);
  RowHash hash;
  for (const char* sql : kGlobalContent) {
    hash.add_text(sql);
    for (auto rows = db.prepare(sql); rows.step();) hash.add(rows);
  }
  std::vector<Statement> content;
  for (const char* sql : kRunContent) content.push_back(db.prepare(sql));
  for (auto runs = db.prepare("SELECT id, run FROM runs ORDER BY run"); runs.step();) {
    hash.add_text(runs.text(1));
    for (auto& rows : content) {
      hash.add_text("table");
      for (rows.query(runs.integer(0)); rows.step();) hash.add(rows);
    }
  }
  return hash.finish();
}

std::string Store::digest() const {
  return content_digest(impl_->db);
}

std::vector<std::string> Store::verify(Verify what) const {
  std::vector<std::string> problems;
  const ReadSnapshot snapshot(impl_->db);
  auto integrity = impl_->db.prepare("PRAGMA integrity_check(20)");
  while (integrity.step())
    if (integrity.text(0) != "ok") problems.push_back("SQLite: " + integrity.text(0));
  auto foreign = impl_->db.prepare("PRAGMA foreign_key_check");
  while (foreign.step())
    problems.push_back("SQLite: a row of " + foreign.text(0) + " names a missing row of " + foreign.text(2));
  const auto states = read_spool_states(impl_->db);
  check_spools(impl_->out, states, what, problems);
  check_rebuild(impl_->db, impl_->out, states, what, problems);
  return problems;
}

std::string Store::rebuild(const std::filesystem::path& out) {
  const auto file = database_file(out);
  const auto fresh = file.parent_path() / ("rebuild-" + std::to_string(::getpid()));
  if (!std::filesystem::is_directory(out))
    throw UserError("there is no folder " + out.string() + "; name the output folder of a run with --out");
  require_local_filesystem(file.parent_path());
  std::string digest;
  try {
    remove_database(fresh);
    Database db(fresh, Database::Mode::kReadWrite);
    db.execute("PRAGMA journal_mode = WAL");
    prepare_writer(db);
    Ingester(db, out).ingest();
    // FULL: on the disk before the rename, or a machine that dies now could leave an empty file under the name.
    db.execute("PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)");
    digest = content_digest(db);
  } catch (...) {
    remove_database(fresh);
    throw;
  }
  // A log left from the old database must not be replayed into the new one.
  for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(file.string() + suffix);
  std::filesystem::rename(fresh, file);
  return digest;
}

}  // namespace pionbench
