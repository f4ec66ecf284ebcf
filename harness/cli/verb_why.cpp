#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "core/error.h"
#include "harness/cli/find_result.h"
#include "harness/cli/planning.h"
#include "harness/schedule/run_folder.h"
#include "harness/spec/config_diff.h"

namespace pionbench {
namespace {

struct WhyArguments {
  std::string id;
  PlanArguments plan;
};

/// A cell that a plan holds now, or that the store has runs of.
struct KnownCell {
  CellConfig config;
  std::string label;
  std::vector<std::string> planned_in;  ///< experiments; none: nothing plans it any more
  std::vector<RunRow> runs;             ///< in order of start
};

class Explainer {
 public:
  Explainer(const WhyArguments& arguments, const Context& context) : arguments_(arguments), context_(context) {
    take_plans();
    take_store();
  }

  int explain() const {
    const std::string id = resolve(arguments_.id);
    const KnownCell& cell = cells_.at(id);
    Json out = {{"cell", id},
                {"label", cell.label},
                {"planned_in", cell.planned_in},
                {"runs", runs(cell)},
                {"config", to_json(cell.config)}};
    std::string text = "cell " + id.substr(0, 12) + "  " + cell.label + "\n";
    text += cell.planned_in.empty() ? "  in no plan: " + no_plan_text() + "\n"
                                    : "  planned in " + join(cell.planned_in, ", ") + "\n";
    const auto [verdict, reason] = judge(cell);
    out["will_run"] = verdict;
    out["reason"] = reason;
    text += std::string(verdict ? "  will run: " : "  will not run: ") + reason + "\n";
    if (const std::string other = nearest(id, cell); !other.empty()) {
      const bool is_new = cell.runs.empty();
      // From what was to what is: the cell without a result, or without a plan, is on the side of its time.
      const KnownCell& from = is_new ? cells_.at(other) : cell;
      const KnownCell& to = is_new ? cell : cells_.at(other);
      const auto changes = all_changes(from.config, to.config);
      out["nearest"] = {{"cell", other}, {"label", cells_.at(other).label}, {"changes", changes_json(changes)}};
      text += std::string(is_new ? "  nearest cell with a run: " : "  nearest cell of the plans: ") +
              other.substr(0, 12) + "  " + cells_.at(other).label + "\n";
      for (const auto& [change, config] : changes) text += "    " + to_text(change, *config) + "\n";
    }
    for (const auto& run : cell.runs)
      text += "  run " + run.run + "  " + to_string(run.state) + (run.reason.empty() ? "" : ": " + run.reason) + "\n";
    if (context_.json)
      print_json(out);
    else
      std::fputs(text.c_str(), stdout);
    return kDone;
  }

 private:
  /// Each experiment, or those that the command line names.
  void take_plans() {
    const Catalog catalog = context_.catalog();
    std::vector<PlanSource> sources;
    if (arguments_.plan.items.empty())
      for (const auto& file : list_specs(context_.spec_folders)) sources.push_back({file, {arguments_.plan.scale}});
    else
      sources = plan_sources(arguments_.plan, context_);
    const auto store = open_store_if_any(context_.out);
    for (const auto& source : sources) {
      Decision decision;
      try {
        decision = decide(source, catalog, store ? &*store : nullptr);
      } catch (const UserError&) {
        if (!arguments_.plan.items.empty()) throw;
        continue;  // an experiment without this scale, or one that somebody is writing
      }
      for (const auto& cell : decision.plan.cells) {
        KnownCell& known = cells_[cell.id];
        known.config = cell.config;
        known.label = cell.label;
        known.planned_in.push_back(decision.plan.experiment.name);
      }
    }
  }

