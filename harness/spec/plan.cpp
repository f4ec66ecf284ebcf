#include "harness/spec/plan.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "harness/common/hash.h"
#include "harness/spec/experiment.h"
#include "harness/spec/expression.h"
#include "harness/spec/value_grammar.h"

namespace pionbench {
namespace {

constexpr std::string_view kOptimizerKey = "optimizer";
constexpr std::size_t kMostCells = 1000000;

/// One key of one arm on its way into cells; `in_point` once it is a coordinate rather than a constant.
struct Axis {
  std::string key;
  std::vector<Value> values;
  bool in_point = false;
};

struct Override {
  std::string arm;  ///< "" = all
  Assignment assignment;
};

// --- overrides ---------------------------------------------------------------------------------------------------

[[noreturn]] void unknown_arm(const std::string& where, const std::string& name, const std::vector<Arm>& arms) {
  std::vector<std::string> known;
  for (const auto& arm : arms) known.push_back(arm.name);
  throw UserError(where + ": " + unknown_name("arm", name, known));
}

/// "arms.NAME.key": names may hold dots and blanks, so the longest arm name that fits wins.
Override arm_override(std::string_view target, const std::string& where, const std::vector<Arm>& arms) {
  const std::string_view rest = target.substr(std::string_view("arms.").size());
  Override out;
  for (const auto& arm : arms)
    for (const std::string& written : {arm.name, "'" + arm.name + "'", "\"" + arm.name + "\""})
      if (arm.name.size() > out.arm.size() && rest.starts_with(written + ".")) {
        out.arm = arm.name;
        out.assignment.key = rest.substr(written.size() + 1);
      }
  if (out.arm.empty()) unknown_arm(where, std::string(rest.substr(0, rest.rfind('.'))), arms);
  return out;
}

Override parse_override(const std::string& text, const std::vector<Arm>& arms) {
  const std::string where = "override \"" + text + "\"";
  // An arm's name may hold "=": look for the sign behind it.
  std::size_t from = 0;
  if (text.starts_with("arms."))
    for (const auto& arm : arms)
      if (text.compare(5, arm.name.size(), arm.name) == 0) from = std::max(from, 5 + arm.name.size());
  const std::size_t sign = text.find('=', from);
  if (sign == std::string::npos || sign == 0) throw UserError(where + ": expected key=value", kUsage);
  const auto target = trimmed(std::string_view(text).substr(0, sign));
  Override out;
  if (target.starts_with("arms."))
    out = arm_override(target, where, arms);
  else
    out.assignment.key = target;
  out.assignment.values = parse_values(std::string_view(text).substr(sign + 1), where);
  out.assignment.where = where;
  return out;
}

void select_arms(const Assignment& selection, std::vector<Arm>& arms) {
  std::set<std::string> chosen;
  for (const auto& value : selection.values) {
    const std::string name = to_text(value);
    if (std::ranges::find(arms, name, &Arm::name) == arms.end()) unknown_arm(selection.where, name, arms);
    chosen.insert(name);
  }
  std::erase_if(arms, [&](const Arm& arm) { return !chosen.contains(arm.name); });
}

// --- planner -----------------------------------------------------------------------------------------------------

class Planner {
 public:
  Planner(const Experiment& experiment, const Catalog& catalog, const PlanOptions& options)
      : experiment_(experiment), catalog_(catalog), options_(options), suite_(find_suite()) {}

  Plan plan() {
    layer_ = overlaid(experiment_.base, scale_layer());
    if (layer_.arms.empty()) layer_.arms.push_back({"", experiment_.file, {}});
    take_overrides();
    for (const auto& [scale, layer] : experiment_.scales) check(overlaid(experiment_.base, layer));
    // Also alone: a value that a scale replaces must be right all the same.
    check(experiment_.base);
    for (const auto& o : overrides_) check_override(o);
    read_exclusions();
    for (const auto& selection : selections_) select_arms(selection, layer_.arms);
    for (const auto& arm : layer_.arms) expand(arm);
    if (cells_.empty())
      throw UserError(experiment_.file + ": no cells left: the conditions under exclude remove every one");
    finish();
    return std::move(plan_);
  }

 private:
  using Point = std::map<std::string, Value>;

  const SuiteInfo& find_suite() const {
    try {
      return catalog_.suite(experiment_.suite);
    } catch (const UserError& e) {
      throw UserError(experiment_.suite_where + ": " + e.what());
    }
  }

