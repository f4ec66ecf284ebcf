#include <algorithm>
#include <array>

#include "store/impl.h"

namespace pionbench {
namespace {

constexpr std::string_view kRunColumns =
    "SELECT r.id, r.run, r.cell, c.suite, c.optimizer, r.step, r.steps, r.finish_status, r.finish_reason "
    "FROM runs r JOIN cells c USING (cell) ";

/// An attempt's reason, or what its end itself tells.
std::string attempt_reason(const RunRow& run, const std::string& said) {
  if (!said.empty()) return said;
  if (run.signal) return "signal " + std::to_string(*run.signal);
  if (run.exit_code) return "exit " + std::to_string(*run.exit_code);
  return "";
}

/// Completes rows of kRunColumns with attempts and phases.
class RunReader {
 public:
  explicit RunReader(const Database& db)
      : attempts_(db.prepare("SELECT started_at, ended_at, outcome, exit_code, signal, reason, stderr_tail, "
                             "accumulation, devices, peak_memory, peak_device_memory, disturbance "
                             "FROM attempts WHERE run_id = ? ORDER BY attempt")),
        phases_(db.prepare("SELECT n.name, p.seconds FROM phase_totals p JOIN names n ON n.id = p.name_id "
                           "WHERE p.run_id = ?")) {}

  std::vector<RunRow> read(Statement& rows) {
    std::vector<RunRow> runs;
    while (rows.step()) runs.push_back(read_one(rows));
    // Runs without a start (made by another program) come last.
    std::sort(runs.begin(), runs.end(), [](const RunRow& a, const RunRow& b) {
      return std::tuple(a.started_at.empty(), a.started_at, a.run) <
             std::tuple(b.started_at.empty(), b.started_at, b.run);
    });
    return runs;
  }

 private:
  RunRow read_one(const Statement& row) {
    RunRow run;
    const std::int64_t id = row.integer(0);
    run.run = row.text(1);
    run.cell = row.text(2);
    run.suite = row.text(3);
    run.optimizer = row.text(4);
    run.step = row.integer(5);
    run.steps = row.integer(6);
    // Without attempts.jsonl (a worker started by hand) the worker's own word holds.
    if (!row.is_null(7)) run.state = run_state_from_string(row.text(7));
    std::string reason;
    for (attempts_.query(id); attempts_.step();) reason = read_attempt(run);
    if (run.state == RunState::kDiverged && !row.text(8).empty()) reason = row.text(8);
    if (run.state != RunState::kDone && run.state != RunState::kRunning) run.reason = attempt_reason(run, reason);
    for (phases_.query(id); phases_.step();) run.phase_seconds[phases_.text(0)] = phases_.real(1);
    if (const auto train = run.phase_seconds.find("train"); train != run.phase_seconds.end())
      run.train_seconds = train->second;
    return run;
  }

  /// Takes the next attempt in; returns its reason.
  std::string read_attempt(RunRow& run) {
    const auto code = [&](int column) {
      return attempts_.is_null(column) ? std::nullopt : std::optional(static_cast<int>(attempts_.integer(column)));
    };
    if (run.attempts++ == 0) run.started_at = attempts_.text(0);
    run.ended_at = attempts_.text(1);
    run.state = attempts_.is_null(2) ? RunState::kRunning : run_state_from_string(attempts_.text(2));
    run.exit_code = code(3);
    run.signal = code(4);
    const bool has_failed =
        run.state == RunState::kFailed || run.state == RunState::kOutOfMemory || run.state == RunState::kLost;
    if (has_failed) run.stderr_tail = attempts_.text(6);
    run.accumulation = static_cast<int>(attempts_.integer(7));
    if (const auto devices = attempts_.text(8); devices != "[]")
      run.devices = Json::parse(devices).get<std::vector<std::string>>();
    else
      run.devices.clear();
    run.peak_memory = std::max(run.peak_memory, attempts_.integer(9));
    run.peak_device_memory = std::max(run.peak_device_memory, attempts_.integer(10));
    if (const auto said = attempts_.text(11); !said.empty()) run.disturbance = said;
    return attempts_.text(5);
  }

