#include "harness/spec/plan.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "core/files.h"
#include "harness/spec/experiment.h"
#include "harness/spec/expression.h"
#include "harness/spec/identity.h"
#include "harness/spec/search_space.h"
#include "harness/spec/value_grammar.h"

namespace pionbench {
namespace {

constexpr std::string_view kOptimizerKey = "optimizer";
constexpr std::string_view kSuiteKey = "suite";
constexpr std::size_t kMostCells = 1000000;
const SettingTable kNoSettings;

/// One key of one arm on its way into cells; `in_point` once it is a coordinate rather than a constant.
struct Axis {
  Dimension from;  ///< key, and the values (crossed) or what is drawn from
  std::string where;
  bool in_point = false;
  bool drawn = false;
  const std::string& key() const { return from.key; }
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
  auto [values, range] = parse_domain(std::string_view(text).substr(sign + 1), where);
  out.assignment.values = std::move(values);
  out.assignment.range = range;
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
      : experiment_(experiment),
        catalog_(catalog),
        options_(options),
        suite_(&find_suite()),
        chooses_suite_(!experiment.command && !knows(suite_->table, std::string(kSuiteKey))) {}

  Plan plan() {
    layer_ = overlaid(experiment_.base, scale_layer());
    if (layer_.arms.empty()) layer_.arms.push_back({"", experiment_.file, {}});
    take_overrides();
    plan_.sweep = read_sweep_options(layer_.sweep);
    for (const auto& [scale, layer] : experiment_.scales) check(overlaid(experiment_.base, layer));
    // Also alone: a value that a scale replaces must be right all the same.
    check(experiment_.base);
    for (const auto& o : overrides_) check_override(o);
    read_space();
    read_exclusions();
    for (const auto& selection : selections_) select_arms(selection, layer_.arms);
    for (const auto& arm : layer_.arms) expand(arm);
    if (cells_.empty())
      throw UserError(experiment_.file + ": no cells left: the conditions under exclude remove every one");
    require_something_drawn();
    finish();
    return std::move(plan_);
  }

 private:
  using Point = std::map<std::string, Value>;

  const SuiteInfo& find_suite() const {
    if (experiment_.command) return experiment_.command->info;
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
      else if (parsed.arm.empty() && is_sweep_key(parsed.assignment.key))
        assign(layer_.sweep, parsed.assignment);
      else
        overrides_.push_back(parsed);
    }
  }

  // --- checking ---

  /// Is this the key that names suites? (A suite may have a setting of that name; then it is that setting.)
  bool names_suites(const Assignment& a) const { return chooses_suite_ && a.key == kSuiteKey; }

  /// All suites an arm may run on: the file's, and those that a scale, the grid, the arm or an override names instead.
  std::vector<const SuiteInfo*> suites_of(const Layer& layer, const Arm& arm) const {
    std::vector<const SuiteInfo*> out = {suite_};
    const auto add = [&](const Assignment& a) {
      if (!names_suites(a)) return;
      if (a.range) throw UserError(a.where + ": suite: a list of names, not a range");
      for (const auto& value : a.values) try {
          const auto* suite = &catalog_.suite(to_text(value));
          if (std::ranges::find(out, suite) == out.end()) out.push_back(suite);
        } catch (const UserError& e) {
          throw UserError(a.where + ": " + e.what());
        }
    };
    for (const auto& a : layer.defaults) add(a);
    for (const auto& a : layer.grid) add(a);
    for (const auto& a : arm.settings) add(a);
    for (const auto& o : overrides_)
      if (o.arm.empty() || o.arm == arm.name) add(o.assignment);
    return out;
  }

