#pragma once
/// An experiment file as written: settings with the places they came from, nothing expanded yet.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/yaml.h"
#include "core/catalog.h"
#include "harness/spec/command_suite.h"
#include "harness/spec/resources.h"
#include "harness/spec/value_grammar.h"

namespace pionbench {

/// `key: values` and where it was written ("fig2b.yaml:9", or "override \"lr=1e-4\"").
struct Assignment {
  std::string key;
  std::vector<Value> values;  ///< at least one, and more than one sweeps; none where there is a range
  std::string where;
  std::optional<Range> range = {};  ///< every number in between: a search draws from it
};

struct Arm {
  std::string name;
  std::string where;
  std::vector<Assignment> settings;
};

struct Exclusion {
  std::string text;
  std::string where;
};

/// What both an experiment and each of its scales can say.
struct Layer {
  std::vector<Assignment> defaults;
  std::vector<Arm> arms;
  std::vector<Assignment> grid;
  std::vector<Exclusion> exclude;
  std::vector<Assignment> sweep;  ///< search.*, halving.*, until, max_seeds (harness/spec/sweep_options.h)
  ResourceRequest resources;
};

struct Experiment {
  std::string file;
  std::string name;
  std::string title;
  Json paper = Json::object();  ///< {"figure": text, "table": text, "claims": [text]}, each optional
  std::string suite;
  std::string suite_where;
  std::optional<CommandSuite> command;  ///< of `suite: command`
  Layer base;
  std::vector<std::pair<std::string, Layer>> scales;  ///< file order
};

/// Checks the structure (unknown keys, duplicate keys, wrong shapes), not yet settings against a catalog.
Experiment parse_experiment(const std::string& text, const std::string& file);

/// `over` laid on `base`: its settings, axes and arms' settings replace those of the same name in their place, new ones
/// follow, and its exclusions are added.
Layer overlaid(Layer base, const Layer& over);

/// Whether a key belongs to Layer::sweep.
bool is_sweep_key(std::string_view key);

/// Replaces the assignment of the same key in its place, or appends.
void assign(std::vector<Assignment>& assignments, const Assignment& assignment);

}  // namespace pionbench
