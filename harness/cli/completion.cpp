#include "harness/cli/completion.h"

#include <algorithm>
#include <set>

#include "core/files.h"
#include "harness/cli/planning.h"
#include "harness/spec/experiment.h"
#include "results/claims/claim.h"
#include "results/registry.h"

namespace pionbench {
namespace {

using Words = std::vector<std::string>;

const Words kScales = {"quick", "desk", "paper"};
// The grammar of docs/sweeps.md, without the keys that depend on the experiment.
const Words kSweepKeys = {
    "search.method=", "search.budget=", "search.seed=",   "search.space=", "search.ignore=", "halving.resource=",
    "halving.from=",  "halving.eta=",   "halving.among=", "until=",        "max_seeds="};

/// All that can be said without an error; whatever fails adds nothing.
template <typename Add>
void attempt(const Add& add) {
  try {
    add();
  } catch (const std::exception&) {
  }
}

Words experiment_names(const Context& context) {
  Words out;
  for (const auto& file : list_specs(context.spec_folders)) out.push_back(file.stem());
  return out;
}

Words figure_names(const Context& context) {
  Words out;
  for (const auto& figure : figures()) out.emplace_back(figure.name);
  for (const auto& table : tables()) out.emplace_back(table.name);
  const auto experiments = experiment_names(context);
  out.insert(out.end(), experiments.begin(), experiments.end());
  return out;
}

Words names_of_kind(const std::string& kind, const Context& context) {
  if (kind == "experiments") return experiment_names(context);
  if (kind == "figures") return figure_names(context);
  Words out;
  if (kind == "claims")
    for (const auto& entry : claims::entries()) out.emplace_back(entry.id);
  const Catalog catalog = context.catalog();
  if (kind == "optimizers")
    for (const auto& optimizer : catalog.optimizers) out.push_back(optimizer.name);
  if (kind == "suites")
    for (const auto& suite : catalog.suites) out.push_back(suite.name);
  return out;
}

/// Runs, and with `cells` the identities of their cells as far as people type them.
Words run_names(const Context& context, bool cells) {
  Words out;
  const auto store = open_store_if_any(context.out);
  if (!store) return out;
  std::set<std::string> seen;
  for (const auto& run : store->runs()) {
    out.push_back(run.run);
    if (cells && seen.insert(run.cell).second) out.push_back(run.cell.substr(0, 12));
  }
  return out;
}

/// What the experiments named so far can be overridden with.
class Overrides {
 public:
  Overrides(const Words& words, const Context& context) : catalog_(context.catalog()) {
    for (const auto& word : words)
      attempt([&] {
        const auto file = find_spec(word, context.spec_folders);
        experiments_.push_back(parse_experiment(read_file(file), file.string()));
      });
    for (const auto& experiment : experiments_) {
      if (experiment.command)
        tables_.push_back(&experiment.command->info.table);
      else
        attempt([&] { tables_.push_back(&catalog_.suite(experiment.suite).table); });
      for (const auto& arm : experiment.base.arms) {
        arms_.push_back(arm.name);
        for (const auto& a : arm.settings)
          if (a.key == "optimizer" && !a.values.empty())
            attempt([&] { tables_.push_back(&catalog_.optimizer(to_text(a.values[0])).table); });
      }
    }
  }

  Words keys() const {
    if (experiments_.empty()) return {};
    Words out = {"arm=", "optimizer="};
    std::set<std::string> seen(out.begin(), out.end());
    for (const auto* table : tables_)
      for (const auto& name : table->names())
        if (seen.insert(name + "=").second) out.push_back(name + "=");
    out.insert(out.end(), kSweepKeys.begin(), kSweepKeys.end());
    return out;
  }

  Words values(const std::string& key) const {
    if (key == "arm") return arms_;
    Words out;
    if (key == "optimizer")
      for (const auto& optimizer : catalog_.optimizers) out.push_back(optimizer.name);
    if (key == "search.method") out = {"halton", "random", "algoperf"};
    if (key == "halving.among") out = {"points", "arms"};
    if (key == "halving.resource") out = {"steps", "seed"};
    std::set<std::string> seen;
    for (const auto* table : tables_) {
      if (const auto* set = table->find_bundle_set(key))
        for (const auto& bundle : set->bundles)
          if (seen.insert(bundle.name).second) out.push_back(bundle.name);
      const auto* setting = table->find(key);
      if (!setting) continue;
      Words choices = setting->choices;
      if (setting->kind == Kind::kBool) choices = {"true", "false"};
      for (const auto& choice : choices)
        if (seen.insert(choice).second) out.push_back(choice);
    }
    return out;
  }

