#include "harness/slurm/site.h"

#include <algorithm>
#include <cstdlib>
#include <regex>

#include "common/yaml.h"
#include "core/error.h"
#include "core/files.h"
#include "harness/spec/value_grammar.h"

namespace pionbench {
namespace {

const std::vector<std::string> kBackends = {"local", "slurm"};

std::string environment_text(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// Slurm's own grammar: minutes, h:m:s, d-h and so on.
void check_time(const std::string& text, const std::string& where) {
  static const std::regex kTime(R"(\d+(:\d+){0,2}|\d+-\d+(:\d+){0,2}|UNLIMITED)");
  if (!text.empty() && !std::regex_match(text, kTime))
    throw UserError(where + ": time: got \"" + text +
                    "\", allowed: minutes, h:m:s, d-h, d-h:m or d-h:m:s, e.g. 4:00:00");
}

void check_memory(const std::string& text, const std::string& where) {
  static const std::regex kMemory(R"([1-9]\d*[KMGT]?)");
  if (!std::regex_match(text, kMemory))
    throw UserError(where + ": memory: got \"" + text + "\", allowed: a number with K, M, G or T, e.g. 16G");
}

/// Options that are ours to give; the message says which key does it.
void check_option(const std::string& option, const std::string& where) {
  static const std::vector<std::pair<std::string, std::string>> kOurs = {{"--partition", "partition"},
                                                                         {"-p", "partition"},
                                                                         {"--account", "account"},
                                                                         {"-A", "account"},
                                                                         {"--qos", "qos"},
                                                                         {"--time", "time"},
                                                                         {"-t", "time"},
                                                                         {"--mem", "memory"},
                                                                         {"--cpus-per-task", "cpus"},
                                                                         {"-c", "cpus"},
                                                                         {"--gres", "gres"},
                                                                         {"--constraint", "constraint"},
                                                                         {"-C", "constraint"},
                                                                         {"--array", ""},
                                                                         {"-a", ""},
                                                                         {"--comment", ""},
                                                                         {"--job-name", ""},
                                                                         {"-J", ""},
                                                                         {"--output", ""},
                                                                         {"-o", ""},
                                                                         {"--signal", "signal_before_end_s"},
                                                                         {"--requeue", "requeue"},
                                                                         {"--no-requeue", "requeue"},
                                                                         {"--wrap", ""},
                                                                         {"--parsable", ""},
                                                                         {"--open-mode", ""},
                                                                         {"--chdir", ""}};
  if (!option.starts_with('-'))
    throw UserError(where + ": options: got \"" + option + "\"; one option of sbatch each, e.g. --reservation=NAME");
  const std::string name = option.substr(0, option.find_first_of("= "));
  for (const auto& [ours, key] : kOurs)
    if (name == ours)
      throw UserError(where + ": options: " + name +
                      (key.empty() ? " is set by pionbench; leave it out" : " has a key of its own: \"" + key + "\""));
}

std::vector<std::string> options_of(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kNull) return {};
  if (node.kind != YamlNode::Kind::kList)
    throw UserError(node.where + ": options: expected a list, e.g. [--reservation=NAME]");
  std::vector<std::string> out;
  for (const auto& item : node.items) {
    out.push_back(item.scalar("options"));
    check_option(out.back(), item.where);
  }
  return out;
}

SlurmSite slurm_of(const YamlNode& node) {
  auto known = slurm_site_table().names();
  known.insert(known.end(), {"options", "setup"});
  require_known_keys(node.map("slurm"), "key of slurm", known);
  SlurmSite site;
  Values given;
  std::string where = node.where;
  for (const auto& [key, at, value] : node.entries) {
    if (key == "options") {
      site.options = options_of(value);
    } else if (key == "setup") {
      site.setup = value.scalar(key);
    } else {
      const Setting& setting = *slurm_site_table().find(key);
      const std::string& text = value.scalar(key);
      try {
        given[key] = checked(setting, setting.kind == Kind::kText ? Value(text) : parse_scalar(text));
      } catch (const UserError& e) {
        throw UserError(at + ": " + e.what());
      }
      if (key == "time") check_time(text, at);
      if (key == "memory") check_memory(text, at);
    }
  }
  const Values v = slurm_site_table().resolve(given);
  site.partition = get_text(v, "partition");
  site.account = get_text(v, "account");
  site.qos = get_text(v, "qos");
  site.constraint = get_text(v, "constraint");
  site.time = get_text(v, "time");
  site.memory = get_text(v, "memory");
  site.cpus = static_cast<int>(get_int(v, "cpus"));
  site.gres = get_text(v, "gres");
  site.max_jobs = static_cast<int>(get_int(v, "max_jobs"));
  site.array_size = static_cast<int>(get_int(v, "array_size"));
  site.signal_before_end_s = static_cast<int>(get_int(v, "signal_before_end_s"));
  site.requeue = get_bool(v, "requeue");
  site.poll_s = get_real(v, "poll_s");
  site.file_delay_s = get_real(v, "file_delay_s");
  site.silence_s = get_real(v, "silence_s");
  return site;
}

}  // namespace

const SettingTable& slurm_site_table() {
  static const SlurmSite d;
  static const SettingTable table{{
      text_setting("partition", d.partition, "sbatch --partition"),
      text_setting("account", d.account, "sbatch --account"),
      text_setting("qos", d.qos, "sbatch --qos"),
      text_setting("constraint", d.constraint, "sbatch --constraint"),
      text_setting("time", d.time, "time limit of one attempt, in Slurm's grammar"),
      text_setting("memory", d.memory, "memory of one run, e.g. 16G"),
      int_setting("cpus", d.cpus, 1, 4096, "cores of one run"),
      text_setting("gres", d.gres, "what a GPU is called in --gres: gpu, or gpu:a100"),
      int_setting("max_jobs", d.max_jobs, 1, 100000, "runs in the queue or running at once"),
      int_setting("array_size", d.array_size, 0, 1000000, "tasks of one array at most; 0: what MaxArraySize allows"),
      int_setting("signal_before_end_s", d.signal_before_end_s, 10, 65535,
                  "seconds before the time limit at which a run is told to write its checkpoint"),
      bool_setting("requeue", d.requeue, "a preempted job goes back into the queue by itself"),
      real_setting("poll_s", d.poll_s, 0.1, 600, "seconds between two looks at the queue"),
      real_setting("file_delay_s", d.file_delay_s, 0, 600, "seconds until what a node wrote is surely seen here"),
      real_setting("silence_s", d.silence_s, 1, 86400,
                   "seconds without a sign of life after which a job that Slurm does not know is taken for gone"),
  }};
  return table;
}

Site parse_site(const std::string& text, const std::string& name) {
  const YamlNode root = parse_yaml(text, name);
  require_known_keys(root.map("site"), "key", {"backend", "slurm"});
  Site site;
  for (const auto& [key, where, value] : root.entries) {
    if (key == "slurm") {
      site.slurm = slurm_of(value);
      continue;
    }
    site.backend = value.scalar(key);
    if (std::ranges::find(kBackends, site.backend) == kBackends.end())
      throw UserError(where + ": " + unknown_name("backend", site.backend, kBackends));
  }
  return site;
}

Site load_site(const std::string& given) {
  std::filesystem::path file = given.empty() ? environment_text("PIONBENCH_SITE") : given;
  std::error_code error;
  if (file.empty()) {
    const std::string config = environment_text("XDG_CONFIG_HOME"), home = environment_text("HOME");
    if (config.empty() && home.empty()) return {};
    file = (config.empty() ? std::filesystem::path(home) / ".config" : std::filesystem::path(config)) / "pionbench" /
           "site.yaml";
    if (!std::filesystem::exists(file, error)) return {};
  }
  return parse_site(read_file(file), file.string());
}

}  // namespace pionbench
