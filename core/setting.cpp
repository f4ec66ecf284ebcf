#include "core/setting.h"

#include <charconv>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "core/error.h"

namespace pionbench {
namespace {

std::string number_text(double x) {
  if (std::isinf(x)) return x > 0 ? "inf" : "-inf";
  if (std::isnan(x)) return "nan";
  char buffer[64];
  // Shortest text that reads back as the same double.
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, x);
  return {buffer, end};
}

template <typename T>
const T& typed(const Values& values, std::string_view name) {
  const auto it = values.find(std::string(name));
  if (it == values.end()) throw std::logic_error("setting \"" + std::string(name) + "\" is not declared");
  if (const T* value = std::get_if<T>(&it->second)) return *value;
  throw std::logic_error("setting \"" + std::string(name) + "\" is read as another kind than it is declared");
}

[[noreturn]] void reject(const Setting& setting, const Value& value) {
  throw UserError("setting \"" + setting.name + "\": got " + to_text(value) + ", allowed: " + allowed_text(setting));
}

}  // namespace

Setting bool_setting(std::string name, bool value, std::string help) {
  return {std::move(name), Kind::kBool, value, std::move(help)};
}
Setting int_setting(std::string name, std::int64_t value, std::int64_t min, std::int64_t max, std::string help) {
  return {std::move(name), Kind::kInt, value, std::move(help), static_cast<double>(min), static_cast<double>(max)};
}
Setting real_setting(std::string name, double value, double min, double max, std::string help) {
  return {std::move(name), Kind::kReal, value, std::move(help), min, max};
}
Setting choice_setting(std::string name, std::string value, std::vector<std::string> choices, std::string help) {
  Setting setting{std::move(name), Kind::kChoice, std::move(value), std::move(help)};
  setting.choices = std::move(choices);
  return setting;
}
Setting text_setting(std::string name, std::string value, std::string help) {
  return {std::move(name), Kind::kText, std::move(value), std::move(help)};
}

Relation divides(std::string first, std::string second) {
  return {std::move(first), Relation::Kind::kDivides, std::move(second)};
}
Relation at_most(std::string first, std::string second) {
  return {std::move(first), Relation::Kind::kAtMost, std::move(second)};
}

const Setting* SettingTable::find(std::string_view name) const {
  for (const auto& setting : settings)
    if (setting.name == name) return &setting;
  return nullptr;
}

const BundleSet* SettingTable::find_bundle_set(std::string_view key) const {
  for (const auto& set : bundle_sets)
    if (set.key == key) return &set;
  return nullptr;
}

std::vector<std::string> SettingTable::names() const {
  std::vector<std::string> out;
  for (const auto& set : bundle_sets) out.push_back(set.key);
  for (const auto& setting : settings) out.push_back(setting.name);
  return out;
}

Values SettingTable::resolve(const Values& explicit_values) const {
  for (const auto& [name, value] : explicit_values)
    if (!find(name) && !find_bundle_set(name)) throw UserError(unknown_name("setting", name, names()));

  Values out;
  for (const auto& setting : settings) out[setting.name] = setting.default_value;
  for (const auto& set : bundle_sets) {
    std::string chosen = set.default_bundle;
    if (const auto it = explicit_values.find(set.key); it != explicit_values.end()) {
      const auto* text = std::get_if<std::string>(&it->second);
      chosen = text ? *text : to_text(it->second);
    }
    if (chosen.empty()) continue;
    const Bundle* bundle = nullptr;
    std::vector<std::string> known;
    for (const auto& candidate : set.bundles) {
      known.push_back(candidate.name);
      if (candidate.name == chosen) bundle = &candidate;
    }
    if (!bundle) throw UserError("setting \"" + set.key + "\": " + unknown_name("value", chosen, known));
    for (const auto& [name, value] : bundle->values) {
      const Setting* setting = find(name);
      if (!setting) throw std::logic_error("bundle " + set.key + "=" + chosen + " sets undeclared \"" + name + "\"");
      out[name] = checked(*setting, value);
    }
  }
  for (const auto& [name, value] : explicit_values)
    if (const Setting* setting = find(name)) out[name] = checked(*setting, value);
  return out;
}

void SettingTable::check_relations(const Values& resolved) const {
  for (const auto& [first, kind, second] : relations) {
    const auto a = get_int(resolved, first), b = get_int(resolved, second);
    const bool is_divisor = kind == Relation::Kind::kDivides;
    if (is_divisor ? a == 0 || b % a == 0 : a <= b) continue;
    throw UserError("settings " + first + ", " + second + ": got " + std::to_string(a) + " and " + std::to_string(b) +
                    (is_divisor ? "; the first must divide the second" : "; the first can be at most the second"));
  }
}

Value checked(const Setting& setting, const Value& value) {
  const auto in_range = [&](double x) { return x >= setting.min && x <= setting.max; };
  switch (setting.kind) {
    case Kind::kBool:
      if (std::holds_alternative<bool>(value)) return value;
      break;
    case Kind::kInt:
      if (const auto* i = std::get_if<std::int64_t>(&value); i && in_range(static_cast<double>(*i))) return value;
      // 1e4 is how people write large integers; it reads as a real.
      if (const auto* x = std::get_if<double>(&value); x && std::abs(*x) < 9e15 && std::floor(*x) == *x && in_range(*x))
        return static_cast<std::int64_t>(*x);
      break;
    case Kind::kReal: {
      const auto* i = std::get_if<std::int64_t>(&value);
      const auto* x = std::get_if<double>(&value);
      if (!i && !x) break;
      const double number = i ? static_cast<double>(*i) : *x;
      if (std::isfinite(number) && in_range(number)) return number;
      break;
    }
    case Kind::kChoice:
      if (const auto* text = std::get_if<std::string>(&value))
        for (const auto& choice : setting.choices)
          if (choice == *text) return value;
      break;
    case Kind::kText:
      if (std::holds_alternative<std::string>(value)) return value;
      return to_text(value);
  }
  if (setting.kind == Kind::kChoice)
    if (const auto* text = std::get_if<std::string>(&value))
      throw UserError("setting \"" + setting.name + "\": " + unknown_name("value", *text, setting.choices));
  reject(setting, value);
}

std::string to_text(const Value& value) {
  struct Visitor {
    std::string operator()(bool b) const { return b ? "true" : "false"; }
    std::string operator()(std::int64_t i) const { return std::to_string(i); }
    std::string operator()(double x) const { return number_text(x); }
    std::string operator()(const std::string& s) const { return s; }
  };
  return std::visit(Visitor{}, value);
}

std::string allowed_text(const Setting& setting) {
  const std::string range = "[" + number_text(setting.min) + ", " + number_text(setting.max) + "]";
  switch (setting.kind) {
    case Kind::kBool:
      return "true or false";
    case Kind::kInt:
      return "integer in " + range;
    case Kind::kReal:
      return "real in " + range;
    case Kind::kChoice:
      return "one of " + join(setting.choices, ", ");
    case Kind::kText:
      return "text";
  }
  return "";
}

bool get_bool(const Values& values, std::string_view name) {
  return typed<bool>(values, name);
}
std::int64_t get_int(const Values& values, std::string_view name) {
  return typed<std::int64_t>(values, name);
}
double get_real(const Values& values, std::string_view name) {
  return typed<double>(values, name);
}
const std::string& get_text(const Values& values, std::string_view name) {
  return typed<std::string>(values, name);
}

}  // namespace pionbench