  Layer scale_layer() const {
    std::vector<std::string> known;
    for (const auto& [name, layer] : experiment_.scales) {
      if (name == options_.scale) return layer;
      known.push_back(name);
    }
    // Without scales a file says one thing only, and that must not pass for the paper's sizes.
    if (known.empty()) known = {"quick"};
    if (known == std::vector<std::string>{"quick"} && options_.scale == "quick") return {};
    throw UserError(experiment_.file + ": " + unknown_name("scale", options_.scale, known), kUsage);
  }

  void take_overrides() {
    for (const auto& text : options_.overrides) {
      const auto parsed = parse_override(text, layer_.arms);
      if (parsed.arm.empty() && parsed.assignment.key == "arm")
        selections_.push_back(parsed.assignment);
      else
        overrides_.push_back(parsed);
    }
  }

  // --- checking ---

  /// All optimizers an arm may use, from every place that can say so.
  std::vector<const OptimizerInfo*> optimizers_of(const Layer& layer, const Arm& arm) const {
    std::vector<const OptimizerInfo*> out;
    const auto add = [&](const Assignment& a) {
      if (a.key != kOptimizerKey) return;
      if (!suite_.takes_optimizer)
        throw UserError(a.where + ": the suite \"" + suite_.name + "\" takes no optimizer; remove the key");
      for (const auto& value : a.values) try {
          out.push_back(&catalog_.optimizer(to_text(value)));
        } catch (const UserError& e) {
          throw UserError(a.where + ": " + e.what());
        }
    };
    for (const auto& a : layer.defaults) add(a);
    for (const auto& a : layer.grid) add(a);
    for (const auto& a : arm.settings) add(a);
    for (const auto& o : overrides_)
      if (o.arm.empty() || o.arm == arm.name) add(o.assignment);
    if (suite_.takes_optimizer && out.empty())
      throw UserError(arm.where + ": " +
                      (arm.name.empty() ? "arms are missing and no" : "arm \"" + arm.name + "\": no") +
                      " optimizer is named; the suite \"" + suite_.name + "\" needs one (optimizer: NAME)");
    return out;
  }

  std::vector<const SettingTable*> tables_of(const Layer& layer, const std::vector<Arm>& arms) const {
    std::vector<const SettingTable*> out = {&suite_.table};
    for (const auto& arm : arms)
      for (const auto* optimizer : optimizers_of(layer, arm))
        if (std::ranges::find(out, &optimizer->table) == out.end()) out.push_back(&optimizer->table);
    return out;
  }

  static bool knows(const SettingTable& table, const std::string& key) {
    return table.find(key) || table.find_bundle_set(key);
  }

  std::vector<std::string> known_keys(const std::vector<const SettingTable*>& tables) const {
    std::vector<std::string> out;
    if (suite_.takes_optimizer) out.emplace_back(kOptimizerKey);
    for (const auto* table : tables)
      for (const auto& name : table->names())
        if (std::ranges::find(out, name) == out.end()) out.push_back(name);
    return out;
  }

  /// The key is known to one of the tables, and every value is allowed by each table that knows it.
  void check_assignment(const Assignment& a, const std::vector<const SettingTable*>& tables) const {
    if (a.key == kOptimizerKey) return;  // optimizers_of has looked at it
    bool known = false;
    for (const auto* table : tables) {
      if (!knows(*table, a.key)) continue;
      known = true;
      for (const auto& value : a.values) try {
          table->resolve({{a.key, value}});
        } catch (const UserError& e) {
          throw UserError(a.where + ": " + e.what());
        }
    }
    if (!known) throw UserError(a.where + ": " + unknown_name("setting", a.key, known_keys(tables)));
  }

  void check(const Layer& layer) const {
    const std::vector<Arm> none = {{"", experiment_.file, {}}};
    const auto& arms = layer.arms.empty() ? none : layer.arms;
    for (const auto& arm : arms) {
      const auto tables = tables_of(layer, {arm});
      for (const auto& a : arm.settings) check_assignment(a, tables);
    }
    const auto tables = tables_of(layer, arms);
    for (const auto& a : layer.defaults) check_assignment(a, tables);
    for (const auto& a : layer.grid) check_assignment(a, tables);
  }

