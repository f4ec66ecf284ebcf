#include "harness/bench/source.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "harness/bench/machine.h"
#include "results/run_series.h"
#include "results/stats/aggregate.h"
#include "store/store.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShownErrors = 600;  // characters of a program's last words

/// A folder below the system's temporary one, gone with the object.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (fs::temp_directory_path() / "pionbench-bench-XXXXXX").string();
    if (!::mkdtemp(name.data()))
      throw UserError("cannot make a folder below " + fs::temp_directory_path().string(), kInternal);
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Runs through the shell, output into `log`; UserError with the last words when it fails.
void run_command(const std::string& command, const fs::path& log) {
  const int status = std::system(("{ " + command + "\n} >" + shell_quoted(log.string()) + " 2>&1 </dev/null").c_str());
  if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGTERM))
    throw UserError("stopped", kInterrupted);
  if (status == 0) return;
  std::string tail = read_file(log);
  if (tail.size() > kShownErrors) tail = "..." + tail.substr(tail.size() - kShownErrors);
  const std::string how = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                                              : "exit " + std::to_string(WEXITSTATUS(status));
  throw UserError(command + ": " + how + "\n" + tail, kFailed);
}

BenchmarkFile read_benchmark_file(const fs::path& file) {
  const Json json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw UserError(file.string() + " is not valid JSON");
  return benchmark_file_from_json(json, file.string());
}

BenchmarkFile read_folder(const fs::path& folder) {
  const Store store(folder, Store::Mode::kReadOnly);
  BenchmarkFile out{run_series(store), {}};
  if (out.series.empty()) throw UserError(folder.string() + " has no finished run of an experiment");
  return out;
}

/// Of a process's repetitions their median: repetitions share the process's memory layout, processes do not.
void keep_medians(BenchmarkFile& file) {
  for (auto& series : file.series) series.samples = {stats::median(series.samples)};
}

class ProgramSource : public Source {
 public:
  ProgramSource(std::string command, SourceOptions options)
      : command_(std::move(command)), options_(std::move(options)) {}

  BenchmarkFile measure(const std::vector<std::string>& only) override {
    const ScratchFolder scratch;
    const fs::path result = scratch.path() / "result.json";
    std::string command;
    if (options_.threads > 0)
      for (const std::string name : {"OMP_NUM_THREADS", "MKL_NUM_THREADS"})
        command += name + "=" + std::to_string(options_.threads) + " ";
    command += command_ + " --benchmark_out=" + shell_quoted(result.string()) +
               " --benchmark_out_format=json --benchmark_repetitions=" + std::to_string(options_.repetitions);
    const std::string filter = only.empty() ? options_.filter : benchmark_filter(only);
    if (!filter.empty()) command += " --benchmark_filter=" + shell_quoted(filter);
    if (options_.min_time > 0) command += " --benchmark_min_time=" + std::to_string(options_.min_time);
    run_command(command, scratch.path() / "log");
    if (!fs::exists(result))
      throw UserError(command_ + " wrote no results; is it a Google Benchmark program that takes --benchmark_out?",
                      kFailed);
    auto file = read_benchmark_file(result);
    keep_medians(file);
    return file;
  }
  bool is_repeatable() const override { return true; }
  bool is_live() const override { return true; }

 private:
  std::string command_;
  SourceOptions options_;
};

/// A file or a folder: there once and for all.
class StoredSource : public Source {
 public:
  StoredSource(std::function<BenchmarkFile(const fs::path&)> read, fs::path path)
      : read_(std::move(read)), path_(std::move(path)) {}
  BenchmarkFile measure(const std::vector<std::string>&) override { return read_(path_); }
  bool is_repeatable() const override { return false; }
  bool is_live() const override { return false; }

 private:
  std::function<BenchmarkFile(const fs::path&)> read_;
  fs::path path_;
};

class CommandSource : public Source {
 public:
  explicit CommandSource(std::string command) : command_(std::move(command)) {
    if (command_.find(kPlace) == std::string::npos)
      throw UserError("run:" + command_ + " does not say where its results go; write {out} where the path belongs",
                      kUsage);
  }
  BenchmarkFile measure(const std::vector<std::string>&) override {
    const ScratchFolder scratch;
    const fs::path out = scratch.path() / "out";
    std::string command = command_;
    for (std::size_t at; (at = command.find(kPlace)) != std::string::npos;)
      command.replace(at, kPlace.size(), shell_quoted(out.string()));
    run_command(command, scratch.path() / "log");
    if (fs::is_directory(out)) return read_folder(out);
    if (fs::is_regular_file(out)) return read_benchmark_file(out);
    throw UserError("run:" + command_ + " left nothing at {out}", kFailed);
  }
  bool is_repeatable() const override { return false; }
  bool is_live() const override { return true; }

 private:
  static constexpr std::string_view kPlace = "{out}";
  std::string command_;
};

void append(BenchmarkFile& to, const BenchmarkFile& more) {
  for (const auto& series : more.series) {
    const auto it =
        std::find_if(to.series.begin(), to.series.end(), [&](const auto& s) { return s.name == series.name; });
    if (it == to.series.end())
      to.series.push_back(series);
    else
      it->samples.insert(it->samples.end(), series.samples.begin(), series.samples.end());
  }
  for (const auto& [key, value] : more.environment) to.environment.emplace(key, value);
}

}  // namespace

std::map<std::string, std::string> facts_of(const SourceOptions& options) {
  if (options.threads == 0) return {};
  return {{"threads", std::to_string(options.threads)}};
}

std::unique_ptr<Source> open_source(const std::string& text, const SourceOptions& options) {
  constexpr std::string_view kRun = "run:";
  if (text.starts_with(kRun)) return std::make_unique<CommandSource>(text.substr(kRun.size()));
  std::error_code error;
  if (fs::is_directory(text, error)) return std::make_unique<StoredSource>(read_folder, text);
  if (text.ends_with(".json") && fs::exists(text, error))
    return std::make_unique<StoredSource>(read_benchmark_file, text);
  std::istringstream words(text);
  std::string program, arguments;
  words >> program;
  std::getline(words, arguments);
  if (fs::is_regular_file(program, error) && ::access(program.c_str(), X_OK) == 0)
    return std::make_unique<ProgramSource>(shell_quoted(fs::absolute(program).string()) + arguments, options);
  if (fs::path(program).parent_path().filename() == "bin" && !fs::exists(program, error))
    throw UserError(
        "there is no " + program + "; ci/build makes every benchmark program, ./pionbench optim_bench alone", kUsage);
  throw UserError("nothing to measure at \"" + text +
                      "\"; name a Google Benchmark program, a .json file that one wrote, an output folder, or "
                      "run:COMMAND with {out}",
                  kUsage);
}

std::unique_ptr<Source> program_source(const fs::path& program, const SourceOptions& options) {
  return std::make_unique<ProgramSource>(shell_quoted(fs::absolute(program).string()), options);
}

BenchmarkFile measure(Source& source, int rounds, const std::vector<std::string>& only) {
  BenchmarkFile out;
  for (int i = 0; i < (source.is_repeatable() ? rounds : 1); ++i) append(out, source.measure(only));
  return out;
}

Interleaved measure_interleaved(Source& a, Source& b, int rounds, const std::vector<std::string>& only) {
  Interleaved out;
  const int n = a.is_repeatable() && b.is_repeatable() ? rounds : 1;
  for (int i = 0; i < n; ++i) {
    if (i % 2 == 0) append(out.a, a.measure(only));
    append(out.b, b.measure(only));
    if (i % 2 == 1) append(out.a, a.measure(only));
  }
  return out;
}

}  // namespace pionbench
