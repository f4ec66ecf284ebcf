#include "harness/adaptive/halving.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <unordered_set>

#include "core/error.h"
#include "harness/adaptive/candidates.h"
#include "harness/adaptive/outcomes.h"

namespace pionbench {
namespace {

constexpr const char* kSeed = "seed";

std::string number(double x) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.4g", x);
  return buffer;
}

/// The seeds of a plan, rising.
std::vector<std::int64_t> seeds_of(const Plan& plan, const std::string& where) {
  std::set<std::int64_t> out;
  for (const auto& cell : plan.cells) {
    if (cell.is_prerequisite) continue;
    const auto seed = cell.config.settings.find(kSeed);
    const auto* number = seed == cell.config.settings.end() ? nullptr : std::get_if<std::int64_t>(&seed->second);
    if (!number)
      throw UserError(where + ": the suite " + cell.config.suite +
                      " has no seed, so there is none to add or leave out");
    out.insert(*number);
  }
  return {out.begin(), out.end()};
}

/// What the experiment gives every cell of the resource.
std::int64_t full_amount(const Plan& plan, const HalvingOptions& halving) {
  if (halving.resource == kSeed) return static_cast<std::int64_t>(seeds_of(plan, halving.where).size());
  std::optional<std::int64_t> out;
  for (const auto& cell : plan.cells) {
    if (cell.is_prerequisite) continue;
    const auto it = cell.config.settings.find(halving.resource);
    const auto* amount = it == cell.config.settings.end() ? nullptr : std::get_if<std::int64_t>(&it->second);
    if (!amount) {
      std::vector<std::string> known = {kSeed};
      for (const auto& [key, value] : cell.config.settings)
        if (std::holds_alternative<std::int64_t>(value)) known.push_back(key);
      throw UserError(halving.where +
                      ": halving.resource: " + unknown_name("integer setting", halving.resource, known));
    }
    if (out && *out != *amount)
      throw UserError(halving.where + ": halving by " + halving.resource +
                      " needs one value for all cells, and there are " + std::to_string(*out) + " and " +
                      std::to_string(*amount));
    out = *amount;
  }
  return out.value_or(0);
}

std::vector<std::int64_t> amounts_of(const HalvingOptions& halving, std::int64_t full) {
  std::vector<std::int64_t> out;
  for (std::int64_t amount = halving.from; amount < full; amount *= halving.eta) {
    out.push_back(amount);
    if (amount > full / halving.eta) break;
  }
  if (out.empty())
    throw UserError(halving.where + ": halving.from=" + std::to_string(halving.from) + " is not below " +
                    halving.resource + "=" + std::to_string(full) + ", which the experiment asks for");
  out.push_back(full);
  return out;
}

/// The experiment with `amount` of the resource in every cell.
Plan rung_plan(const PlanSource& source, const Catalog& catalog, const HalvingOptions& halving, const Plan& base,
               std::int64_t amount) {
  PlanOptions options = source.options;
  std::vector<Value> values;
  if (halving.resource == kSeed) {
    const auto seeds = seeds_of(base, halving.where);
    for (std::int64_t i = 0; i < amount; ++i) values.emplace_back(seeds[static_cast<std::size_t>(i)]);
  } else {
    values.emplace_back(amount);
  }
  options.pins.push_back({halving.resource, std::move(values), halving.where});
  return make_plan(source.file, catalog, options);
}

/// One competitor of a rung, with what the store says of it.
struct Judged {
  const CandidateCells* cells = nullptr;
  bool ended = true;
  int missing = 0;  ///< seeds that failed or diverged
  std::string reason;
  std::optional<double> score;
};

Judged judge(const CandidateCells& cells, const std::map<std::string, Outcome>& outcomes) {
  Judged out{&cells};
  double sum = 0;
  int count = 0;
  for (const auto* cell : cells.cells) {
    const auto it = outcomes.find(cell->cell);
    if (it == outcomes.end() || !it->second.ended) {
      out.ended = false;
      continue;
    }
    const Outcome& outcome = it->second;
    if (outcome.counts && outcome.value) {
      sum += *outcome.value;
      ++count;
    } else {
      ++out.missing;
      out.reason = outcome.counts ? "has no value" : outcome.state;
    }
  }
  if (count) out.score = sum / count;
  return out;
}

/// Whether `a` ranks before `b`.
bool ranks_before(const Judged& a, const Judged& b, bool higher_is_better) {
  if (a.missing != b.missing) return a.missing < b.missing;
  if (a.score != b.score) {
    if (!a.score || !b.score) return a.score.has_value();
    return higher_is_better ? *a.score > *b.score : *a.score < *b.score;
  }
  return a.cells->label < b.cells->label;
}

/// Ranks one competition and says who goes on.
std::vector<Candidate> decide_competition(std::vector<Judged> judged, const HalvingOptions& halving,
                                          bool higher_is_better) {
  std::ranges::sort(judged, [&](const Judged& a, const Judged& b) { return ranks_before(a, b, higher_is_better); });
  const std::size_t eta = static_cast<std::size_t>(halving.eta), kept = (judged.size() + eta - 1) / eta;
  std::vector<Candidate> out;
  for (std::size_t i = 0; i < judged.size(); ++i) {
    Candidate c{judged[i].cells->label, judged[i].cells->arm, judged[i].score, i < kept, ""};
    const std::string place = std::to_string(i + 1) + " of " + std::to_string(judged.size());
    if (!c.kept)
      c.reason =
          judged[i].missing ? judged[i].reason : place + "; the last to go on has " + number(*judged[kept - 1].score);
    out.push_back(std::move(c));
  }
  return out;
}

}  // namespace

