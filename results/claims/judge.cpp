#include <algorithm>
#include <array>

#include "core/error.h"
#include "results/claims/claim.h"
#include "results/grid.h"

namespace pionbench::claims {
namespace {

std::size_t finished(const Evidence& evidence) {
  return evidence.cells.size() - evidence.unfinished();
}

std::string mde_text(const Finding& finding) {
  return finding.detectable ? significant(*finding.detectable, 2) : "–";
}

std::string scale_text(const Finding& finding) {
  return finding.experiment.empty() ? "–" : finding.experiment + " (" + finding.scale + ")";
}

}  // namespace

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kReproduced:
      return "REPRODUCED";
    case Verdict::kDiffers:
      return "DIFFERS";
    case Verdict::kUnderpowered:
      return "UNDERPOWERED";
    case Verdict::kNotRun:
      return "NOT RUN";
  }
  return "";
}

Board::Board(const std::vector<Evidence>& all, std::vector<Sitting> sittings, std::string scale)
    : all_(all), sittings_(std::move(sittings)), scale_(std::move(scale)) {}

const Evidence* Board::find(const std::string& experiment) const {
  const Evidence* best = nullptr;
  // Evidence comes from the smallest scale up; the last with something finished is the largest.
  for (const auto& evidence : all_)
    if (evidence.experiment.name == experiment && (scale_.empty() || evidence.experiment.scale == scale_) &&
        (!best || finished(evidence) > 0))
      best = &evidence;
  return best;
}

const Evidence* Board::find_any(std::span<const char* const> experiments) const {
  for (const char* name : experiments)
    if (const auto* evidence = find(name)) return evidence;
  return nullptr;
}

std::vector<Claim> judge(const Board& board, const Reference& reference, const std::vector<std::string>& only) {
  std::vector<std::string> known;
  for (const auto& entry : entries()) known.emplace_back(entry.id);
  for (const auto& id : only)
    if (std::find(known.begin(), known.end(), id) == known.end())
      throw UserError(unknown_name("claim", id, known), kUsage);
  std::vector<Claim> out;
  for (const auto& entry : entries()) {
    if (!only.empty() && std::find(only.begin(), only.end(), entry.id) == only.end()) continue;
    const auto published = reference.find(entry.id);
    if (published == reference.end())
      throw UserError("results/reference/claims.yaml lacks claim " + std::string(entry.id));
    Claim claim{&entry, published->second, {}};
    try {
      claim.finding = entry.judge(board);
    } catch (const UserError& error) {
      // One experiment that a rule cannot read must not hide the other verdicts.
      claim.finding.why = error.what();
    }
    out.push_back(std::move(claim));
  }
  return out;
}

std::string verdict_counts(const std::vector<Claim>& claims) {
  std::string text;
  for (const auto verdict : {Verdict::kReproduced, Verdict::kDiffers, Verdict::kUnderpowered, Verdict::kNotRun}) {
    const auto n =
        std::count_if(claims.begin(), claims.end(), [&](const Claim& c) { return c.finding.verdict == verdict; });
    text += (text.empty() ? "" : ", ") + std::to_string(n) + " " + to_string(verdict);
  }
  return text;
}

int exit_code(const std::vector<Claim>& claims) {
  int code = kDone;
  for (const auto& claim : claims) {
    if (claim.finding.verdict == Verdict::kDiffers) return kFailed;
    if (claim.finding.verdict != Verdict::kReproduced) code = kUndecided;
  }
  return code;
}

Json to_json(const std::vector<Claim>& claims) {
  Json rows = Json::array();
  for (const auto& claim : claims) {
    const auto& f = claim.finding;
    rows.push_back({{"id", claim.entry->id},
                    {"sentence", claim.published.sentence},
                    {"rule", claim.entry->rule},
                    {"verdict", to_string(f.verdict)},
                    {"paper", claim.published.paper},
                    {"source", claim.published.source},
                    {"trust", claim.published.trust},
                    {"ours", f.ours.empty() ? Json() : Json(f.ours)},
                    {"interval", f.interval ? Json{f.interval->low, f.interval->high} : Json()},
                    {"n", f.n},
                    {"mde", f.detectable ? Json(*f.detectable) : Json()},
                    {"why", f.why},
                    {"runs", f.runs},
                    {"experiment", f.experiment.empty() ? Json() : Json(f.experiment)},
                    {"scale", f.scale.empty() ? Json() : Json(f.scale)}});
  }
  return rows;
}

Grid to_grid(const std::vector<Claim>& claims) {
  Grid grid{{"Claim", "Verdict", "Sentence", "Paper", "Ours [95 %]", "n", "MDE", "Why", "Experiment (scale)"}, {}};
  for (const auto& claim : claims) {
    const auto& f = claim.finding;
    grid.rows.push_back({claim.entry->id, to_string(f.verdict), claim.published.sentence,
                         claim.published.paper + " (" + claim.published.trust + ")", f.ours.empty() ? "–" : f.ours,
                         f.n ? std::to_string(f.n) : "–", mde_text(f), f.why, scale_text(f)});
  }
  return grid;
}

std::string to_markdown(const std::vector<Claim>& claims) {
  std::string out = verdict_counts(claims) + ".\n\n" + pionbench::to_markdown(to_grid(claims)) + "\nRules:\n\n";
  for (const auto& claim : claims) out += "- **" + std::string(claim.entry->id) + "** " + claim.entry->rule + "\n";
  return out;
}

std::string to_plain(const std::vector<Claim>& claims) {
  std::string out;
  for (const auto& claim : claims) {
    const auto& f = claim.finding;
    char head[64];
    std::snprintf(head, sizeof head, "%-4s %-13s", claim.entry->id, to_string(f.verdict));
    out += head + claim.published.sentence + "\n";
    const std::string indent(18, ' ');
    if (f.verdict == Verdict::kNotRun && f.ours.empty()) {
      out += indent + f.why + "\n";
      continue;
    }
    out += indent + "paper: " + claim.published.paper + "\n" + indent + "ours:  " + f.ours + "\n" + indent;
    if (f.n) out += "n " + std::to_string(f.n) + ", MDE " + mde_text(f) + ", ";
    out += f.why + ", " + scale_text(f) + "\n";
  }
  return out + "\n" + verdict_counts(claims) + "\n";
}

}  // namespace pionbench::claims
