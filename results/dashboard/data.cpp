#include "results/dashboard/data.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <unordered_map>

#include "core/error.h"
#include "core/files.h"
#include "results/base64.h"

namespace pionbench::dashboard {
namespace {

namespace fs = std::filesystem;

// Of the metrics that are no evaluations: more columns than these nobody scrolls through.
constexpr std::size_t kMostOtherMetrics = 12;

Json number(double x) {
  return std::isfinite(x) ? Json(x) : Json();
}

double rounded(double x, int digits) {
  if (digits >= 17 || !std::isfinite(x)) return x;
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", digits, x);
  return std::strtod(text, nullptr);
}

/// Texts as numbers: each once, in order of appearance.
class Dictionary {
 public:
  std::size_t operator()(const std::string& text) {
    const auto [it, is_new] = index_.emplace(text, words_.size());
    if (is_new) words_.push_back(text);
    return it->second;
  }
  Json words() const { return words_; }

 private:
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<std::string> words_;
};

std::string point_text(const std::map<std::string, std::string>& point) {
  std::string text;
  for (const auto& [key, value] : point) text += (text.empty() ? "" : " ") + key + "=" + value;
  return text;
}

/// "2026-01-02T03:04:05Z": seconds are enough to read by.
std::string to_seconds(const std::string& at) {
  return at.size() > 19 ? at.substr(0, 19) + "Z" : at;
}

Json experiments_of(const std::vector<ExperimentRecord>& experiments, const std::set<std::string>& finished) {
  Json out = Json::array();
  for (const auto& e : experiments) {
    const auto done = std::ranges::count_if(e.cells, [&](const auto& c) { return finished.contains(c.cell); });
    out.push_back({{"name", e.name},
                   {"scale", e.scale},
                   {"title", e.spec.is_object() ? e.spec.value("title", "") : ""},
                   {"arms", e.arms},
                   {"cells", e.cells.size()},
                   {"done", done}});
  }
  return out;
}

/// Metric -> one value a run, null where it has none.
Json last_values(const Store& store, const std::vector<RunRow>& runs) {
  std::unordered_map<std::string, std::size_t> row_of;
  for (std::size_t i = 0; i < runs.size(); ++i) row_of.emplace(runs[i].run, i);
  std::map<std::string, std::vector<std::pair<std::size_t, double>>> columns;
  BulkReader(store).for_each_last_value([&](const std::string& run, const std::string& name, const SeriesPoint& point) {
    if (const auto row = row_of.find(run); row != row_of.end()) columns[name].emplace_back(row->second, point.value);
  });
  std::vector<std::pair<std::size_t, std::string>> others;  // by how many runs have it
  for (const auto& [name, values] : columns)
    if (!name.starts_with("evaluation/")) others.emplace_back(values.size(), name);
  std::ranges::stable_sort(others, std::ranges::greater(), &std::pair<std::size_t, std::string>::first);
  for (std::size_t i = kMostOtherMetrics; i < others.size(); ++i) columns.erase(others[i].second);
  Json out = Json::object();
  for (const auto& [name, values] : columns) {
    std::vector<Json> column(runs.size());
    for (const auto& [row, value] : values) column[row] = number(value);
    out[name] = std::move(column);
  }
  return out;
}

/// `last`: of last_values().
Json runs_of(const std::vector<RunRow>& runs, const std::vector<ExperimentRecord>& experiments, Json last) {
  std::unordered_map<std::string, Json> places;  // cell -> [[experiment, arm, point], ...]
  for (std::size_t i = 0; i < experiments.size(); ++i)
    for (const auto& cell : experiments[i].cells) {
      auto& of_cell = places.try_emplace(cell.cell, Json::array()).first->second;
      of_cell.push_back({i, cell.arm, point_text(cell.point)});
    }
  Dictionary suites, optimizers, states;
  Json c = Json::object();
  for (const char* name : {"run", "cell", "state", "suite", "optimizer", "places", "step", "steps", "train", "attempts",
                           "started", "ended", "reason"})
    c[name] = Json::array();
  for (const auto& run : runs) {
    c["run"].push_back(run.run);
    c["cell"].push_back(run.cell.substr(0, 12));
    c["state"].push_back(states(to_string(run.state)));
    c["suite"].push_back(suites(run.suite));
    c["optimizer"].push_back(optimizers(run.optimizer));
    const auto place = places.find(run.cell);
    c["places"].push_back(place == places.end() ? Json::array() : place->second);
    c["step"].push_back(run.step);
    c["steps"].push_back(run.steps);
    c["train"].push_back(rounded(run.train_seconds, 6));
    c["attempts"].push_back(run.attempts);
    c["started"].push_back(to_seconds(run.started_at));
    c["ended"].push_back(to_seconds(run.ended_at));
    c["reason"].push_back(run.reason);
  }
  c["last"] = std::move(last);
  return {{"states", states.words()}, {"suites", suites.words()}, {"optimizers", optimizers.words()}, {"columns", c}};
}

Json series_of(const SeriesHistory& s, Dictionary& machines) {
  Json points = Json::array();
  for (const auto& p : s.points) {
    Json point = {p.sitting, number(p.value), number(p.low), number(p.high), p.state, p.verdict};
    if (p.band_low <= p.band_high) {
      point.push_back(rounded(p.band_low, 9));
      point.push_back(rounded(p.band_high, 9));
    }
    points.push_back(std::move(point));
  }
  const char* better = s.kind.better == Better::kLower    ? "lower"
                       : s.kind.better == Better::kHigher ? "higher"
                                                          : "neither";
  return {{"name", s.name},
          {"unit", s.unit},
          {"machine", machines(s.fingerprint)},
          {"standing", to_string(s.standing)},
          {"urgent", needs_a_look(s.standing)},
          {"direction", s.direction},
          {"change", change_text(s.change, s.kind)},
          {"floor", change_text(s.kind.floor, s.kind)},
          {"better", better},
          {"why", s.why},
          {"points", std::move(points)}};
}

Json measured(const std::vector<Sitting>& sittings, const HistoryOptions& options) {
  Dictionary machines;
  std::map<std::string, Json> environments;
  Json rows = Json::array(), series = Json::array();
  for (const auto& s : sittings) {
    rows.push_back({s.sitting, to_seconds(s.recorded_at), s.revision});
    environments[s.fingerprint] = s.environment;
  }
  for (const auto& s : histories(sittings, options)) series.push_back(series_of(s, machines));
  Json machine_rows = Json::array();
  for (const auto& fingerprint : machines.words())
    machine_rows.push_back(
        {{"fingerprint", fingerprint}, {"environment", environments[fingerprint.get<std::string>()]}});
  return {{"sittings", rows}, {"series", series}, {"machines", machine_rows}};
}

/// `n` indices from 0 to size − 1, evenly spaced, ends included; all of them where there are no more than `n`.
std::vector<std::size_t> kept(std::size_t size, std::size_t n, bool& is_thinned) {
  std::vector<std::size_t> out;
  if (size <= n || n < 2) n = std::min(size, std::max<std::size_t>(n, 1));
  if (n < size) is_thinned = true;
  for (std::size_t i = 0; i < n; ++i) out.push_back(n == 1 ? size - 1 : i * (size - 1) / (n - 1));
  return out;
}

/// [[steps], [values]]
Json thinned(const std::vector<SeriesPoint>& points, const Detail& detail, bool& is_thinned) {
  Json steps = Json::array(), values = Json::array();
  const auto indices = kept(points.size(), detail.points, is_thinned);
  for (const auto i : indices) {
    const bool is_end = i == 0 || i + 1 == points.size();
    steps.push_back(points[i].step);
    values.push_back(number(is_end ? points[i].value : rounded(points[i].value, detail.digits)));
  }
  return {std::move(steps), std::move(values)};
}

/// {quantity: {parameter: {head: [[steps], [values]]}}}; head "" is the whole matrix.
Json spectra_of(const Store& store, const std::string& run, const Detail& detail, bool& is_thinned) {
  using ByHead = std::map<int, std::vector<SeriesPoint>>;
  std::map<std::string, std::map<std::string, ByHead>> spectra;
  std::set<std::string> parameters;
  for (const auto& row : store.spectral(run)) {
    parameters.insert(row.parameter);
    if (row.head < 0 || detail.with_heads)
      spectra[row.name][row.parameter][row.head].push_back({row.step, row.value});
    else
      is_thinned = true;
  }
  std::vector<std::string> order(parameters.begin(), parameters.end());
  std::set<std::string> chosen;
  for (const auto i : kept(order.size(), detail.parameters, is_thinned)) chosen.insert(order[i]);
  Json out = Json::object();
  for (const auto& [name, by_parameter] : spectra)
    for (const auto& [parameter, by_head] : by_parameter) {
      if (!chosen.contains(parameter)) continue;
      for (const auto& [head, points] : by_head)
        out[name][parameter][head < 0 ? "" : std::to_string(head)] = thinned(points, detail, is_thinned);
    }
  return out;
}

Json curves_of(const Store& store, const std::string& run, const Detail& detail, bool& is_thinned) {
  Json out = Json::array();
  for (const auto& curve : store.curves(run)) {
    Json x = Json::array(), y = Json::array();
    for (const auto i : kept(std::min(curve.x.size(), curve.y.size()), detail.curve_points, is_thinned)) {
      x.push_back(number(rounded(curve.x[i], detail.digits)));
      y.push_back(number(rounded(curve.y[i], detail.digits)));
    }
    out.push_back({{"name", curve.name}, {"variant", curve.variant}, {"x", x}, {"y", y}});
  }
  return out;
}

/// The last whole lines of a log, at most `bytes` of them.
std::string end_of(const fs::path& file, std::size_t bytes) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in || bytes == 0) return "";
  const auto size = static_cast<std::size_t>(std::max<std::streamoff>(in.tellg(), 0));
  const std::size_t from = size - std::min(size, bytes);
  std::string text(size - from, '\0');
  in.seekg(static_cast<std::streamoff>(from));
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (const auto newline = text.find('\n'); from > 0 && newline != text.npos) text.erase(0, newline + 1);
  return text;
}