  /// All optimizers an arm may use, from every place that can say so.
  std::vector<const OptimizerInfo*> optimizers_of(const Layer& layer, const Arm& arm) const {
    std::vector<const OptimizerInfo*> out;
    const auto suites = suites_of(layer, arm);
    const bool takes_one = std::ranges::any_of(suites, &SuiteInfo::takes_optimizer);
    const auto add = [&](const Assignment& a) {
      if (a.key != kOptimizerKey) return;
      if (a.range) throw UserError(a.where + ": optimizer: a list of names, not a range");
      if (knows(suite_->table, a.key)) return;  // a program's own word
      if (!takes_one)
        throw UserError(a.where + ": the suite \"" + suite_->name + "\" takes no optimizer; remove the key");
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
    if (takes_one && out.empty())
      throw UserError(arm.where + ": " +
                      (arm.name.empty() ? "arms are missing and no" : "arm \"" + arm.name + "\": no") +
                      " optimizer is named; the suite \"" + suite_->name + "\" needs one (optimizer: NAME)");
    return out;
  }

  std::vector<const SettingTable*> tables_of(const Layer& layer, const std::vector<Arm>& arms) const {
    std::vector<const SettingTable*> out = {&suite_->table};
    const auto add = [&](const SettingTable& table) {
      if (std::ranges::find(out, &table) == out.end()) out.push_back(&table);
    };
    for (const auto& arm : arms) {
      for (const auto* suite : suites_of(layer, arm)) add(suite->table);
      for (const auto* optimizer : optimizers_of(layer, arm)) add(optimizer->table);
    }
    return out;
  }

  static bool knows(const SettingTable& table, const std::string& key) {
    return table.find(key) || table.find_bundle_set(key);
  }

  std::vector<std::string> known_keys(const std::vector<const SettingTable*>& tables) const {
    std::vector<std::string> out;
    if (suite_->takes_optimizer) out.emplace_back(kOptimizerKey);
    if (chooses_suite_) out.emplace_back(kSuiteKey);
    for (const auto* table : tables)
      for (const auto& name : table->names())
        if (std::ranges::find(out, name) == out.end()) out.push_back(name);
    return out;
  }

  /// The key is known to one of the tables, and every value is allowed by each table that knows it.
  void check_assignment(const Assignment& a, const std::vector<const SettingTable*>& tables) const {
    if (a.key == kOptimizerKey || names_suites(a)) return;  // optimizers_of and suites_of have looked at it
    std::vector<Value> values = a.values;
    if (a.range) values = {a.range->min, a.range->max};
    bool known = false;
    for (const auto* table : tables) {
      if (!knows(*table, a.key)) continue;
      known = true;
      if (a.range && table->find_bundle_set(a.key))
        throw UserError(a.where + ": " + a.key + ": a list of names, not a range");
      for (const auto& value : values) try {
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

  // --- searching ---

  /// What the search draws, whatever the arm: from an AlgoPerf file or from search.space.
  void read_space() {
    if (!plan_.sweep.search) return;
    const auto& search = *plan_.sweep.search;
    const auto tables = tables_of(layer_, layer_.arms);
    if (!search.file.empty()) space_ = read_search_space(search.file, search.where, search.ignore, known_keys(tables));
    for (const auto& a : search.space) space_.dimensions.push_back({a.key, a.range, a.values});
    if (!space_.points.empty() && !space_.dimensions.empty())
      throw UserError(search.where + ": " + search.file + " lists points; search.space has no place beside them");
    for (const auto& point : space_.points)
      for (const auto& [key, value] : point) check_assignment({key, {value}, search.where}, tables);
    for (const auto& d : space_.dimensions) {
      if (d.key.empty()) continue;
      if (d.key == kOptimizerKey || (chooses_suite_ && d.key == kSuiteKey))
        throw UserError(search.where + ": the " + d.key + " is compared, not drawn; list it under grid or arms");
      Assignment a{d.key, d.choices, search.where, d.range};
      if (d.complement && d.range) a.range = Range{1 - d.range->max, 1 - d.range->min};
      if (d.complement && !d.range)
        for (auto& value : a.values) value = 1 - std::get<double>(value);
      check_assignment(a, tables);
    }
  }

  void require_something_drawn() const {
    const auto& search = plan_.sweep.search;
    if (search && !has_drawn_)
      throw UserError(search->where +
                      ": the search has nothing to draw; give it search.space.KEY, or a range without a number of "
                      "points (lr=log:1e-5..1e-2)");
  }

  /// The points that this arm's drawn axes take, each a value for every such axis.
  std::vector<Values> draws_of(const std::vector<Axis>& drawn, const OptimizerInfo* optimizer) const {
    const auto& search = plan_.sweep.search;
    if (!space_.points.empty()) {
      std::vector<Values> out;
      for (const auto& point : space_.points) {
        if (search->budget && out.size() == search->budget) break;
        Values mine;
        for (const auto& axis : drawn)
          if (const auto it = point.find(axis.key()); it != point.end()) mine.insert(*it);
        out.push_back(std::move(mine));
      }
      return out;
    }
    if (!search || search->budget == 0)
      throw UserError(drawn[0].where + ": " + drawn[0].key() +
                      " is drawn by a search; say how many points: search.budget=20 (or give a range a number of "
                      "points, log:1e-5..1e-2:5, for a grid)");
    std::vector<Dimension> dimensions;
    for (const auto& axis : drawn) {
      Dimension d = axis.from;
      for (const auto* table : {&suite_->table, optimizer ? &optimizer->table : &suite_->table})
        if (const auto* setting = table->find(d.key)) d.whole = d.range && setting->kind == Kind::kInt;
      dimensions.push_back(std::move(d));
    }
    if (search->method == SearchMethod::kAlgoperf) dimensions = in_algoperf_order(dimensions, drawn);
    return draw(search->method, search->seed, std::move(dimensions), search->budget);
  }

  /// The dimensions of the file or of search.space, in their order; what this arm does not draw keeps its place.
  std::vector<Dimension> in_algoperf_order(const std::vector<Dimension>& mine, const std::vector<Axis>& drawn) const {
    auto out = space_.dimensions;
    for (auto& d : out) {
      const auto it = std::ranges::find(mine, d.key, &Dimension::key);
      if (it == mine.end())
        d.key.clear();
      else
        d = *it;
    }
    for (const auto& axis : drawn)
      if (std::ranges::find(out, axis.key(), &Dimension::key) == out.end())
        throw UserError(axis.where + ": search.method algoperf draws what its search space lists, and " + axis.key() +
                        " is not in it");
    return out;
  }

  // --- expanding ---

  std::vector<Axis> axes_of(const Arm& arm) const {
    std::vector<Axis> axes;
    const auto put = [&](Axis axis, bool coordinate) {
      auto it = std::ranges::find(axes, axis.key(), &Axis::key);
      axis.in_point = coordinate || axis.drawn || axis.from.choices.size() > 1 || (it != axes.end() && it->in_point);
      if (it != axes.end() && it->in_point == axis.in_point) {
        *it = std::move(axis);
        return;
      }
      if (it != axes.end()) axes.erase(it);  // it becomes a coordinate here, so here is its turn
      axes.push_back(std::move(axis));
    };
    const auto assigned = [&](const Assignment& a, bool coordinate) {
      put({{a.key, a.range, a.values}, a.where, false, a.range.has_value()}, coordinate);
    };
    for (const auto& a : layer_.defaults) assigned(a, false);
    for (const auto& a : arm.settings) assigned(a, false);
    for (const auto& a : layer_.grid) assigned(a, true);
    for (const auto& d : space_.dimensions)
      if (!d.key.empty()) put({d, plan_.sweep.search->where, false, true}, true);
    for (const auto& point : space_.points)
      for (const auto& [key, value] : point) put({{key, {}, {value}}, plan_.sweep.search->where, false, true}, true);
    for (const auto& o : overrides_)
      if (o.arm.empty()) assigned(o.assignment, false);
    for (const auto& o : overrides_)
      if (o.arm == arm.name && !o.arm.empty()) assigned(o.assignment, false);
    for (const auto& a : options_.pins) assigned(a, true);
    std::ranges::stable_partition(axes, [](const Axis& axis) { return axis.key() != "seed"; });
    return axes;
  }

  void expand(const Arm& arm) {
    const auto axes = axes_of(arm);
    const auto it = std::ranges::find(axes, kSuiteKey, &Axis::key);
    if (!chooses_suite_ || it == axes.end()) return expand_here(arm, axes);
    const auto* base = suite_;
    for (const auto& name : it->from.choices) {
      auto mine = axes;
      mine[static_cast<std::size_t>(it - axes.begin())].from.choices = {name};
      suite_ = &catalog_.suite(to_text(name));
      expand_here(arm, mine);
    }
    suite_ = base;
  }

  /// On the suite that `suite_` is now.
  void expand_here(const Arm& arm, const std::vector<Axis>& axes) {
    if (plan_.primary_metric.empty()) {
      plan_.primary_metric = suite_->primary_metric;
      plan_.higher_is_better = suite_->higher_is_better;
    }
    if (!suite_->takes_optimizer) return expand(arm, nullptr, axes);
    const auto it = std::ranges::find(axes, kOptimizerKey, &Axis::key);
    for (const auto& name : it->from.choices) {
      auto mine = axes;
      mine[static_cast<std::size_t>(it - axes.begin())].from.choices = {name};
      expand(arm, &catalog_.optimizer(to_text(name)), mine);
    }
  }

  void expand(const Arm& arm, const OptimizerInfo* optimizer, std::vector<Axis> axes) {
    std::erase_if(axes, [&](const Axis& axis) {
      return axis.key() != kOptimizerKey && !(chooses_suite_ && axis.key() == kSuiteKey) &&
             !knows(suite_->table, axis.key()) && !(optimizer && knows(optimizer->table, axis.key()));
    });
    std::vector<Axis> drawn;
    for (const auto& axis : axes)
      if (axis.drawn) drawn.push_back(axis);
    has_drawn_ = has_drawn_ || !drawn.empty();
    for (const auto& axis : axes)
      if (axis.drawn || axis.key() == kOptimizerKey || (optimizer && knows(optimizer->table, axis.key())) ||
          experiment_.command)  // what a program's parameters are to it, nobody here knows
        plan_.compared.insert(axis.key());
    const std::vector<Values> draws = drawn.empty() ? std::vector<Values>(1) : draws_of(drawn, optimizer);

    // What varies, slowest first: the crossed axes, the points drawn, the seed.
    std::vector<Wheel> wheels;
    for (const auto& axis : axes)
      if (!axis.drawn && axis.key() != "seed") wheels.push_back({&axis, axis.from.choices.size()});
    wheels.push_back({nullptr, draws.size()});
    for (const auto& axis : axes)
      if (!axis.drawn && axis.key() == "seed") wheels.push_back({&axis, axis.from.choices.size()});
    std::size_t count = 1;
    for (const auto& wheel : wheels) {
      count *= wheel.size;
      if (count > kMostCells)
        throw UserError(experiment_.file + ": more than " + std::to_string(kMostCells) + " cells; sweep fewer values");
    }
    Values fixed;
    if (experiment_.command) fixed["command"] = experiment_.command->command;
    PartCache settings(suite_->table, axes, wheels, std::move(fixed));
    PartCache hyper(optimizer ? optimizer->table : kNoSettings, axes, wheels);
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t rest = i, suite_part = 0, optimizer_part = 0;
      Point point;
      for (auto wheel = wheels.rbegin(); wheel != wheels.rend(); ++wheel) {
        const std::size_t at = rest % wheel->size;
        rest /= wheel->size;
        suite_part += at * settings.stride(*wheel);
        optimizer_part += at * hyper.stride(*wheel);
        if (wheel->axis)
          point[wheel->axis->key()] = wheel->axis->from.choices[at];
        else
          for (const auto& [key, value] : draws[at]) point[key] = value;
      }
      add_cell(arm, optimizer, axes, point, settings.at(suite_part, point), hyper.at(optimizer_part, point));
    }
  }

  /// One thing that varies: an axis, or (null) the points of the search.
  struct Wheel {
    const Axis* axis;
    std::size_t size;
  };

  /// A resolved table and its canonical text, shared by all cells that have it.
  struct Part {
    SharedValues values;
    std::string text;
    bool is_checked = false;
    bool has_prerequisite = false;  ///< whether the two below are filled
    std::vector<std::string> needs = {};
    std::map<std::string, std::string> inputs = {};
  };

  /// Resolves a table once for each combination of the values it can see.
  class PartCache {
   public:
    /// `fixed`: what every part holds besides the table's settings.
    PartCache(const SettingTable& table, const std::vector<Axis>& axes, const std::vector<Wheel>& wheels,
              Values fixed = {})
        : table_(table), fixed_(std::move(fixed)) {
      for (const auto& axis : axes) {
        const bool varies = axis.drawn || axis.from.choices.size() > 1;
        if (varies && table.find(axis.key())) varying_.insert(axis.key());
      }
      for (auto wheel = wheels.rbegin(); wheel != wheels.rend(); ++wheel) {
        const bool seen =
            wheel->axis
                ? knows(table, wheel->axis->key())
                : std::ranges::any_of(axes, [&](const Axis& axis) { return axis.drawn && knows(table, axis.key()); });
        strides_[wheel->axis] = seen ? size_ : 0;
        if (seen) size_ *= wheel->size;
      }
    }

    /// How far one step of the wheel moves the number of a part; 0 where the table does not see it.
    std::size_t stride(const Wheel& wheel) const { return strides_.at(wheel.axis); }

    Part& at(std::size_t number, const Point& point) {
      if (const auto it = parts_.find(number); it != parts_.end()) return it->second;
      // What never changes within the arm, and each bundle, is resolved once; the rest is laid over it.
      std::string bundles;
      Values constant;
      for (const auto& [key, value] : point) {
        if (!knows(table_, key) || varying_.contains(key)) continue;
        constant[key] = value;
        if (table_.find_bundle_set(key)) bundles += key + "=" + to_text(value) + "\n";
      }
      auto base = bases_.find(bundles);
      if (base == bases_.end()) base = bases_.emplace(bundles, table_.resolve(constant)).first;
      Values values = base->second;
      for (const auto& key : varying_)
        if (const auto it = point.find(key); it != point.end()) values[key] = checked(*table_.find(key), it->second);
      values.insert(fixed_.begin(), fixed_.end());
      std::string text = canonical_text(values);
      return parts_.emplace(number, Part{std::move(values), std::move(text)}).first->second;
    }

   private:
    const SettingTable& table_;
    const Values fixed_;
    std::set<std::string> varying_;
    std::map<const Axis*, std::size_t> strides_;
    std::size_t size_ = 1;
    std::map<std::string, Values> bases_;
    std::unordered_map<std::size_t, Part> parts_;
  };

  void add_cell(const Arm& arm, const OptimizerInfo* optimizer, const std::vector<Axis>& axes, const Point& point,
                Part& settings, const Part& hyper) {
    PlannedCell cell;
    CellConfig& config = cell.config;
    config.suite = suite_->name;
    config.suite_version = suite_->version;
    config.settings = settings.values;
    if (optimizer) {
      config.optimizer = optimizer->name;
      config.optimizer_version = optimizer->version;
      config.hyper = hyper.values;
    }
    if (is_excluded(arm, config, point)) return;
    // Only now: an exclusion may be there for what does not go together.
    if (!settings.is_checked) try {
        suite_->table.check_relations(config.settings);
        settings.is_checked = true;
      } catch (const UserError& e) {
        throw UserError(experiment_.file + (arm.name.empty() ? "" : ", arm " + arm.name) + ": " + e.what());
      }
    cell.arm = arm.name;
    cell.label = arm.name.empty() ? experiment_.name : arm.name;
    for (const auto& axis : axes)
      if (const auto at = point.find(axis.key()); axis.in_point && at != point.end()) {
        const std::string text = coordinate(config, axis.key(), at->second);
        cell.point[axis.key()] = text;
        cell.label += " " + axis.key() + "=" + text;
      }
    // A prerequisite that is trained is one for each optimizer; any other is one for each set of settings.
    if (!settings.has_prerequisite || has_trained_prerequisite(*suite_)) {
      PlannedCell first;  // collects what add_prerequisite says
      first.point = cell.point;
      CellConfig with_inputs = config;
      with_inputs.inputs.clear();
      add_prerequisite(*suite_, with_inputs, first);
      settings.needs = first.needs;
      settings.inputs = with_inputs.inputs;
      settings.has_prerequisite = true;
    }
    cell.needs = settings.needs;
    config.inputs = settings.inputs;
    cell.id = cell_identity(config, settings.text, hyper.text);
    plan_.experiment.cells.push_back({cell.id, cell.arm, cell.point});
    if (ids_.insert(cell.id).second) cells_.push_back(std::move(cell));
  }

  static Values restricted(const Values& values, const SettingTable& table) {
    Values out;
    for (const auto& [key, value] : values)
      if (knows(table, key)) out[key] = value;
    return out;
  }

  /// As the cell holds it, so that 1 and 1.0 of a real setting are one coordinate.
  static std::string coordinate(const CellConfig& config, const std::string& key, const Value& written) {
    for (const Values* values : {&config.settings.get(), &config.hyper.get()})
      if (const auto it = values->find(key); it != values->end()) return to_text(it->second);
    return to_text(written);
  }

  bool is_excluded(const Arm& arm, const CellConfig& config, const Point& point) const {
    if (exclusions_.empty()) return false;
    const auto lookup = [&](const std::string& key) -> std::optional<Value> {
      if (key == "arm") return arm.name;
      if (key == kOptimizerKey && suite_->takes_optimizer) return config.optimizer;
      if (key == kSuiteKey && chooses_suite_) return config.suite;
      for (const Values* values : {&config.settings.get(), &config.hyper.get(), &point})
        if (const auto it = values->find(key); it != values->end()) return it->second;
      return std::nullopt;
    };
    return std::ranges::any_of(exclusions_, [&](const Expression& e) { return e.matches(lookup); });
  }

  bool has_trained_prerequisite(const SuiteInfo& suite) const {
    if (suite.prerequisite.empty()) return false;
    const SuiteInfo& needed = catalog_.suite(suite.prerequisite);
    return needed.takes_optimizer || has_trained_prerequisite(needed);
  }

  /// Plans the run that `suite` reads from, and enters it in `config.inputs` and `cell.needs`. One that is trained has
  /// the optimizer of the cell that reads it.
  void add_prerequisite(const SuiteInfo& suite, CellConfig& config, PlannedCell& cell) {
    if (suite.prerequisite.empty()) return;
    const SuiteInfo& needed = catalog_.suite(suite.prerequisite);
    PlannedCell first;
    first.is_prerequisite = true;
    first.config.suite = needed.name;
    first.config.suite_version = needed.version;
    first.config.settings = needed.table.resolve(restricted(config.settings, needed.table));
    first.label = needed.name;
    if (needed.takes_optimizer) {
      first.config.optimizer = config.optimizer;
      first.config.optimizer_version = config.optimizer_version;
      first.config.hyper = config.hyper;
      first.label += " " + config.optimizer;
    }
    for (const auto& [key, text] : cell.point)
      if (needed.table.find(key)) {
        first.point[key] = text;
        first.label += " " + key + "=" + text;
      }
    add_prerequisite(needed, first.config, first);
    first.id = cell_identity(first.config, canonical_text(first.config.settings), canonical_text(first.config.hyper));
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
      if (a.range) values.push_back(to_text(*a.range));
      out[a.key] = values.size() == 1 ? values[0] : values;
    }
    return out;
  }

  void finish() {
    for (auto& cell : cells_) plan_.cells.push_back(std::move(cell));
    if (experiment_.command)
      for (auto& cell : plan_.cells) cell.working_dir = experiment_.command->working_dir;
    for (auto& cell : plan_.cells) cell.resources = resources_of(layer_.resources, cell.config, cell.is_prerequisite);
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
    std::set<std::string> suites;
    for (const auto& cell : plan_.cells)
      if (!cell.is_prerequisite) suites.insert(cell.config.suite);
    record.spec = {{"name", experiment_.name},
                   {"title", experiment_.title},
                   {"paper", experiment_.paper},
                   {"suite", suites.size() == 1 && !experiment_.command ? *suites.begin() : experiment_.suite},
                   {"scale", options_.scale},
                   {"defaults", to_json_map(layer_.defaults)},
                   {"arms", arms},
                   {"grid", to_json_map(layer_.grid)},
                   {"resources", to_json(layer_.resources)},
                   {"exclude", exclude},
                   {"sweep", to_json_map(layer_.sweep)},
                   {"overrides", options_.overrides}};
  }

  const Experiment& experiment_;
  const Catalog& catalog_;
  const PlanOptions& options_;
  const SuiteInfo* suite_;  ///< the file's, or the one that is being expanded
  bool chooses_suite_;
  Layer layer_;
  std::vector<Override> overrides_;
  std::vector<Assignment> selections_;
  std::vector<Expression> exclusions_;
  SearchSpace space_;
  bool has_drawn_ = false;
  Plan plan_;  // collects prerequisites while cells_ collects the rest
  std::vector<PlannedCell> cells_;
  std::unordered_set<std::string> ids_;
};

}  // namespace

Plan restricted_plan(const Plan& plan, const std::function<bool(const ExperimentRecord::Cell&)>& keep) {
  Plan out{.experiment = plan.experiment,
           .primary_metric = plan.primary_metric,
           .higher_is_better = plan.higher_is_better,
           .sweep = plan.sweep,
           .compared = plan.compared};
  std::erase_if(out.experiment.cells, [&](const ExperimentRecord::Cell& cell) { return !keep(cell); });
  std::unordered_set<std::string> wanted;
  for (const auto& cell : out.experiment.cells) wanted.insert(cell.cell);
  // Prerequisites stand before what needs them: seen from the end, every need is known in time.
  for (auto cell = plan.cells.rbegin(); cell != plan.cells.rend(); ++cell)
    if (wanted.contains(cell->id)) wanted.insert(cell->needs.begin(), cell->needs.end());
  for (const auto& cell : plan.cells)
    if (wanted.contains(cell.id)) out.cells.push_back(cell);
  return out;
}

Plan make_plan(const std::filesystem::path& file, const Catalog& catalog, const PlanOptions& options) {
  const bool is_text = file.native().starts_with('{');
  const Experiment experiment =
      is_text ? parse_experiment(file.native(), "command line") : parse_experiment(read_file(file), file.string());
  return Planner(experiment, catalog, options).plan();
}

}  // namespace pionbench
