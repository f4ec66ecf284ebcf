#pragma once
/// Settings declared once. An optimizer's hyperparameters and a suite's settings are rows of a `SettingTable`:
/// name, kind, default, range, help. Command-line help, range checks, the stored configuration and the
/// generated documentation all read this table. Standard library only, so that `optim` needs nothing else.

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pionbench {

using Value = std::variant<bool, std::int64_t, double, std::string>;
using Values = std::map<std::string, Value>;

enum class Kind { kBool, kInt, kReal, kChoice, kText };

struct Setting {
  std::string name;
  Kind kind;
  Value default_value;
  std::string help;
  double min = -std::numeric_limits<double>::infinity();  ///< inclusive; numbers only
  double max = std::numeric_limits<double>::infinity();   ///< inclusive; numbers only
  std::vector<std::string> choices = {};                  ///< kChoice only
};

Setting bool_setting(std::string name, bool value, std::string help);
Setting int_setting(std::string name, std::int64_t value, std::int64_t min, std::int64_t max, std::string help);
Setting real_setting(std::string name, double value, double min, double max, std::string help);
Setting choice_setting(std::string name, std::string value, std::vector<std::string> choices, std::string help);
Setting text_setting(std::string name, std::string value, std::string help);

/// A named set of values for other settings of the same table: `preset: pion-rl`, `model: small`.
/// What a user writes explicitly wins over the bundle; the bundle wins over the defaults.
struct Bundle {
  std::string name;
  std::string help;
  Values values;
};

/// The bundles behind one key. The key itself never enters a stored configuration, only what it expands to,
/// so `preset: pion-rl` and the same values written out are the same cell.
struct BundleSet {
  std::string key;
  std::string default_bundle;  ///< "" = none
  std::string help;
  std::vector<Bundle> bundles;
};

/// What two whole-number settings must be to each other.
struct Relation {
  enum class Kind { kDivides, kAtMost };

  std::string first;
  Kind kind;
  std::string second;
};
/// first divides second; 0 of the first, which is how settings are turned off, always does.
Relation divides(std::string first, std::string second);
/// first ≤ second.
Relation at_most(std::string first, std::string second);

struct SettingTable {
  std::vector<Setting> settings;
  std::vector<BundleSet> bundle_sets = {};
  std::vector<Relation> relations = {};

  const Setting* find(std::string_view name) const;
  const BundleSet* find_bundle_set(std::string_view key) const;
  std::vector<std::string> names() const;  ///< settings and bundle keys, in declaration order

  /// Every setting with a value: defaults, then bundles, then `explicit_values`.
  /// Throws UserError (what came, what is allowed, nearest name) on unknown names, wrong kinds and ranges.
  Values resolve(const Values& explicit_values) const;
  /// UserError when resolved values break a relation: which two, what came, what is allowed. Apart from resolve(),
  /// which also serves to try one value alone.
  void check_relations(const Values& resolved) const;
};

/// `value` converted to the setting's kind (an integer is a valid real; nothing else converts) and checked.
Value checked(const Setting& setting, const Value& value);

/// "0.95", "true", "pion-rl": as it would be written in an experiment file; reals keep 17 digits at need.
std::string to_text(const Value& value);

/// "real in [0, 1]", "one of sum, ema": for messages and help.
std::string allowed_text(const Setting& setting);

/// Typed access to resolved values; the name must exist with that kind (else std::logic_error: our bug).
bool get_bool(const Values& values, std::string_view name);
std::int64_t get_int(const Values& values, std::string_view name);
double get_real(const Values& values, std::string_view name);
const std::string& get_text(const Values& values, std::string_view name);

}  // namespace pionbench