  void check_override(const Override& o) const {
    if (o.arm.empty()) return check_assignment(o.assignment, tables_of(layer_, layer_.arms));
    const auto arm = std::ranges::find(layer_.arms, o.arm, &Arm::name);
    check_assignment(o.assignment, tables_of(layer_, {*arm}));
  }

  void read_exclusions() {
    for (const auto& [text, where] : layer_.exclude) exclusions_.emplace_back(text, where);
    for (const auto& text : options_.exclude) exclusions_.emplace_back(text, "--exclude");
    auto known = known_keys(tables_of(layer_, layer_.arms));
    known.insert(known.begin(), "arm");
    for (const auto& exclusion : exclusions_) exclusion.require_known(known);
  }

  // --- expanding ---

  std::vector<Axis> axes_of(const Arm& arm) const {
    std::vector<Axis> axes;
    const auto put = [&](const Assignment& a, bool in_point) {
      auto it = std::ranges::find(axes, a.key, &Axis::key);
      Axis axis{a.key, a.values, in_point || a.values.size() > 1 || (it != axes.end() && it->in_point)};
      if (it != axes.end() && it->in_point == axis.in_point) {
        *it = std::move(axis);
        return;
      }
      if (it != axes.end()) axes.erase(it);  // it becomes a coordinate here, so here is its turn
      axes.push_back(std::move(axis));
    };
    for (const auto& a : layer_.defaults) put(a, false);
    for (const auto& a : arm.settings) put(a, false);
    for (const auto& a : layer_.grid) put(a, true);
    for (const auto& o : overrides_)
      if (o.arm.empty()) put(o.assignment, false);
    for (const auto& o : overrides_)
      if (o.arm == arm.name && !o.arm.empty()) put(o.assignment, false);
    std::ranges::stable_partition(axes, [](const Axis& axis) { return axis.key != "seed"; });
    return axes;
  }

  void expand(const Arm& arm) {
    const auto axes = axes_of(arm);
    if (!suite_.takes_optimizer) return expand(arm, nullptr, axes);
    const auto it = std::ranges::find(axes, kOptimizerKey, &Axis::key);
    for (const auto& name : it->values) {
      auto mine = axes;
      mine[static_cast<std::size_t>(it - axes.begin())].values = {name};
      expand(arm, &catalog_.optimizer(to_text(name)), mine);
    }
  }

  void expand(const Arm& arm, const OptimizerInfo* optimizer, std::vector<Axis> axes) {
    std::erase_if(axes, [&](const Axis& axis) {
      return axis.key != kOptimizerKey && !knows(suite_.table, axis.key) &&
             !(optimizer && knows(optimizer->table, axis.key));
    });
    std::size_t count = 1;
    for (const auto& axis : axes) {
      count *= axis.values.size();
      if (count > kMostCells)
        throw UserError(experiment_.file + ": more than " + std::to_string(kMostCells) + " cells; sweep fewer values");
    }
    for (std::size_t i = 0; i < count; ++i) {
      Point point;
      std::size_t rest = i;
      for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
        point[axis->key] = axis->values[rest % axis->values.size()];
        rest /= axis->values.size();
      }
      add_cell(arm, optimizer, axes, point);
    }
  }

  void add_cell(const Arm& arm, const OptimizerInfo* optimizer, const std::vector<Axis>& axes, const Point& point) {
    CellConfig config = make_config(suite_, optimizer, point);
    if (is_excluded(arm, config, point)) return;
    PlannedCell cell;
    cell.arm = arm.name;
    cell.label = arm.name.empty() ? experiment_.name : arm.name;
    for (const auto& axis : axes)
      if (axis.in_point) {
        const std::string text = coordinate(config, axis.key, point.at(axis.key));
        cell.point[axis.key] = text;
        cell.label += " " + axis.key + "=" + text;
      }
    add_prerequisite(suite_, config, cell);
    cell.config = std::move(config);
    cell.id = content_hash(to_json(cell.config));
    plan_.experiment.cells.push_back({cell.id, cell.arm, cell.point});
    if (ids_.insert(cell.id).second) cells_.push_back(std::move(cell));
  }

  static CellConfig make_config(const SuiteInfo& suite, const OptimizerInfo* optimizer, const Point& values) {
    CellConfig config;
    config.suite = suite.name;
    config.suite_version = suite.version;
    config.settings = suite.table.resolve(restricted(values, suite.table));
    if (optimizer) {
      config.optimizer = optimizer->name;
      config.optimizer_version = optimizer->version;
      config.hyper = optimizer->table.resolve(restricted(values, optimizer->table));
    }
    return config;
  }