 private:
  Catalog catalog_;
  std::vector<Experiment> experiments_;
  std::vector<const SettingTable*> tables_;
  Words arms_;
};

/// Experiments and overrides; behind `key=a,` the values of the key, once more.
Words spec_words(const Words& before, const std::string& current, const Context& context) {
  const std::size_t sign = current.find('=');
  if (sign == std::string::npos) {
    Words out = experiment_names(context);
    attempt([&] {
      const auto keys = Overrides(before, context).keys();
      out.insert(out.end(), keys.begin(), keys.end());
    });
    return out;
  }
  Words out;
  const std::string stem =
      current.substr(0, std::max(sign, current.rfind(',') == current.npos ? 0 : current.rfind(',')) + 1);
  attempt([&] {
    for (const auto& value : Overrides(before, context).values(current.substr(0, sign))) out.push_back(stem + value);
  });
  return out;
}

/// The parser's options of one verb.
class VerbOptions {
 public:
  VerbOptions(const Verb& verb, const Context& context) : app_(verb.summary, verb.name), context_(context) {
    verb.attach(app_, context_);
    for (const char* common : {"--out", "--json", "--quiet", "--dry-run", "--help"}) names_.insert(common);
    takes_value_.insert("--out");
    for (const CLI::Option* option : app_.get_options()) {
      if (!option->get_positional() || !option->get_lnames().empty() || !option->get_snames().empty()) {
        for (const auto& name : option->get_lnames()) add("--" + name, *option);
        for (const auto& name : option->get_snames()) add("-" + name, *option);
      } else {
        positionals_.push_back(option->get_single_name());
      }
    }
  }

  Words names() const { return {names_.begin(), names_.end()}; }
  bool takes_value(const std::string& name) const { return takes_value_.contains(name); }
  /// The name of the positional that word number `at` fills; the last one takes all that follow.
  std::string positional(std::size_t at) const {
    return positionals_.empty() ? "" : positionals_[std::min(at, positionals_.size() - 1)];
  }

 private:
  void add(const std::string& name, const CLI::Option& option) {
    names_.insert(name);
    if (option.get_expected_max() > 0 && option.get_items_expected_max() > 0) takes_value_.insert(name);
  }

  CLI::App app_;
  Context context_;
  std::set<std::string> names_, takes_value_;
  Words positionals_;
};

Words all_candidates(const Words& words, const Context& context) {
  if (words.size() < 2) {
    Words out;
    for (const auto& verb : verbs()) out.emplace_back(verb.name);
    return out;
  }
  const auto verb = std::ranges::find(verbs(), words[0], &Verb::name);
  if (verb == verbs().end()) return {};
  const VerbOptions options(*verb, context);
  const std::string &current = words.back(), &before = words[words.size() - 2];
  if (before == "--scale") return kScales;
  if (before == "--only") return figure_names(context);
  if (before == "--backend") return {"local", "slurm"};
  if (words.size() > 2 && options.takes_value(before)) return {};
  if (current.starts_with('-')) return options.names();

  Words positionals;  // typed already
  for (std::size_t i = 1; i + 1 < words.size(); ++i) {
    if (options.takes_value(words[i]))
      ++i;
    else if (!words[i].starts_with('-'))
      positionals.push_back(words[i]);
  }
  const std::string name = options.positional(positionals.size());
  if (name == "SPEC") return spec_words(positionals, current, context);
  if (name == "RUN" || name == "CELL") return run_names(context, name == "CELL");
  if (name == "KIND") return list_kinds();
  if (name == "NAME" && !positionals.empty()) return names_of_kind(positionals[0], context);
  if (name == "ACTION") return store_actions();
  if (name == "SHELL") return {"bash", "zsh", "fish"};
  return {};
}

}  // namespace

std::vector<std::string> completions(const std::vector<std::string>& words, const Context& context) {
  Words out;
  attempt([&] {
    for (auto& word : all_candidates(words, context))
      if (words.empty() || word.starts_with(words.back())) out.push_back(std::move(word));
  });
  return out;
}

}  // namespace pionbench