  void take_store() {
    const auto store = open_store_if_any(context_.out);
    if (!store) return;
    std::map<std::string, std::string> labels;
    for (const auto& e : store->experiments())
      for (const auto& cell : e.cells) {
        std::string label = cell.arm.empty() ? e.name : cell.arm;
        for (const auto& [key, value] : cell.point) label += " " + key + "=" + value;
        labels.try_emplace(cell.cell, label);
      }
    for (auto& run : store->runs()) {
      KnownCell& known = cells_[run.cell];
      if (known.label.empty()) {
        known.config = cell_config_from_json(store->config_of_cell(run.cell));
        const auto it = labels.find(run.cell);
        known.label = it == labels.end() ? run.suite : it->second;
      }
      run_cells_[run.run] = run.cell;
      known.runs.push_back(std::move(run));
    }
  }

  std::string no_plan_text() const {
    return arguments_.plan.items.empty()
               ? "no experiment file at scale " + arguments_.plan.scale +
                     " has it; if it came from a sweep, repeat its command line after the cell"
               : "the experiment as given does not have it";
  }

  /// A cell, a run, or the beginning of either that only one has.
  std::string resolve(const std::string& id) const {
    if (const auto run = run_cells_.find(id); run != run_cells_.end()) return run->second;
    std::set<std::string> found;
    for (const auto& [cell, known] : cells_)
      if (cell.starts_with(id)) found.insert(cell);
    for (const auto& [run, cell] : run_cells_)
      if (run.starts_with(id)) found.insert(cell);
    if (found.size() == 1) return *found.begin();
    if (found.empty())
      throw UserError("no cell or run begins with \"" + id + "\" in the plans or in " + context_.out.string() +
                          "  see: pionbench plan SPEC, pionbench status",
                      kUsage);
    std::string message = "\"" + id + "\" is the beginning of " + std::to_string(found.size()) + " cells:";
    int shown = 0;
    for (const auto& cell : found)
      if (++shown <= 5) message += "\n  " + cell.substr(0, 12) + "  " + cells_.at(cell).label;
    throw UserError(message, kUsage);
  }

  struct Verdict {
    bool will_run;
    std::string reason;
  };

  Verdict judge(const KnownCell& cell) const {
    const RunRow* last = nullptr;
    for (const auto& run : cell.runs) {
      if (is_finished(run.state)) return {false, "run " + run.run + " has its result (" + to_string(run.state) + ")"};
      last = &run;
    }
    if (last && last->state == RunState::kRunning) return {false, "run " + last->run + " is at it"};
    if (cell.planned_in.empty()) return {false, "nothing plans it"};
    for (const auto& [suite, input] : cell.config.inputs)
      if (const auto it = cells_.find(input); it != cells_.end())
        for (const auto& run : it->second.runs)
          if (run.state == RunState::kDiverged)
            return {false, "it reads from " + suite + " " + input.substr(0, 12) + ", which diverged"};
    if (!last) return {true, "no run has this configuration"};
    if (last->state == RunState::kInterrupted || last->state == RunState::kLost) {
      const bool goes_on = read_event_facts(context_.out / "runs" / last->run).checkpoint;
      return {true, "run " + last->run + " was " + to_string(last->state) +
                        (goes_on ? " and goes on from its checkpoint" : " without a checkpoint; it begins anew")};
    }
    return {true, "run " + last->run + " has no result (" + to_string(last->state) + "); a new one begins"};
  }

  /// The cell on the other side (with runs, for one that has none; of the plans, for one that has) with the fewest
  /// inputs that differ; ties go to one with a result, then to the first identity. "" where there is none, or where the
  /// cell is both planned and run.
  std::string nearest(const std::string& id, const KnownCell& cell) const {
    if (!cell.runs.empty() && !cell.planned_in.empty()) return "";
    std::string best;
    std::pair<std::size_t, int> best_rank;
    for (const auto& [other, known] : cells_) {
      if (other == id || known.config.suite != cell.config.suite) continue;
      if (cell.runs.empty() ? known.runs.empty() : known.planned_in.empty()) continue;
      const bool finished = std::ranges::any_of(known.runs, [](const RunRow& run) { return is_finished(run.state); });
      const std::pair<std::size_t, int> rank{config_diff(known.config, cell.config).size(), finished ? 0 : 1};
      if (best.empty() || rank < best_rank) {
        best = other;
        best_rank = rank;
      }
    }
    return best;
  }