  static Values restricted(const Values& values, const SettingTable& table) {
    Values out;
    for (const auto& [key, value] : values)
      if (knows(table, key)) out[key] = value;
    return out;
  }

  /// As the cell holds it, so that 1 and 1.0 of a real setting are one coordinate.
  static std::string coordinate(const CellConfig& config, const std::string& key, const Value& written) {
    for (const auto* values : {&config.settings, &config.hyper})
      if (const auto it = values->find(key); it != values->end()) return to_text(it->second);
    return to_text(written);
  }

  bool is_excluded(const Arm& arm, const CellConfig& config, const Point& point) const {
    const auto lookup = [&](const std::string& key) -> std::optional<Value> {
      if (key == "arm") return arm.name;
      if (key == kOptimizerKey) return config.optimizer;
      for (const auto* values : {&config.settings, &config.hyper, &point})
        if (const auto it = values->find(key); it != values->end()) return it->second;
      return std::nullopt;
    };
    return std::ranges::any_of(exclusions_, [&](const Expression& e) { return e.matches(lookup); });
  }

  /// Plans the run that `suite` reads from, and enters it in `config.inputs` and `cell.needs`.
  void add_prerequisite(const SuiteInfo& suite, CellConfig& config, PlannedCell& cell) {
    if (suite.prerequisite.empty()) return;
    const SuiteInfo& needed = catalog_.suite(suite.prerequisite);
    PlannedCell first;
    first.is_prerequisite = true;
    first.config = make_config(needed, nullptr, config.settings);
    first.label = needed.name;
    for (const auto& [key, text] : cell.point)
      if (needed.table.find(key)) {
        first.point[key] = text;
        first.label += " " + key + "=" + text;
      }
    add_prerequisite(needed, first.config, first);
    first.id = content_hash(to_json(first.config));
    config.inputs[needed.name] = first.id;
    cell.needs.push_back(first.id);
    if (ids_.insert(first.id).second) plan_.cells.push_back(std::move(first));
  }

  // --- the record ---

  static Json to_json_map(const std::vector<Assignment>& assignments) {
    Json out = Json::object();
    for (const auto& a : assignments) {
      Json values = Json::array();
      for (const auto& value : a.values) values.push_back(to_json(value));
      out[a.key] = values.size() == 1 ? values[0] : values;
    }
    return out;
  }

  void finish() {
    for (auto& cell : cells_) plan_.cells.push_back(std::move(cell));
    for (auto& cell : plan_.cells)
      cell.resources = resources_of(layer_.resources, cell.config, cell.is_prerequisite);
    auto& record = plan_.experiment;
    record.name = experiment_.name;
    record.scale = options_.scale;
    Json arms = Json::object(), exclude = Json::array();
    for (const auto& arm : layer_.arms) {
      if (arm.name.empty()) continue;
      record.arms.push_back(arm.name);
      arms[arm.name] = to_json_map(arm.settings);
    }
    for (const auto& exclusion : exclusions_) exclude.push_back(exclusion.text());
    record.spec = {{"name", experiment_.name},
                   {"title", experiment_.title},
                   {"paper", experiment_.paper},
                   {"suite", experiment_.suite},
                   {"scale", options_.scale},
                   {"defaults", to_json_map(layer_.defaults)},
                   {"arms", arms},
                   {"grid", to_json_map(layer_.grid)},
                   {"exclude", exclude},
                   {"overrides", options_.overrides}};
  }

  const Experiment& experiment_;
  const Catalog& catalog_;
  const PlanOptions& options_;
  const SuiteInfo& suite_;
  Layer layer_;
  std::vector<Override> overrides_;
  std::vector<Assignment> selections_;
  std::vector<Expression> exclusions_;
  Plan plan_;  // collects prerequisites while cells_ collects the rest
  std::vector<PlannedCell> cells_;
  std::set<std::string> ids_;
};

}  // namespace

Plan make_plan(const std::filesystem::path& file, const Catalog& catalog, const PlanOptions& options) {
  const Experiment experiment = parse_experiment(read_file(file), file.string());
  return Planner(experiment, catalog, options).plan();
}

}  // namespace pionbench
