#include "harness/spec/search_space.h"

#include <algorithm>
#include <array>

#include "core/catalog.h"
#include "core/error.h"
#include "core/files.h"

namespace pionbench {
namespace {

using OrderedJson = nlohmann::ordered_json;  // the order of the file is the order of the dimensions

constexpr std::array kAliases = {std::pair{"learning_rate", "lr"}, std::pair{"epsilon", "eps"},
                                 std::pair{"beta_1", "beta1"}, std::pair{"beta_2", "beta2"}};
constexpr std::string_view kOneMinus = "one_minus_";

/// A name of the file as a setting of ours.
struct Target {
  std::string key;
  bool complement = false;
};

class Reader {
 public:
  Reader(std::string place, const std::vector<std::string>& ignore, const std::vector<std::string>& known)
      : place_(std::move(place)), ignore_(ignore), known_(known) {}

  SearchSpace read(const OrderedJson& json) const {
    SearchSpace out;
    if (json.is_object() && !json.empty()) {
      for (const auto& [name, space] : json.items()) out.dimensions.push_back(dimension(name, space));
    } else if (json.is_array() && !json.empty()) {
      for (const auto& point : json) out.points.push_back(listed(point));
    } else {
      throw UserError(place_ +
                      ": a search space is {name: {\"min\", \"max\", \"scaling\"} or {\"feasible_points\"}}, "
                      "or a list of points");
    }
    return out;
  }

 private:
  [[noreturn]] void bad(const std::string& name, const std::string& wanted, const OrderedJson& got) const {
    throw UserError(place_ + ": \"" + name + "\": expected " + wanted + ", got " + got.dump());
  }

  bool is_known(const std::string& key) const { return std::ranges::find(known_, key) != known_.end(); }

  /// Nothing for an ignored name.
  Target target(const std::string& name) const {
    if (std::ranges::find(ignore_, name) != ignore_.end()) return {};
    if (is_known(name)) return {name};
    const bool complement = name.starts_with(kOneMinus);
    std::string key = complement ? name.substr(kOneMinus.size()) : name;
    for (const auto& [theirs, ours] : kAliases)
      if (key == theirs) key = ours;
    if (is_known(key)) return {key, complement};
    throw UserError(place_ + ": " + unknown_name("setting", name, known_) +
                    "  rename it in the file, or leave it out with search.ignore=" + name);
  }

  Value value(const std::string& name, const OrderedJson& json) const {
    if (!json.is_primitive() || json.is_null()) bad(name, "a value", json);
    return value_from_json(Json(json), place_ + ": \"" + name + "\"");
  }

  Value number(const std::string& name, const OrderedJson& json) const {
    if (!json.is_number()) bad(name, "a number", json);
    return json.get<double>();
  }

  Dimension dimension(const std::string& name, const OrderedJson& space) const {
    const Target to = target(name);
    Dimension out{to.key, {}, {}, to.complement};
    if (!space.is_object()) bad(name, "{\"min\", \"max\", \"scaling\"} or {\"feasible_points\"}", space);
    if (space.contains("feasible_points")) {
      const auto& points = space["feasible_points"];
      if (!points.is_array() || points.empty()) bad(name, "a list under feasible_points", points);
      for (const auto& point : points) out.choices.push_back(to.complement ? number(name, point) : value(name, point));
      return out;
    }
    for (const char* key : {"min", "max"})
      if (!space.contains(key) || !space[key].is_number()) bad(name, std::string("a number under ") + key, space);
    const std::string scaling = space.contains("scaling") && space["scaling"].is_string() ? space["scaling"] : "";
    if (scaling != "log" && scaling != "linear") bad(name, "\"scaling\": \"log\" or \"linear\"", space);
    Range range{space["min"], space["max"], scaling == "log"};
    if (range.max < range.min) bad(name, "min at most max", space);
    if (range.logarithmic && range.min <= 0) bad(name, "min above 0 for a log scale", space);
    if (range.max == range.min)
      out.choices.emplace_back(range.min);
    else
      out.range = range;
    return out;
  }

  Values listed(const OrderedJson& point) const {
    if (!point.is_object()) bad("point", "an object of settings", point);
    Values out;
    for (const auto& [name, json] : point.items()) {
      const Target to = target(name);
      if (to.key.empty()) continue;
      const Value v = to.complement ? number(name, json) : value(name, json);
      out[to.key] = to.complement ? Value(1 - std::get<double>(v)) : v;
    }
    return out;
  }

  std::string place_;
  const std::vector<std::string>& ignore_;
  const std::vector<std::string>& known_;
};

}  // namespace

SearchSpace read_search_space(const std::filesystem::path& file, const std::string& where,
                              const std::vector<std::string>& ignore, const std::vector<std::string>& known) {
  OrderedJson json;
  try {
    json = OrderedJson::parse(read_file(file));
  } catch (const UserError& e) {
    throw UserError(where + ": " + e.what());
  } catch (const OrderedJson::exception& e) {
    throw UserError(where + ": " + file.string() + ": not valid JSON: " + e.what());
  }
  return Reader(where + ": " + file.string(), ignore, known).read(json);
}

}  // namespace pionbench