  using Changes = std::vector<std::pair<InputChange, const CellConfig*>>;

  /// A prerequisite that differs is explained by what differs in it.
  Changes all_changes(const CellConfig& from, const CellConfig& to, int depth = 0) const {
    Changes out;
    for (const auto& change : config_diff(from, to)) {
      out.emplace_back(change, &to);
      const auto a = cells_.find(change.from), b = cells_.find(change.to);
      if (!change.input.starts_with("inputs.") || a == cells_.end() || b == cells_.end() || depth > 8) continue;
      for (auto& [inner, config] : all_changes(a->second.config, b->second.config, depth + 1)) {
        inner.input = change.input + "." + inner.input;
        out.emplace_back(inner, config);
      }
    }
    return out;
  }

  static Json changes_json(const Changes& changes) {
    Json out = Json::array();
    for (const auto& [change, config] : changes)
      out.push_back({{"input", change.input}, {"from", change.from}, {"to", change.to}});
    return out;
  }

  static Json runs(const KnownCell& cell) {
    Json out = Json::array();
    for (const auto& run : cell.runs)
      out.push_back({{"run", run.run}, {"state", to_string(run.state)}, {"reason", run.reason}});
    return out;
  }

  const WhyArguments& arguments_;
  const Context& context_;
  std::map<std::string, KnownCell> cells_;
  std::map<std::string, std::string> run_cells_;
};

/// The runs behind a figure, a table or a panel.
int explain_result(const std::string& name, const Context& context) {
  const auto store = open_store_if_any(context.out);
  const auto result = find_result(name, store ? gather(*store) : std::vector<Evidence>{});
  std::map<std::string, RunRow> rows;
  for (auto& run : store->runs()) rows.emplace(run.run, std::move(run));
  Json sources = Json::array();
  std::string text = result.name + (result.panel.empty() ? "" : ", panel " + result.panel) + "  " + result.title +
                     "\n  experiment " + result.experiment + ", scale " + result.scale + "\n";
  for (const auto& source : result.sources) {
    sources.push_back({{"panel", source.panel}, {"label", source.label}, {"runs", source.runs}});
    text +=
        "  " + (source.panel.empty() || !result.panel.empty() ? "" : "(" + source.panel + ") ") + source.label + "\n";
    for (const auto& run : source.runs) {
      const auto row = rows.find(run);
      const std::string marks = row == rows.end() ? "" : run_marks(row->second);
      text += "    " + run + "  " + (row == rows.end() ? "" : to_string(row->second.state)) +
              (marks.empty() ? "" : " (" + marks + ")") + "\n";
    }
  }
  if (result.sources.empty()) text += "  no run behind it yet: pionbench reproduce --only " + result.experiment + "\n";
  if (context.json)
    print_json({{"figure", result.name},
                {"panel", result.panel.empty() ? Json() : Json(result.panel)},
                {"title", result.title},
                {"experiment", result.experiment},
                {"scale", result.scale},
                {"caption", result.caption},
                {"sources", sources}});
  else
    std::fputs(text.c_str(), stdout);
  return kDone;
}

}  // namespace

const Verb kWhyVerb = {
    "why",
    "Why a cell will run or not, and which input makes it another than the one that ran; which runs"
    " are behind a figure",
    "pionbench why 3f2a9c\npionbench why 3f2a9c0b1d2e.1 fig2b lr=3e-4 --scale desk\npionbench why fig6a",
    [](CLI::App& app, const Context& context) {
      auto arguments = std::make_shared<WhyArguments>();
      app.add_option("CELL", arguments->id, "a cell or a run, or the beginning of one; a figure, a table or a panel")
          ->required();
      add_plan_options(app, arguments->plan, /*required=*/false);
      return Runner([&context, arguments] {
        return names_a_result(arguments->id) ? explain_result(arguments->id, context)
                                             : Explainer(*arguments, context).explain();
      });
    }};

}  // namespace pionbench