  Statement attempts_, phases_;
};

}  // namespace

std::vector<RunRow> Store::runs() const {
  const ReadSnapshot snapshot(impl_->db);
  auto rows = impl_->db.prepare(kRunColumns);
  return RunReader(impl_->db).read(rows);
}

std::vector<RunRow> Store::runs_of_cells(const std::vector<std::string>& cells) const {
  const ReadSnapshot snapshot(impl_->db);
  auto rows = impl_->db.prepare(std::string(kRunColumns) + "WHERE r.cell IN (SELECT value FROM json_each(?))");
  return RunReader(impl_->db).read(rows.query(Json(cells).dump()));
}

std::map<std::string, RunRow> Store::finished_by_cell() const {
  std::map<std::string, RunRow> finished;
  for (auto& run : runs())
    if (is_finished(run.state)) finished.emplace(run.cell, std::move(run));
  return finished;
}

Json Store::config_of_cell(const std::string& cell) const {
  Json config;
  auto rows = impl_->db.prepare("SELECT config FROM cells WHERE cell = ?");
  for (rows.query(cell); rows.step();) config = Json::parse(rows.text(0));
  return config;
}

std::vector<ExperimentRecord> Store::experiments() const {
  const ReadSnapshot snapshot(impl_->db);
  std::vector<ExperimentRecord> experiments;
  auto rows = impl_->db.prepare("SELECT name, scale, spec, arms FROM experiments ORDER BY name, scale");
  auto cells =
      impl_->db.prepare("SELECT cell, arm, point FROM experiment_cells WHERE name = ? AND scale = ? ORDER BY position");
  while (rows.step()) {
    ExperimentRecord e;
    e.name = rows.text(0);
    e.scale = rows.text(1);
    e.spec = Json::parse(rows.text(2));
    e.arms = Json::parse(rows.text(3)).get<std::vector<std::string>>();
    for (cells.query(e.name, e.scale); cells.step();)
      e.cells.push_back(
          {cells.text(0), cells.text(1), Json::parse(cells.text(2)).get<std::map<std::string, std::string>>()});
    experiments.push_back(std::move(e));
  }
  return experiments;
}

std::vector<SeriesPoint> Store::series(const std::string& run, const std::string& name) const {
  std::vector<SeriesPoint> points;
  auto rows = impl_->db.prepare(
      "SELECT step, value FROM metrics WHERE run_id = (SELECT id FROM runs WHERE run = ?) "
      "AND name_id = (SELECT id FROM names WHERE name = ?) ORDER BY step");
  for (rows.query(run, name); rows.step();) points.push_back({rows.integer(0), rows.real(1)});
  return points;
}

std::vector<ClockedPoint> Store::clocked_series(const std::string& run, const std::string& name) const {
  std::vector<ClockedPoint> points;
  auto rows = impl_->db.prepare(
      "SELECT m.step, m.value, (SELECT total(seconds) FROM phases p WHERE p.run_id = m.run_id AND p.seq < m.seq "
      "AND p.name_id = (SELECT id FROM names WHERE name = 'train')) "
      "FROM metrics m WHERE m.run_id = (SELECT id FROM runs WHERE run = ?) "
      "AND m.name_id = (SELECT id FROM names WHERE name = ?) ORDER BY m.step");
  for (rows.query(run, name); rows.step();) points.push_back({rows.integer(0), rows.real(1), rows.real(2)});
  return points;
}

std::vector<std::string> Store::series_names(const std::string& run) const {
  std::vector<std::string> names;
  // One index probe for each name there is, however long the series are.
  auto rows = impl_->db.prepare(
      "SELECT name FROM names WHERE EXISTS (SELECT 1 FROM metrics WHERE run_id = (SELECT id FROM runs WHERE run = ?) "
      "AND name_id = names.id) ORDER BY name");
  for (rows.query(run); rows.step();) names.push_back(rows.text(0));
  return names;
}

std::vector<Curve> Store::curves(const std::string& run) const {
  std::vector<Curve> curves;
  auto rows = impl_->db.prepare(
      "SELECT name, variant, x, y FROM curves WHERE run_id = (SELECT id FROM runs WHERE run = ?) ORDER BY seq");
  for (rows.query(run); rows.step();)
    curves.push_back({rows.text(0), rows.text(1), Json::parse(rows.text(2)).get<std::vector<double>>(),
                      Json::parse(rows.text(3)).get<std::vector<double>>()});
  return curves;
}

std::vector<SpectralRow> Store::spectral(const std::string& run) const {
  std::vector<SpectralRow> out;
  auto rows = impl_->db.prepare(
      "SELECT s.step, p.name, s.head, n.name, s.value FROM spectral s JOIN names p ON p.id = s.parameter_id "
      "JOIN names n ON n.id = s.name_id WHERE s.run_id = (SELECT id FROM runs WHERE run = ?) ORDER BY 1, 2, 3, 4");
  for (rows.query(run); rows.step();)
    out.push_back({rows.integer(0), rows.text(1), static_cast<int>(rows.integer(2)), rows.text(3), rows.real(4)});
  return out;
}

std::vector<ItemRow> Store::items(const std::string& run) const {
  std::vector<ItemRow> out;
  auto rows = impl_->db.prepare(
      "SELECT e.step, s.name, e.item, n.name, e.value FROM evaluations e JOIN names s ON s.id = e.split_id "
      "JOIN names n ON n.id = e.name_id WHERE e.run_id = (SELECT id FROM runs WHERE run = ?) ORDER BY 1, 2, 3, 4");
  for (rows.query(run); rows.step();)
    out.push_back({rows.integer(0), rows.text(1), rows.integer(2), rows.text(3), rows.real(4)});
  return out;
}

std::map<std::string, std::string> Store::environment(const std::string& run) const {
  std::map<std::string, std::string> out;
  auto rows = impl_->db.prepare(
      "SELECT name, value FROM environment WHERE run_id = (SELECT id FROM runs WHERE run = ?1) AND attempt = "
      "(SELECT max(attempt) FROM environment WHERE run_id = (SELECT id FROM runs WHERE run = ?1))");
  for (rows.query(run); rows.step();) out[rows.text(0)] = rows.text(1);
  return out;
}

std::vector<Sitting> Store::sittings(const std::string& fingerprint) const {
  const ReadSnapshot snapshot(impl_->db);
  std::vector<Sitting> out;
  auto rows = impl_->db.prepare(
      "SELECT sitting, recorded_at, revision, fingerprint, environment FROM sittings "
      "WHERE ?1 = '' OR fingerprint = ?1 ORDER BY recorded_at, sitting");
  auto series = impl_->db.prepare(
      "SELECT series, unit, samples, standing, verdict, why FROM benchmarks WHERE sitting = ? ORDER BY series");
  for (rows.query(fingerprint); rows.step();) {
    Sitting s{rows.text(0),
              rows.text(1),
              rows.text(2),
              rows.text(3),
              Json::parse(rows.text(4)).get<std::map<std::string, std::string>>(),
              {}};
    for (series.query(s.sitting); series.step();)
      s.series.push_back({series.text(0), series.text(1), Json::parse(series.text(2)).get<std::vector<double>>(),
                          series.text(3), series.text(4), series.text(5)});
    out.push_back(std::move(s));
  }
  return out;
}

std::vector<NoiseRow> Store::noise() const {
  std::vector<NoiseRow> out;
  auto rows =
      impl_->db.prepare("SELECT series, fingerprint, relative_sd, sittings FROM noise ORDER BY series, fingerprint");
  while (rows.step()) out.push_back({rows.text(0), rows.text(1), rows.real(2), static_cast<int>(rows.integer(3))});
  return out;
}

void Store::for_each_metric(const std::function<void(const MetricRow&)>& take) const {
  const ReadSnapshot snapshot(impl_->db);
  std::map<std::string, RunRow> runs_by_name;
  for (auto& run : runs()) runs_by_name.emplace(run.run, std::move(run));
  auto metrics = impl_->db.prepare(
      "SELECT n.name, m.step, m.value FROM metrics m JOIN names n ON n.id = m.name_id "
      "WHERE m.run_id = (SELECT id FROM runs WHERE run = ?) ORDER BY n.name, m.step");
  auto places = impl_->db.prepare(
      "SELECT name, scale, arm, point FROM experiment_cells WHERE cell = ? ORDER BY name, scale, position");
  for (const auto& [name, run] : runs_by_name) {
    std::vector<MetricRow> rows;  // one for each place of the cell; the value changes, the place stays
    for (places.query(run.cell); places.step();)
      rows.push_back({.experiment = places.text(0),
                      .scale = places.text(1),
                      .arm = places.text(2),
                      .point = Json::parse(places.text(3)).get<std::map<std::string, std::string>>()});
    if (rows.empty()) rows.emplace_back();
    for (auto& row : rows) {
      row.run = name;
      row.cell = run.cell;
      row.suite = run.suite;
      row.optimizer = run.optimizer;
      row.state = run.state;
      for (metrics.query(name); metrics.step();) {
        row.name = metrics.text(0);
        row.step = metrics.integer(1);
        row.value = metrics.real(2);
        take(row);
      }
    }
  }
}

}  // namespace pionbench
