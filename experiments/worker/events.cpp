#include "experiments/worker/events.h"

#include <torch/torch.h>

#include <cmath>
#include <fstream>

#include "core/error.h"

namespace pionbench {
namespace {

/// The next seq of a spool, after ending a line that a kill tore.
std::int64_t resume_position(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error) || std::filesystem::file_size(file, error) == 0) return 0;
  const std::string text = read_file(file);
  std::int64_t next = 0;
  std::size_t begin = 0;
  while (begin < text.size()) {
    auto end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    const auto json = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                  text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (json.is_object() && json.contains("seq") && json["seq"].is_number_integer())
      next = std::max(next, json["seq"].get<std::int64_t>() + 1);
    begin = end + 1;
  }
  if (text.back() != '\n') {
    LineWriter repair(file);
    repair.write("");
  }
  return next;
}

Json finite(const Named& values) {
  Json out = Json::object();
  for (const auto& [name, value] : values)
    if (std::isfinite(value)) out[name] = value;
  return out;
}

}  // namespace

EventWriter::EventWriter(const std::filesystem::path& file)
    : seq_(resume_position(file)), start_(steady_seconds()), lines_(file) {}

void EventWriter::write(const char* type, Json fields, bool durable) {
  fields["seq"] = seq_;
  // Microseconds are finer than any phase and keep lines short.
  fields["t"] = std::round((steady_seconds() - start_) * 1e6) / 1e6;
  fields["type"] = type;
  lines_.write(fields.dump(), durable);
  ++seq_;
}

void EventWriter::run_started(const std::string& run, const std::string& cell, int attempt,
                              const std::map<std::string, std::string>& environment, std::int64_t resumed_from,
                              std::int64_t step) {
  Json fields = {{"schema", 1}, {"run", run}, {"cell", cell}, {"attempt", attempt}, {"environment", environment}};
  if (attempt > 1) {
    fields["resumed_from"] = resumed_from;
    fields["step"] = step;
  }
  write("run_started", std::move(fields), true);
}
void EventWriter::metric(std::int64_t step, const Named& values) {
  write("metric", {{"step", step}, {"values", finite(values)}});
}
void EventWriter::spectral(std::int64_t step, const std::string& parameter, int head, const Named& values) {
  write("spectral", {{"step", step}, {"parameter", parameter}, {"head", head}, {"values", finite(values)}});
}
void EventWriter::evaluation(std::int64_t step, const std::string& split, const Named& values,
                             const std::map<std::string, std::vector<double>>& items) {
  Json fields = {{"step", step}, {"split", split}, {"values", finite(values)}};
  if (!items.empty()) {
    Json rows = Json::array();
    const std::size_t n = items.begin()->second.size();
    for (std::size_t i = 0; i < n; ++i) {
      Named row;
      for (const auto& [name, column] : items) row[name] = column.at(i);
      rows.push_back({{"item", i}, {"values", finite(row)}});
    }
    fields["items"] = std::move(rows);
  }
  write("evaluation", std::move(fields));
}
void EventWriter::curve(const std::string& name, const std::string& variant, const std::vector<double>& x,
                        const std::vector<double>& y) {
  write("curve", {{"name", name}, {"variant", variant}, {"x", x}, {"y", y}});
}
void EventWriter::phase(std::int64_t step, const std::string& name, double seconds) {
  clocks_[name] += seconds;
  write("phase", {{"step", step}, {"name", name}, {"seconds", seconds}});
}
void EventWriter::progress(std::int64_t step, std::int64_t steps) {
  write("progress", {{"step", step}, {"steps", steps}});
}
void EventWriter::checkpoint(std::int64_t step, const std::string& path) {
  write("checkpoint", {{"step", step}, {"path", path}}, true);
}
void EventWriter::artifact(const std::string& kind, const std::string& path, std::int64_t bytes) {
  write("artifact", {{"kind", kind}, {"path", path}, {"bytes", bytes}});
}
void EventWriter::run_finished(const std::string& status, std::int64_t step, const std::string& reason) {
  Json fields = {{"status", status}, {"step", step}};
  if (!reason.empty()) fields["reason"] = reason;
  write("run_finished", std::move(fields), true);
}

PhaseTimer::PhaseTimer(EventWriter& events, std::int64_t step, std::string name, bool synchronize_cuda)
    : events_(events), step_(step), name_(std::move(name)), synchronize_(synchronize_cuda) {
  if (synchronize_) torch::cuda::synchronize();
  start_ = steady_seconds();
}
PhaseTimer::~PhaseTimer() {
  // An exception in flight means that the phase was not finished: its time belongs to nothing.
  if (running_ && std::uncaught_exceptions() == 0) stop();
}
void PhaseTimer::stop() {
  if (!running_) return;
  running_ = false;
  if (synchronize_) torch::cuda::synchronize();
  events_.phase(step_, name_, steady_seconds() - start_);
}

}  // namespace pionbench
