#include "harness/schedule/noise.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <fstream>

#include "common/hash.h"
#include "core/error.h"
#include "core/files.h"
#include "core/run_request.h"
#include "harness/schedule/local_executor.h"
#include "harness/schedule/run_folder.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSuite = "rlvr/arith-sft";
/// Enough steps that starting up does not matter, few enough for some seconds. Names that the suite lacks are left out.
const Values kTiny = {{"warm_steps", std::int64_t{40}},
                      {"train_problems", std::int64_t{256}},
                      {"validation_problems", std::int64_t{8}},
                      {"test_problems", std::int64_t{8}},
                      {"max_new_tokens", std::int64_t{8}}};

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "pionbench-noise-XXXXXX").string();
    if (!::mkdtemp(pattern.data()))
      throw UserError("cannot make a folder in " + fs::temp_directory_path().string(), 70);
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

double train_seconds(const fs::path& events) {
  double seconds = 0;
  std::ifstream file(events);
  for (std::string line; std::getline(file, line);) {
    const Json event = Json::parse(line, nullptr, false);
    if (event.is_object() && event.value("type", "") == "phase" && event.value("name", "") == "train")
      seconds += event.value("seconds", 0.0);
  }
  return seconds;
}

}  // namespace

NoiseFloor noise_floor(const std::vector<double>& a, const std::vector<double>& b) {
  const std::size_t n = std::min(a.size(), b.size());
  if (n < 2) throw std::logic_error("a noise floor needs two pairs");
  std::vector<double> ratios, all;
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    ratios.push_back(std::log(b[i] / a[i]));
    sum += ratios.back();
    all.insert(all.end(), {a[i], b[i]});
  }
  const double mean = sum / static_cast<double>(n);
  double squares = 0;
  for (const double r : ratios) squares += (r - mean) * (r - mean);
  NoiseFloor out;
  out.pairs = static_cast<int>(n);
  out.relative_sd = std::sqrt(squares / static_cast<double>(n - 1));
  const boost::math::students_t t(static_cast<double>(n - 1));
  out.floor = boost::math::quantile(t, 0.975) * out.relative_sd;
  std::ranges::nth_element(all, all.begin() + static_cast<std::ptrdiff_t>(n));
  out.seconds = all[n];
  return out;
}

NoiseFloor measure_noise(int pairs, const std::function<double()>& once) {
  once();
  std::vector<double> a, b;
  for (int i = 0; i < pairs; ++i) {
    const double first = once(), second = once();
    a.push_back(i % 2 ? second : first);
    b.push_back(i % 2 ? first : second);
  }
  return noise_floor(a, b);
}

double time_kernel() {
  // Dependent multiplications: neither memory nor the vectoriser has a say.
  constexpr int kSteps = 4'000'000;
  const double start = steady_seconds();
  volatile double kept = 1;
  double x = kept;
  for (int i = 0; i < kSteps; ++i) x = x * 0.999999 + 1e-6;
  kept = x;
  return steady_seconds() - start;
}

double time_training(const fs::path& worker, const Catalog& catalog) {
  const SuiteInfo& suite = catalog.suite(kSuite);
  Values chosen;
  for (const auto& [name, value] : kTiny)
    if (suite.table.find(name)) chosen[name] = value;
  CellConfig config;
  config.suite = suite.name;
  config.suite_version = suite.version;
  config.settings = suite.table.resolve(chosen);
  const TemporaryFolder folder;
  const std::string cell = content_hash(to_json(config));
  write_file_atomic(folder.path() / "run.json", to_json(RunRequest{"noise.1", cell, config}).dump());
  LocalExecutor executor(worker, 1);
  executor.start({.run = "noise.1",
                  .folder = folder.path(),
                  .placement = {.granted = true, .threads = 1},
                  .record = [](const AttemptStart&) {}});
  std::optional<Ending> ending;
  while (!(ending = executor.poll("noise.1"))) executor.wait(0.25);
  const double seconds = train_seconds(folder.path() / "events.jsonl");
  if (ending->exit_code != 0 || seconds <= 0)
    throw UserError("the worker failed: " + last_line(tail_of(folder.path() / "stderr.log", 0)), kInternal);
  return seconds;
}

}  // namespace pionbench
