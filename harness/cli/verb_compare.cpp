#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>

#include "core/error.h"
#include "harness/cli/current_store.h"
#include "harness/cli/verbs.h"
#include "harness/spec/expression.h"
#include "harness/spec/value_grammar.h"
#include "results/compare/compare.h"

namespace pionbench {
namespace {

struct Options {
  std::string a, b;
  std::string experiment, scale;
  std::filesystem::path against;
  bool is_forced = false;
  std::vector<std::string> metrics, better, margins;
  compare::Options rules;
};

bool is_expression(const std::string& text) {
  return text.find_first_of("=<>&|!()") != std::string::npos;
}

std::optional<Value> value_of(const Json& object, const std::string& key) {
  if (!object.is_object() || !object.contains(key)) return std::nullopt;
  return value_from_json(object[key], key);
}

/// What a condition may ask of a cell: its place in the experiment, then its configuration.
std::optional<Value> lookup(const Evidence& evidence, const CellEvidence& cell, const std::string& key) {
  if (key == "arm") return cell.cell.arm;
  if (key == "experiment") return evidence.experiment.name;
  if (key == "scale") return evidence.experiment.scale;
  if (key == "run") return cell.run ? cell.run->run : std::string();
  if (const auto it = cell.cell.point.find(key); it != cell.cell.point.end()) return parse_scalar(it->second);
  const Json config = evidence.store->config_of_cell(cell.cell.cell);
  if (!config.is_object()) return std::nullopt;
  if (key == "optimizer" || key == "suite") return config.value(key, std::string());
  if (const auto found = value_of(config.value("settings", Json()), key)) return found;
  return value_of(config.value("hyper", Json()), key);
}

std::vector<std::string> known_keys(const std::vector<Evidence>& all) {
  std::set<std::string> keys = {"arm", "experiment", "scale", "run", "optimizer", "suite"};
  for (const auto& evidence : all)
    for (const auto& cell : evidence.cells) {
      for (const auto& [key, value] : cell.cell.point) keys.insert(key);
      const Json config = evidence.store->config_of_cell(cell.cell.cell);
      for (const char* part : {"settings", "hyper"})
        if (config.is_object() && config.contains(part))
          for (const auto& [key, value] : config[part].items()) keys.insert(key);
    }
  return {keys.begin(), keys.end()};
}

/// An arm's name, a run's name, or a condition.
compare::Picks picks_of(const std::string& text, const std::vector<Evidence>& all) {
  std::vector<std::string> known;
  bool is_arm = false, is_run = false;
  for (const auto& evidence : all)
    for (const auto& cell : evidence.cells) {
      is_arm = is_arm || cell.cell.arm == text;
      is_run = is_run || (cell.run && cell.run->run == text);
      // What others start from has no arm.
      if (!cell.cell.arm.empty() && std::find(known.begin(), known.end(), cell.cell.arm) == known.end())
        known.push_back(cell.cell.arm);
    }
  // Arms may carry signs in their names; a name that is there wins over a condition.
  if (is_arm) return [text](const Evidence&, const CellEvidence& cell) { return cell.cell.arm == text; };
  if (is_run) return [text](const Evidence&, const CellEvidence& cell) { return cell.run && cell.run->run == text; };
  if (!is_expression(text))
    throw UserError(unknown_name("arm or run", text, known) + "; or write a condition: arm=Pion & lr=1e-3", kUsage);
  const auto expression = std::make_shared<Expression>(text, "compare");
  expression->require_known(known_keys(all));
  return [expression](const Evidence& evidence, const CellEvidence& cell) {
    return expression->matches([&](const std::string& key) { return lookup(evidence, cell, key); });
  };
}

bool is_wanted(const Evidence& evidence, const Options& options) {
  return (options.experiment.empty() || evidence.experiment.name == options.experiment) &&
         (options.scale.empty() || evidence.experiment.scale == options.scale);
}

std::string name_of(const Evidence& evidence) {
  return evidence.experiment.name + " (" + evidence.experiment.scale + ")";
}

struct Sides {
  compare::Side a, b;
};

Sides choose(const std::vector<Evidence>& of_a, const std::vector<Evidence>& of_b, const Options& options) {
  const auto picks_a = picks_of(options.a, of_a), picks_b = picks_of(options.b, of_b);
  const bool same_text = options.a == options.b;
  std::vector<Sides> found;
  for (const auto& evidence_a : of_a)
    for (const auto& evidence_b : of_b) {
      if (evidence_a.experiment.name != evidence_b.experiment.name ||
          evidence_a.experiment.scale != evidence_b.experiment.scale || !is_wanted(evidence_a, options))
        continue;
      Sides sides{compare::pick(evidence_a, options.a + (same_text ? " (before)" : ""), picks_a),
                  compare::pick(evidence_b, options.b, picks_b)};
      if (!sides.a.cells.empty() && !sides.b.cells.empty()) found.push_back(std::move(sides));
    }
  if (found.empty())
    throw UserError("no experiment has finished runs of both " + options.a + " and " + options.b +
                    (options.experiment.empty() ? "" : " in " + options.experiment) + "; see: pionbench status");
  if (found.size() > 1) {
    std::vector<std::string> names;
    for (const auto& sides : found) names.push_back(name_of(*sides.a.evidence));
    throw UserError("several experiments have both: " + join(names, ", ") + "; choose with --experiment and --scale",
                    kUsage);
  }
  return found.front();
}

int run_compare(const Context& context, Options& options) {
  for (const auto& list : {options.better, options.margins})
    for (const auto& text : list) options.rules.kinds.push_back(parse_kind_override(text));
  options.rules.metrics = options.metrics;
  if (options.b.empty()) {
    if (options.against.empty()) throw UserError("compare needs A and B, or A and --against FOLDER", kUsage);
    options.b = options.a;
  }
  const Store store = open_current_store(context.out);
  const auto own = gather(store);
  std::optional<Store> other_store;
  std::vector<Evidence> other;
  if (!options.against.empty()) {
    other_store.emplace(open_current_store(options.against));
    other = gather(*other_store);
  }
  const auto sides = choose(options.against.empty() ? own : other, own, options);
  const auto against = compare::objections(sides.a, sides.b).all();
  if (!against.empty() && !options.is_forced)
    throw UserError("not comparable:\n  " + join(against, "\n  ") + "\n  --force compares all the same and says so");
  const auto comparison = compare::run(sides.a, sides.b, options.rules);
  if (context.json) {
    Json document = compare::to_json(comparison);
    document["a"] = sides.a.label;
    document["b"] = sides.b.label;
    document["experiment"] = sides.a.evidence->experiment.name;
    document["scale"] = sides.a.evidence->experiment.scale;
    document["forced"] = against;
    print_json(std::move(document));
    return kDone;
  }
  std::printf("%s: %s", name_of(*sides.a.evidence).c_str(), compare::to_plain(comparison, sides.a, sides.b).c_str());
  for (const auto& objection : against) std::printf("FORCED although not comparable: %s\n", objection.c_str());
  return kDone;
}

}  // namespace

const Verb kCompareVerb = {
    "compare", "Two arms, runs or stores, metric by metric, in one word each",
    "pionbench compare AdamW 'Pion per-head'\n"
    "pionbench compare 'arm=AdamW & auxiliary=trained' 'arm=Pion & auxiliary=trained' --metric 'evaluation/test/*'\n"
    "pionbench compare Pion --against before/out",
    [](CLI::App& app, const Context& context) {
      auto options = std::make_shared<Options>();
      app.add_option("A", options->a, "an arm, a run, or a condition on cells: 'arm=Pion & lr=1e-3'")->required();
      app.add_option("B", options->b, "what is judged against A");
      app.add_option("--against", options->against, "the output folder that A is taken from");
      app.add_option("--experiment", options->experiment, "where several have both");
      app.add_option("--scale", options->scale, "quick, desk or paper, where there are several");
      app.add_option("--metric", options->metrics, "PATTERN of metrics; otherwise all that both sides have");
      app.add_option("--margin", options->margins, "PATTERN=0.05 or PATTERN=0.01abs: what counts as the same");
      app.add_option("--better", options->better, "PATTERN=lower|higher|neither: which way is better");
      app.add_option("--alpha", options->rules.alpha, "level of the tests")
          ->check(CLI::Range(1e-6, 0.5))
          ->capture_default_str();
      app.add_flag("--force", options->is_forced, "compare unlike hardware or unequal tuning all the same, and say so");
      return Runner([&context, options] { return run_compare(context, *options); });
    }};

}  // namespace pionbench
