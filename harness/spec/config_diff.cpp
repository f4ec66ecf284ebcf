#include "harness/spec/config_diff.h"

#include <set>

namespace pionbench {
namespace {

/// A setting whose value is a JSON object (`command`) is compared member by member, so that the one that differs is
/// named.
void diff_value(const std::string& input, const std::string& from, const std::string& to,
                std::vector<InputChange>& out) {
  const auto object = [](const std::string& text) {
    return text.starts_with('{') ? Json::parse(text, nullptr, false) : Json();
  };
  const Json a = object(from), b = object(to);
  if (!a.is_object() || !b.is_object()) {
    out.push_back({input, from, to});
    return;
  }
  std::set<std::string> keys;
  for (const auto* side : {&a, &b})
    for (const auto& [key, value] : side->items()) keys.insert(key);
  const auto text = [](const Json& side, const std::string& key) -> std::string {
    const auto it = side.find(key);
    return it == side.end() ? "-" : it->is_string() ? it->get<std::string>() : it->dump();
  };
  for (const auto& key : keys)
    if (const std::string left = text(a, key), right = text(b, key); left != right)
      diff_value(input + "." + key, left, right, out);
}

template <typename Map, typename Text>
void diff_maps(const std::string& prefix, const Map& from, const Map& to, const Text& text,
               std::vector<InputChange>& out) {
  std::set<std::string> keys;
  for (const auto* map : {&from, &to})
    for (const auto& [key, value] : *map) keys.insert(key);
  for (const auto& key : keys) {
    const auto a = from.find(key), b = to.find(key);
    const std::string left = a == from.end() ? "-" : text(a->second), right = b == to.end() ? "-" : text(b->second);
    if (left != right) diff_value(prefix + key, left, right, out);
  }
}

}  // namespace

std::vector<InputChange> config_diff(const CellConfig& from, const CellConfig& to) {
  std::vector<InputChange> out;
  const auto compare = [&](const char* input, const std::string& a, const std::string& b) {
    if (a != b) out.push_back({input, a.empty() ? "-" : a, b.empty() ? "-" : b});
  };
  compare("suite", from.suite, to.suite);
  compare("suite_version", std::to_string(from.suite_version), std::to_string(to.suite_version));
  compare("optimizer", from.optimizer, to.optimizer);
  compare("optimizer_version", std::to_string(from.optimizer_version), std::to_string(to.optimizer_version));
  diff_maps(
      "inputs.", from.inputs, to.inputs, [](const std::string& id) { return id; }, out);
  const auto text = [](const Value& value) { return to_text(value); };
  diff_maps("settings.", from.settings.get(), to.settings.get(), text, out);
  diff_maps("hyper.", from.hyper.get(), to.hyper.get(), text, out);
  return out;
}

std::string to_text(const InputChange& change, const CellConfig& to) {
  if (change.input == "optimizer_version")
    return "the code of optimizer " + to.optimizer + ": version " + change.from + " -> " + change.to;
  if (change.input == "suite_version")
    return "the code of suite " + to.suite + ": version " + change.from + " -> " + change.to;
  const auto shown = [](const std::string& value) { return value.size() == 64 ? value.substr(0, 12) : value; };
  return change.input + ": " + shown(change.from) + " -> " + shown(change.to);
}

}  // namespace pionbench
