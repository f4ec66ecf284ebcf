#include "harness/slurm/batch.h"

#include <charconv>
#include <random>

#include "core/catalog.h"
#include "core/error.h"
#include "core/files.h"
#include "harness/slurm/queue.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kJobPrefix = "slurm:";

}  // namespace

fs::path batch_folder(const fs::path& out, const std::string& batch) {
  return fs::absolute(out) / "slurm" / batch;
}

std::string new_batch_id() {
  std::random_device random;
  const std::uint64_t bits = (static_cast<std::uint64_t>(random()) << 32) | random();
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(bits));
  return std::string(text, 12);
}

void write_batch(const fs::path& folder, const Batch& batch) {
  Json tasks = Json::array();
  for (const auto& task : batch.tasks) tasks.push_back({{"run", task.run}, {"folder", task.folder.string()}});
  const Json json = {{"schema", 1},
                     {"batch", batch.id},
                     {"worker", batch.worker.string()},
                     {"requeue", batch.requeue},
                     {"tasks", tasks}};
  write_file_atomic(folder / "tasks.json", json.dump(1) + "\n");
}

Batch read_batch(const fs::path& folder) {
  const fs::path file = folder / "tasks.json";
  const Json json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  try {
    Batch batch{json.at("batch"), json.at("worker").get<std::string>(), json.at("requeue"), {}};
    for (const auto& task : json.at("tasks"))
      batch.tasks.push_back({task.at("run"), task.at("folder").get<std::string>()});
    return batch;
  } catch (const Json::exception& e) {
    throw UserError(file.string() + ": not a list of tasks (" + e.what() + ")");
  }
}

void write_lease(const fs::path& run_folder, const Lease& lease) {
  write_file_atomic(run_folder / "job.json",
                    Json{{"batch", lease.batch}, {"task", lease.task}, {"stop", lease.stop}}.dump() + "\n");
}

std::optional<Lease> read_lease(const fs::path& run_folder) {
  try {
    const Json json = Json::parse(read_file(run_folder / "job.json"), nullptr, /*allow_exceptions=*/false);
    return Lease{json.at("batch"), json.at("task"), json.at("stop")};
  } catch (const UserError&) {
  } catch (const Json::exception&) {
  }
  return std::nullopt;
}

std::string job_text(const std::string& batch, int task) {
  return std::string(kJobPrefix) + batch + "." + std::to_string(task);
}

std::optional<Lease> parse_job_text(const std::string& text) {
  const std::size_t dot = text.rfind('.');
  if (!text.starts_with(kJobPrefix) || dot == std::string::npos) return std::nullopt;
  Lease lease{text.substr(kJobPrefix.size(), dot - kJobPrefix.size()), 0, false};
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data() + dot + 1, last, lease.task);
  if (error != std::errc() || end != last || lease.batch.empty()) return std::nullopt;
  return lease;
}

std::vector<std::string> batch_options(const SlurmSite& site, const JobResources& resources, const std::string& batch,
                                       const fs::path& folder, int tasks) {
  std::vector<std::string> out = {"--job-name=" + job_name(batch), "--comment=" + job_comment(batch),
                                  "--array=0-" + std::to_string(tasks - 1)};
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) out.push_back(std::string(option) + "=" + value);
  };
  add("--partition", site.partition);
  add("--account", site.account);
  add("--qos", site.qos);
  add("--constraint", site.constraint);
  add("--time", site.time);
  out.insert(out.end(), {"--nodes=1", "--ntasks=1", "--cpus-per-task=" + std::to_string(resources.cpus),
                         "--mem=" + resources.memory});
  if (resources.gpus > 0) out.push_back("--gres=" + site.gres + ":" + std::to_string(resources.gpus));
  if (resources.exclusive) out.emplace_back("--exclusive");
  // USR2: USR1 is taken by some communication libraries. B: to the script alone, whose place the program has taken.
  out.push_back("--signal=B:USR2@" + std::to_string(site.signal_before_end_s));
  out.emplace_back(site.requeue ? "--requeue" : "--no-requeue");
  out.insert(out.end(), {"--open-mode=append", "--output=" + (folder / "task-%a.log").string()});
  out.insert(out.end(), site.options.begin(), site.options.end());
  return out;
}

std::string batch_script(const std::vector<std::string>& options, const std::string& setup,
                         const fs::path& node_program, const fs::path& folder) {
  std::string text = "#!/bin/bash\n# Written by pionbench; tasks.json beside it says which run each task is.\n";
  for (const auto& option : options) text += "#SBATCH " + option + "\n";
  if (!setup.empty()) text += setup + (setup.ends_with('\n') ? "" : "\n");
  text += "exec " + shell_word(node_program.string()) + " task " + shell_word(folder.string()) + "\n";
  return text;
}

std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace pionbench
