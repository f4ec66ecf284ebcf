#include "harness/spec/experiment.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "harness/spec/value_grammar.h"

namespace pionbench {
namespace {

const std::vector<std::string> kExperimentKeys = {"name",     "title",   "paper", "suite",     "command",
                                                  "defaults", "arms",    "grid",  "exclude",   "resources",
                                                  "search",   "halving", "until", "max_seeds", "scales"};
const std::vector<std::string> kSweepKeys = {"search", "halving", "until", "max_seeds"};
const std::vector<std::string> kPaperKeys = {"figure", "table", "claims"};
const std::vector<std::string> kScales = {"quick", "desk", "paper"};

Domain domain_of(const std::string& key, const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kScalar:
      if (node.quoted) return {{node.text}};
      return parse_domain(node.text, node.where);
    case YamlNode::Kind::kList: {
      Domain out;
      for (const auto& item : node.items) {
        item.scalar(key);
        if (item.quoted)
          out.values.emplace_back(item.text);
        else
          for (auto& value : parse_values(item.text, item.where)) out.values.push_back(std::move(value));
      }
      if (out.values.empty()) throw UserError(node.where + ": " + key + ": the list is empty");
      return out;
    }
    default:
      throw UserError(node.where + ": " + key + ": a value is missing");
  }
}

/// Nested maps become dotted names: {a: {b: 1}} is a.b = 1.
void collect(const std::vector<YamlEntry>& entries, const std::string& prefix, std::vector<Assignment>& out) {
  for (const auto& entry : entries) {
    const std::string key = prefix + entry.key;
    if (entry.value.kind == YamlNode::Kind::kMap) {
      collect(entry.value.entries, key + ".", out);
      continue;
    }
    const auto before = std::ranges::find(out, key, &Assignment::key);
    if (before != out.end())
      throw UserError(entry.where + ": \"" + key + "\" is given twice (first at " + before->where + "); remove one");
    auto [values, range] = domain_of(key, entry.value);
    out.push_back({key, std::move(values), entry.where, range});
  }
}

std::vector<Assignment> assignments_of(const YamlNode& node, const std::string& key) {
  std::vector<Assignment> out;
  collect(node.map(key), "", out);
  return out;
}

std::vector<Arm> arms_of(const YamlNode& node) {
  std::vector<Arm> out;
  for (const auto& entry : node.map("arms")) {
    if (trimmed(entry.key).empty()) throw UserError(entry.where + ": arms: an arm needs a name");
    out.push_back({entry.key, entry.where, assignments_of(entry.value, "arms." + entry.key)});
  }
  return out;
}

std::vector<Exclusion> exclusions_of(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kScalar) return {{node.text, node.where}};
  if (node.kind != YamlNode::Kind::kList) throw UserError(node.where + ": exclude: expected a list of conditions");
  std::vector<Exclusion> out;
  for (const auto& item : node.items) out.push_back({item.scalar("exclude"), item.where});
  return out;
}

Json paper_of(const YamlNode& node) {
  require_known_keys(node.map("paper"), "key of paper", kPaperKeys);
  Json out = Json::object();
  for (const auto& [key, where, value] : node.entries) {
    if (key != "claims") {
      out[key] = value.scalar(key);
      continue;
    }
    if (value.kind != YamlNode::Kind::kList) throw UserError(where + ": claims: expected a list such as [C1, C3]");
    out[key] = Json::array();
    for (const auto& item : value.items) out[key].push_back(item.scalar("claims"));
  }
  return out;
}

/// One of the keys under kSweepKeys: a map becomes dotted names, `until` and `max_seeds` stand for themselves.
void add_sweep(const YamlEntry& entry, const std::string& file, std::vector<Assignment>& out) {
  std::vector<Assignment> here;
  if (entry.value.kind == YamlNode::Kind::kMap)
    collect(entry.value.entries, entry.key + ".", here);
  else
    collect({entry}, "", here);
  for (auto& a : here) {
    // A file lies where the experiment file does, not where the program was started.
    if (a.key == "search.space" && a.values.size() == 1)
      if (const auto* path = std::get_if<std::string>(&a.values[0]))
        a.values[0] = (std::filesystem::path(file).parent_path() / *path).string();
    out.push_back(std::move(a));
  }
}