void extend(Plan& plan, const Plan& more) {
  std::unordered_set<std::string> known;
  for (const auto& cell : plan.cells) known.insert(cell.id);
  // Prerequisites stay first.
  const auto rest = std::ranges::find(plan.cells, false, &PlannedCell::is_prerequisite);
  auto at = rest - plan.cells.begin();
  for (const auto& cell : more.cells) {
    if (!known.insert(cell.id).second) continue;
    if (cell.is_prerequisite)
      plan.cells.insert(plan.cells.begin() + at++, cell);
    else
      plan.cells.push_back(cell);
  }
  std::set<std::string> recorded;
  const auto key = [](const ExperimentRecord::Cell& cell) { return cell.cell + cell.arm + Json(cell.point).dump(); };
  for (const auto& cell : plan.experiment.cells) recorded.insert(key(cell));
  for (const auto& cell : more.experiment.cells)
    if (recorded.insert(key(cell)).second) plan.experiment.cells.push_back(cell);
}

HalvingStep halve(const PlanSource& source, const Catalog& catalog, const Plan& base, const Store* store) {
  const HalvingOptions& halving = *base.sweep.halving;
  if (base.primary_metric.empty())
    throw UserError(halving.where + ": the suite " + base.experiment.spec.at("suite").get<std::string>() +
                    " has no primary metric to rank candidates by");
  const auto amounts = amounts_of(halving, full_amount(base, halving));
  // With seeds as the resource a later rung has the same coordinates and more seeds.
  const std::string resource = halving.resource == kSeed ? "" : halving.resource;

  HalvingStep out;
  for (const auto amount : amounts) out.rungs.push_back({amount, false, {}});
  std::optional<std::set<std::string>> going_on;  // key and condition; nothing: all
  for (std::size_t r = 0; r < amounts.size(); ++r) {
    Plan plan = rung_plan(source, catalog, halving, base, amounts[r]);
    std::set<std::string> kept_cells;
    for (const auto& c : candidates_of(plan, resource))
      if (!going_on || going_on->contains(c.key + "\n" + c.condition))
        for (const auto* cell : c.cells) kept_cells.insert(cell->arm + "\n" + cell->cell);
    plan = restricted_plan(
        plan, [&](const ExperimentRecord::Cell& cell) { return kept_cells.contains(cell.arm + "\n" + cell.cell); });
    const bool is_last = r + 1 == amounts.size();
    if (r == 0)
      out.plan = plan;
    else
      extend(out.plan, plan);

    const auto outcomes = outcomes_of(plan, store, base.primary_metric);
    const auto candidates = candidates_of(plan, resource);
    std::vector<std::string> order;  // of competitions
    std::map<std::string, std::vector<Judged>> competitions;
    bool all_ended = true;
    for (const auto& c : candidates) {
      const std::string name = (halving.among_arms ? "" : c.arm) + "\n" + c.condition;
      if (!competitions.contains(name)) order.push_back(name);
      competitions[name].push_back(judge(c, outcomes));
      all_ended = all_ended && competitions[name].back().ended;
    }
    if (r == 0 && std::ranges::all_of(order, [&](const auto& name) { return competitions[name].size() == 1; }))
      throw UserError(halving.where + ": nothing to halve: " +
                      (halving.among_arms ? "there is one candidate"
                                          : "each arm has one candidate; sweep a setting of the optimizer, or let the "
                                            "arms compete: halving.among=arms"));
    Rung& rung = out.rungs[r];
    rung.decided = all_ended;
    if (is_last) out.last = plan;
    if (!all_ended || is_last) {
      for (const auto& name : order)
        for (const auto& j : competitions[name])
          rung.candidates.push_back({j.cells->label, j.cells->arm, j.score, all_ended, ""});
      break;
    }
    going_on.emplace();
    for (const auto& name : order) {
      const auto& judged = competitions[name];
      for (auto& c : decide_competition(judged, halving, base.higher_is_better)) {
        if (c.kept) {
          const auto winner = std::ranges::find_if(judged, [&](const Judged& j) { return j.cells->label == c.label; });
          going_on->insert(winner->cells->key + "\n" + winner->cells->condition);
        }
        rung.candidates.push_back(std::move(c));
      }
    }
  }
  // All rungs are one experiment, listed under the spec that was planned first.
  out.plan.experiment.spec["halving"] = {{"resource", halving.resource}, {"amounts", amounts}};
  return out;
}

}  // namespace pionbench
