#include "harness/spec/experiment.h"

#include <algorithm>

#include "core/error.h"
#include "harness/spec/value_grammar.h"

namespace pionbench {
namespace {

const std::vector<std::string> kExperimentKeys = {"name", "title", "paper",   "suite", "defaults",
                                                  "arms", "grid",  "exclude", "resources", "scales"};
const std::vector<std::string> kPaperKeys = {"figure", "table", "claims"};
const std::vector<std::string> kScales = {"quick", "desk", "paper"};

std::vector<Value> values_of_scalar(const YamlNode& node) {
  if (node.quoted) return {node.text};
  return parse_values(node.text, node.where);
}

std::vector<Value> values_of(const std::string& key, const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kScalar:
      return values_of_scalar(node);
    case YamlNode::Kind::kList: {
      std::vector<Value> out;
      for (const auto& item : node.items) {
        item.scalar(key);
        for (auto& value : values_of_scalar(item)) out.push_back(std::move(value));
      }
      if (out.empty()) throw UserError(node.where + ": " + key + ": the list is empty");
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
    out.push_back({key, values_of(key, entry.value), entry.where});
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

/// In a scale, everything that is not one of the layer's own keys is a setting laid over `defaults`.
Layer scale_of(const YamlNode& node, const std::string& name) {
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
    } else {
      require_known_keys(value.map(key), "scale", kScales);
      for (const auto& scale : value.entries) out.scales.emplace_back(scale.key, scale_of(scale.value, scale.key));
    }
  }
  return out;
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