Json grid_of(const Grid& grid) {
  return {{"columns", grid.columns}, {"rows", grid.rows}};
}

/// The strips of frames as they are; the page moves them past a window.
Json film_of(const Film& film, const fs::path& out) {
  Json columns = Json::array();
  for (const auto& column : film.columns) {
    Json one = {{"label", column.label}, {"color", column.color}, {"note", column.note}, {"frames", column.frames}};
    std::error_code error;
    if (!column.strip.empty() && fs::is_regular_file(out / column.strip, error))
      one["strip"] = "data:image/png;base64," + base64(read_file(out / column.strip));
    columns.push_back(std::move(one));
  }
  return {{"columns", columns}, {"size", film.frame_size}, {"frames_per_second", film.frames_per_second}};
}

template <typename Made>
void add_exhibits(const std::vector<ResultItem<Made>>& items, std::vector<Exhibit>& out) {
  constexpr bool is_figure = std::is_same_v<Made, Figure>;
  for (const auto& item : items) {
    const Made made = item.make();
    Json sets = Json::object();
    for (const auto& source : made.sources)
      if (source.runs.size() > 1) sets[runs_anchor(source.runs)] = source.runs;
    const auto& experiment = item.evidence->experiment;
    Json summary = {{"name", item.name},
                    {"kind", is_figure ? "figure" : "table"},
                    {"title", made.title},
                    {"caption", made.caption},
                    {"experiment", experiment.name},
                    {"scale", experiment.scale},
                    {"cells", item.evidence->cells.size()},
                    {"missing", item.evidence->unfinished()},
                    {"sets", std::move(sets)}};
    Json content = {{"data", grid_of(made.data)}};
    if constexpr (is_figure) {
      content["spec"] = made.spec;
      if (made.film) content["film"] = film_of(*made.film, item.evidence->store->out());
    } else {
      content["display"] = grid_of(made.display);
      content["cell_runs"] = made.cell_runs;
    }
    out.push_back({std::move(summary), std::move(content)});
  }
}

}  // namespace

