#include "store/ingest.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "common/hash.h"
#include "core/error.h"
#include "core/files.h"
#include "core/run_request.h"
#include "store/attempts.h"
#include "store/spool.h"

namespace pionbench {
namespace {

// Large enough that the commit costs nothing beside the rows, small enough that a reader's snapshot is a second old
// at most and the write-ahead log stays below some 50 MB.
constexpr std::int64_t kLinesPerTransaction = 50'000;
constexpr std::size_t kMaxComplaints = 20;

std::vector<std::string> sorted_entries(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    names.push_back(it->path().filename().string());
  if (error && error != std::errc::no_such_file_or_directory)
    throw UserError("cannot list " + folder.string() + ": " + error.message());
  std::sort(names.begin(), names.end());
  return names;
}

/// Median; 0 of nothing.
double middle(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// `parse()`, with what it says of a malformed line as a BadEvent.
template <typename Parse>
auto or_bad_event(const Parse& parse) {
  try {
    return parse();
  } catch (const Json::exception& error) {
    throw BadEvent(error.what());
  } catch (const UserError& error) {
    throw BadEvent(error.what());
  }
}

}  // namespace

SpoolStates read_spool_states(const Database& db) {
  SpoolStates states;
  auto rows = db.prepare("SELECT path, taken, lines, last_seq, unread, stamp FROM spools");
  while (rows.step())
    states[rows.text(0)] = {rows.integer(1), rows.integer(2), rows.integer(3), rows.integer(4), rows.integer(5)};
  return states;
}

Json to_json(const ExperimentRecord& e) {
  Json cells = Json::array();
  for (const auto& cell : e.cells) cells.push_back({{"cell", cell.cell}, {"arm", cell.arm}, {"point", cell.point}});
  return {{"schema", 1}, {"name", e.name}, {"scale", e.scale}, {"spec", e.spec}, {"arms", e.arms}, {"cells", cells}};
}

ExperimentRecord experiment_from_json(const Json& json) {
  ExperimentRecord e;
  e.name = json.at("name");
  e.scale = json.at("scale");
  e.spec = json.at("spec");
  e.arms = json.at("arms").get<std::vector<std::string>>();
  for (const auto& cell : json.at("cells"))
    e.cells.push_back({cell.at("cell"), cell.at("arm"), cell.at("point").get<std::map<std::string, std::string>>()});
  return e;
}

Json to_json(const Sitting& s) {
  Json series = Json::array();
  for (const auto& x : s.series) {
    series.push_back({{"name", x.name}, {"unit", x.unit}, {"standing", x.standing}, {"samples", x.samples}});
    if (x.verdict.empty()) continue;
    series.back()["verdict"] = x.verdict;
    series.back()["why"] = x.why;
  }
  return {{"schema", 1},
          {"sitting", s.sitting},
          {"recorded_at", s.recorded_at},
          {"revision", s.revision},
          {"fingerprint", s.fingerprint},
          {"environment", s.environment},
          {"series", series}};
}

Sitting sitting_from_json(const Json& json) {
  Sitting s;
  s.sitting = json.at("sitting");
  s.recorded_at = json.at("recorded_at");
  s.revision = json.at("revision");
  s.fingerprint = json.at("fingerprint");
  s.environment = json.at("environment").get<std::map<std::string, std::string>>();
  for (const auto& x : json.at("series"))
    s.series.push_back({x.at("name"), x.at("unit"), x.at("samples").get<std::vector<double>>(), x.at("standing"),
                        x.value("verdict", ""), x.value("why", "")});
  return s;
}

std::filesystem::path sitting_file(const std::filesystem::path& out, const std::string& sitting) {
  return out / "benchmarks" / (sitting + ".json");
}

std::filesystem::path experiment_file(const std::filesystem::path& out, const std::string& name,
                                      const std::string& scale) {
  return out / "experiments" / (name + "." + scale + ".json");
}

Ingester::Ingester(const Database& db, std::filesystem::path out, const SpoolStates* limits)
    : db_(db),
      out_(std::move(out)),
      limits_(limits),
      rows_(db),
      save_spool_(db.prepare("INSERT OR REPLACE INTO spools (path, taken, lines, last_seq, unread, stamp) "
                             "VALUES (?, ?, ?, ?, ?, ?)")),
      save_progress_(db.prepare("UPDATE runs SET step = coalesce(?2, step), steps = coalesce(?3, steps), "
                                "finish_status = coalesce(?4, finish_status), "
                                "finish_reason = coalesce(?5, finish_reason) WHERE id = ?1")),
      insert_cell_(db.prepare("INSERT OR IGNORE INTO cells (cell, suite, optimizer, config) VALUES (?, ?, ?, ?)")),
      insert_run_(db.prepare("INSERT INTO runs (run, cell) VALUES (?, ?)")),
      start_attempt_(db.prepare(
          "INSERT INTO attempts (run_id, attempt, started_at, host, boot_id, pid, pid_start, owner, threads, "
          "accumulation, devices) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
          "started_at = excluded.started_at, host = excluded.host, boot_id = excluded.boot_id, pid = excluded.pid, "
          "pid_start = excluded.pid_start, owner = excluded.owner, threads = excluded.threads, "
          "accumulation = excluded.accumulation, devices = excluded.devices")),
      end_attempt_(db.prepare(
          "INSERT INTO attempts (run_id, attempt, ended_at, outcome, exit_code, signal, wall_seconds, reason, "
          "stderr_tail, peak_memory, peak_device_memory, disturbance) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
          "ON CONFLICT DO UPDATE SET ended_at = excluded.ended_at, "
          "outcome = excluded.outcome, exit_code = excluded.exit_code, signal = excluded.signal, "
          "wall_seconds = excluded.wall_seconds, reason = excluded.reason, stderr_tail = excluded.stderr_tail, "
          "peak_memory = excluded.peak_memory, peak_device_memory = excluded.peak_device_memory, "
          "disturbance = excluded.disturbance")) {}

template <typename Work>
void Ingester::guarded(const Work& work) {
  try {
    load();
    work();
    commit();
  } catch (...) {
    forget();
    throw;
  }
}

IngestReport Ingester::ingest(const std::vector<std::string>& only) {
  report_ = {};
  guarded([&] {
    if (only.empty()) {
      take_experiments();
      take_sittings();
    }
    for (const auto& run : only.empty() ? sorted_entries(out_ / "runs") : only) take_run(run);
  });
  return std::move(report_);
}

void Ingester::ingest_experiments() {
  guarded([&] { take_experiments(); });
}

void Ingester::ingest_sittings() {
  guarded([&] { take_sittings(); });
}

void Ingester::load() {
  if (loaded_) return;
  spools_ = read_spool_states(db_);
  auto rows = db_.prepare("SELECT run, id FROM runs");
  while (rows.step()) runs_[rows.text(0)] = rows.integer(1);
  loaded_ = true;
}

void Ingester::forget() {
  transaction_.reset();
  lines_in_transaction_ = 0;
  rows_.forget();
  spools_.clear();
  runs_.clear();
  loaded_ = false;
}

void Ingester::begin() {
  if (!transaction_) transaction_ = std::make_unique<WriteTransaction>(db_);
}

void Ingester::commit() {
  if (!transaction_) return;
  transaction_->commit();
  transaction_.reset();
  lines_in_transaction_ = 0;
}

void Ingester::complain(const std::string& where, const std::string& why) {
  if (report_.complaints.size() < kMaxComplaints) report_.complaints.push_back(where + ": " + why);
}

void Ingester::save(const std::string& path, const SpoolState& s) {
  save_spool_.run(path, s.taken, s.lines, s.last_seq, s.unread, s.stamp);
  spools_[path] = s;
}

void Ingester::take_experiments() {
  for (const auto& name : sorted_entries(out_ / "experiments"))
    if (name.ends_with(".json")) take_experiment(out_ / "experiments" / name);
}

std::optional<SpoolState> Ingester::news_of(const std::string& path) const {
  const auto stamp = file_stamp(out_ / path);
  const auto known = spools_.find(path);
  if (!stamp || (limits_ && !limits_->contains(path))) return std::nullopt;
  if (known != spools_.end() && known->second.stamp == stamp->modified_ns && known->second.taken == stamp->size)
    return std::nullopt;
  return SpoolState{.taken = stamp->size, .stamp = stamp->modified_ns};
}

void Ingester::take_experiment(const std::filesystem::path& file) {
  const std::string path = "experiments/" + file.filename().string();
  const auto news = news_of(path);
  if (!news) return;

  ExperimentRecord e;
  try {
    e = experiment_from_json(Json::parse(read_file(file)));
  } catch (const Json::exception& error) {
    ++report_.skipped;
    return complain(file.string(), std::string("not an experiment: ") + error.what());
  }
  begin();
  for (const char* table : {"experiment_cells", "experiments"})
    db_.prepare(std::string("DELETE FROM ") + table + " WHERE name = ? AND scale = ?").run(e.name, e.scale);
  db_.prepare("INSERT INTO experiments (name, scale, spec, arms) VALUES (?, ?, ?, ?)")
      .run(e.name, e.scale, canonical(e.spec), canonical(Json(e.arms)));
  auto insert =
      db_.prepare("INSERT INTO experiment_cells (name, scale, position, cell, arm, point) VALUES (?, ?, ?, ?, ?, ?)");
  for (std::size_t i = 0; i < e.cells.size(); ++i)
    insert.run(e.name, e.scale, i, e.cells[i].cell, e.cells[i].arm, canonical(Json(e.cells[i].point)));
  save(path, *news);
}

void Ingester::take_sittings() {
  bool changed = false;
  for (const auto& name : sorted_entries(out_ / "benchmarks"))
    if (name.ends_with(".json")) changed = take_sitting(out_ / "benchmarks" / name) || changed;
  if (changed) count_noise();
}

bool Ingester::take_sitting(const std::filesystem::path& file) {
  const std::string path = "benchmarks/" + file.filename().string();
  const auto news = news_of(path);
  if (!news) return false;
  Sitting s;
  try {
    s = sitting_from_json(Json::parse(read_file(file)));
  } catch (const Json::exception& error) {
    ++report_.skipped;
    complain(file.string(), std::string("not a sitting: ") + error.what());
    return false;
  }
  begin();
  for (const char* table : {"benchmarks", "sittings"})
    db_.prepare(std::string("DELETE FROM ") + table + " WHERE sitting = ?").run(s.sitting);
  db_.prepare("INSERT INTO sittings (sitting, recorded_at, revision, fingerprint, environment) VALUES (?, ?, ?, ?, ?)")
      .run(s.sitting, s.recorded_at, s.revision, s.fingerprint, canonical(Json(s.environment)));
  auto insert = db_.prepare(
      "INSERT INTO benchmarks (sitting, series, unit, standing, samples, verdict, why) VALUES (?, ?, ?, ?, ?, ?, ?)");
  for (const auto& series : s.series)
    insert.run(s.sitting, series.name, series.unit, series.standing, canonical(Json(series.samples)), series.verdict,
               series.why);
  save(path, *news);
  return true;
}

void Ingester::count_noise() {
  // Medians of good sittings, by what should have made them equal.
  std::map<std::array<std::string, 3>, std::vector<double>> medians;  // series, fingerprint, revision
  auto rows = db_.prepare(
      "SELECT b.series, s.fingerprint, s.revision, b.samples FROM benchmarks b JOIN sittings s USING (sitting) "
      "WHERE b.standing <> 'changed' ORDER BY s.recorded_at, s.sitting");
  while (rows.step())
    medians[{rows.text(0), rows.text(1), rows.text(2)}].push_back(
        middle(Json::parse(rows.text(3)).get<std::vector<double>>()));

  struct Spread {
    double squares = 0, freedom = 0;
    int sittings = 0;
  };
  std::map<std::pair<std::string, std::string>, Spread> spreads;
  for (const auto& [key, values] : medians) {
    double mean = 0;
    for (const double x : values) mean += x / static_cast<double>(values.size());
    if (values.size() < 2 || mean == 0) continue;
    auto& spread = spreads[{key[0], key[1]}];
    for (const double x : values) spread.squares += (x / mean - 1) * (x / mean - 1);
    spread.freedom += static_cast<double>(values.size() - 1);
    spread.sittings += static_cast<int>(values.size());
  }
  begin();
  db_.execute("DELETE FROM noise");
  auto insert = db_.prepare("INSERT INTO noise (series, fingerprint, relative_sd, sittings) VALUES (?, ?, ?, ?)");
  for (const auto& [key, spread] : spreads)
    insert.run(key.first, key.second, std::sqrt(spread.squares / spread.freedom), spread.sittings);
}

void Ingester::take_run(const std::string& run) {
  if (!know_run(run)) return;
  const std::int64_t id = runs_.at(run);
  take_spool(run, id, "attempts.jsonl", /*is_events=*/false);
  take_spool(run, id, "events.jsonl", /*is_events=*/true);
  if (lines_in_transaction_ >= kLinesPerTransaction) commit();
}

bool Ingester::know_run(const std::string& run) {
  if (runs_.contains(run)) return true;
  const std::string path = "runs/" + run + "/run.json";
  const auto file = out_ / path;
  const auto stamp = file_stamp(file);
  // A folder without run.json is being made, or is no run.
  if (!stamp || (limits_ && !limits_->contains(path))) return false;
  RunRequest request;
  try {
    request = run_request_from_json(Json::parse(read_file(file)), file.string());
    if (request.run != run) throw UserError("names run \"" + request.run + "\"; the folder was renamed or copied");
  } catch (const std::exception& error) {
    ++report_.skipped;
    complain(file.string(), error.what());
    return false;
  }
  begin();
  insert_cell_.run(request.cell, request.config.suite, request.config.optimizer, canonical(to_json(request.config)));
  insert_run_.run(run, request.cell);
  runs_[run] = db_.last_row_id();
  save(path, {.taken = stamp->size});
  return true;
}

void Ingester::take_spool(const std::string& run, std::int64_t run_id, const char* file, bool is_events) {
  const std::string path = "runs/" + run + "/" + file;
  const auto stamp = file_stamp(out_ / path);
  if (!stamp) return;
  const auto known = spools_.find(path);
  SpoolState state = known == spools_.end() ? SpoolState{} : known->second;
  std::int64_t end = stamp->size;
  if (limits_) {
    const auto limit = limits_->find(path);
    if (limit == limits_->end()) return;
    end = std::min(end, limit->second.taken);
  }
  if (end < state.taken)
    return complain((out_ / path).string(),
                    "is shorter than what was taken of it; make the store anew: "
                    "pionbench store rebuild");
  if (end == state.taken) return;

  RunProgress progress;
  const std::string shown = (out_ / path).string();
  const auto take = [&](std::string_view line) {
    begin();
    ++state.lines;
    ++lines_in_transaction_;
    try {
      if (is_events)
        take_event(line, run_id, state, progress, shown);
      else
        take_attempt(line, run_id);
    } catch (const BadEvent& error) {
      ++report_.skipped;
      ++state.unread;
      complain(shown + ":" + std::to_string(state.lines), error.what());
    }
  };
  const auto block_done = [&](std::int64_t offset) {
    state.taken = offset;
    if (is_events) rows_.flush(run_id);
    save(path, state);
    save_progress_.run(run_id, progress.step, progress.steps, progress.finish_status, progress.finish_reason);
    if (lines_in_transaction_ >= kLinesPerTransaction) commit();
  };
  read_whole_lines(out_ / path, state.taken, end, take, block_done);
}

void Ingester::take_event(std::string_view line, std::int64_t run_id, SpoolState& state, RunProgress& progress,
                          const std::string& file) {
  const auto where = [&] { return file + ":" + std::to_string(state.lines); };
  const Json event = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (event.is_discarded()) throw BadEvent("not JSON");
  if (!event.is_object()) throw BadEvent("not a JSON object");
  const std::int64_t seq = whole_number(event, "seq");
  const std::int64_t next = state.last_seq + 1;
  if (seq < next) return complain(where(), "seq " + std::to_string(seq) + " was already taken; ignored");
  rows_.write(run_id, seq, event, progress);
  if (const std::int64_t missing = seq - next - state.unread; missing > 0)
    complain(where(), "seq " + std::to_string(seq) + " follows " + std::to_string(state.last_seq) + ": " +
                          std::to_string(missing) + (missing == 1 ? " event is" : " events are") + " missing");
  state.last_seq = seq;
  state.unread = 0;
  ++report_.events;
}

void Ingester::take_attempt(std::string_view line, std::int64_t run_id) {
  if (line.empty()) return;  // the end that a torn line was given
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw BadEvent("not JSON");
  const auto type = or_bad_event([&] { return json.at("type").get<std::string>(); });
  if (type == "attempt_started") {
    const auto a = or_bad_event([&] { return attempt_start_from_json(json); });
    start_attempt_.run(run_id, a.attempt, a.started_at, a.host, a.boot_id, a.pid, a.pid_start, a.owner, a.threads,
                       a.accumulation, Json(a.devices).dump());
  } else if (type == "attempt_ended") {
    const auto a = or_bad_event([&] { return attempt_end_from_json(json); });
    or_bad_event([&] { return run_state_from_string(a.outcome); });
    end_attempt_.run(run_id, a.attempt, a.ended_at, a.outcome, a.exit_code, a.signal, a.wall_seconds, a.reason,
                     a.stderr_tail, a.peak_memory, a.peak_device_memory, a.disturbance);
  }
  ++report_.events;
}

}  // namespace pionbench