/// In a scale, everything that is not one of the layer's own keys is a setting laid over `defaults`.
Layer scale_of(const YamlNode& node, const std::string& name, const std::string& file) {
  Layer layer;
  YamlNode settings = node;
  settings.entries.clear();
  for (const auto& entry : node.map("scales." + name)) {
    if (entry.key == "grid") {
      layer.grid = assignments_of(entry.value, "grid");
    } else if (entry.key == "arms") {
      layer.arms = arms_of(entry.value);
    } else if (entry.key == "exclude") {
      layer.exclude = exclusions_of(entry.value);
    } else if (entry.key == "resources") {
      layer.resources = parse_resources(entry.value);
    } else if (is_sweep_key(entry.key)) {
      add_sweep(entry, file, layer.sweep);
    } else {
      settings.entries.push_back(entry);
    }
  }
  layer.defaults = assignments_of(settings, "scales." + name);
  return layer;
}

void require_file_name(const std::string& name, const std::string& where) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  if (name.empty() || name[0] == '.' || name.find_first_not_of(kAllowed) != std::string::npos)
    throw UserError(where + ": name \"" + name + "\": allowed are letters, digits, \".\", \"_\" and \"-\"");
}

}  // namespace

Experiment parse_experiment(const std::string& text, const std::string& file) {
  const YamlNode root = parse_yaml(text, file);
  require_known_keys(root.map("experiment"), "key", kExperimentKeys);
  for (const char* key : {"name", "suite"})
    if (!root.find(key)) throw UserError(file + ": the key \"" + key + "\" is missing");

  Experiment out;
  out.file = file;
  const YamlNode* command = nullptr;
  for (const auto& [key, where, value] : root.entries) {
    if (key == "name") {
      out.name = value.scalar(key);
      require_file_name(out.name, where);
    } else if (key == "title") {
      out.title = value.scalar(key);
    } else if (key == "paper") {
      out.paper = paper_of(value);
    } else if (key == "suite") {
      out.suite = value.scalar(key);
      out.suite_where = where;
    } else if (key == "command") {
      command = &value;
    } else if (key == "defaults") {
      out.base.defaults = assignments_of(value, key);
    } else if (key == "arms") {
      out.base.arms = arms_of(value);
    } else if (key == "grid") {
      out.base.grid = assignments_of(value, key);
    } else if (key == "exclude") {
      out.base.exclude = exclusions_of(value);
    } else if (key == "resources") {
      out.base.resources = parse_resources(value);
    } else if (is_sweep_key(key)) {
      add_sweep({key, where, value}, file, out.base.sweep);
    } else {
      require_known_keys(value.map(key), "scale", kScales);
      for (const auto& scale : value.entries)
        out.scales.emplace_back(scale.key, scale_of(scale.value, scale.key, file));
    }
  }
  if (command && !is_command_suite(out.suite))
    throw UserError(command->where + ": \"command\" belongs to the suite \"command\", and this is \"" + out.suite +
                    "\"");
  if (is_command_suite(out.suite)) {
    if (!command) throw UserError(out.suite_where + ": the key \"command\" is missing, which says what to run");
    out.command = read_command_suite(out.suite, out.suite_where, *command, file);
  }
  return out;
}

bool is_sweep_key(std::string_view key) {
  return std::ranges::find(kSweepKeys, key.substr(0, key.find('.'))) != kSweepKeys.end();
}

void assign(std::vector<Assignment>& assignments, const Assignment& assignment) {
  const auto it = std::ranges::find(assignments, assignment.key, &Assignment::key);
  if (it == assignments.end())
    assignments.push_back(assignment);
  else
    *it = assignment;
}

Layer overlaid(Layer base, const Layer& over) {
  for (const auto& a : over.defaults) assign(base.defaults, a);
  for (const auto& a : over.grid) assign(base.grid, a);
  for (const auto& a : over.sweep) assign(base.sweep, a);
  for (const auto& arm : over.arms) {
    const auto it = std::ranges::find(base.arms, arm.name, &Arm::name);
    if (it == base.arms.end())
      base.arms.push_back(arm);
    else
      for (const auto& a : arm.settings) assign(it->settings, a);
  }
  base.resources = overlaid(base.resources, over.resources);
  base.exclude.insert(base.exclude.end(), over.exclude.begin(), over.exclude.end());
  return base;
}

}  // namespace pionbench