Json main_document(const Store& store, const DataOptions& options) {
  const auto runs = store.runs();
  const auto experiments = store.experiments();
  std::set<std::string> finished;
  for (const auto& run : runs)
    if (is_finished(run.state)) finished.insert(run.cell);
  return {{"schema", 1},
          {"out", store.out().string()},
          {"experiments", experiments_of(experiments, finished)},
          {"runs", runs_of(runs, experiments, last_values(store, runs))},
          {"measured", measured(store.sittings(), options.history)}};
}

Json empty_main_document(const std::string& out) {
  return {{"schema", 1},
          {"out", out},
          {"experiments", Json::array()},
          {"runs", runs_of({}, {}, Json::object())},
          {"measured", measured({}, {})}};
}

Json claims_document(const Store& store, const std::vector<Evidence>& evidence) {
  const claims::Board board(evidence, store.sittings(), "");
  return {{"claims", claims::to_json(claims::judge(board, claims::published_claims()))}};
}

Json run_document(const Store& store, const BulkReader& bulk, const RunRow& run, const Detail& detail) {
  bool is_thinned = false;
  Json series = Json::object();
  for (const auto& [name, points] : bulk.all_series(run.run)) series[name] = thinned(points, detail, is_thinned);
  // Runs are named by the folder they lie in; a name that leads elsewhere was not made by this program.
  const bool is_plain = run.run.find('/') == std::string::npos && run.run != "..";
  const fs::path folder = is_plain ? store.out() / "runs" / run.run : fs::path();
  Json logs = Json::object();
  for (const char* log : {"stderr.log", "stdout.log"})
    if (std::string text = is_plain ? end_of(folder / log, detail.log_bytes) : ""; !text.empty()) logs[log] = text;
  if (!run.stderr_tail.empty() && !logs.contains("stderr.log")) logs["stderr.log"] = run.stderr_tail;
  Json out = {{"run", run.run},
              {"cell", run.cell},
              {"config", store.config_of_cell(run.cell)},
              {"environment", store.environment(run.run)},
              {"phases", run.phase_seconds},
              {"series", std::move(series)},
              {"spectra", spectra_of(store, run.run, detail, is_thinned)},
              {"curves", curves_of(store, run.run, detail, is_thinned)},
              {"logs", std::move(logs)}};
  if (run.exit_code) out["exit_code"] = *run.exit_code;
  if (run.signal) out["signal"] = *run.signal;
  if (run.accumulation > 1) out["accumulation"] = run.accumulation;
  if (!run.devices.empty()) out["devices"] = run.devices;
  if (run.peak_memory) out["peak_memory"] = run.peak_memory;
  if (run.peak_device_memory) out["peak_device_memory"] = run.peak_device_memory;
  if (!run.disturbance.empty()) out["disturbance"] = run.disturbance;
  if (is_thinned) out["thinned"] = true;
  return out;
}

std::vector<Exhibit> exhibits(const std::vector<Evidence>& evidence) {
  std::vector<Exhibit> out;
  add_exhibits(figure_items(evidence), out);
  add_exhibits(table_items(evidence), out);
  return out;
}

}  // namespace pionbench::dashboard
