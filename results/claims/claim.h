#pragma once
/// The paper's claims C1 to C29, each with its rule as code. One more claim = one function in a file of its family, one
/// line in registry.cpp and one entry in results/reference/claims.yaml.
///
///   REPRODUCED     our data show what the claim says, at alpha 0.05
///   DIFFERS        our data show the contrary, or that what is claimed is smaller than what matters
///   UNDERPOWERED   neither: too few runs or too much noise; the minimum detectable effect stands beside it
///   NOT RUN        the store has no finished run of what the rule needs
///
/// A verdict belongs to the scale that it names: a quick result says nothing of the paper's models.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "results/evidence.h"
#include "results/grid.h"
#include "results/stats/difference.h"

namespace pionbench::claims {

enum class Verdict { kReproduced, kDiffers, kUnderpowered, kNotRun };
const char* to_string(Verdict verdict);  ///< "REPRODUCED", ..., "NOT RUN"

struct Finding {
  Verdict verdict = Verdict::kNotRun;
  std::string ours;                       ///< what we have, in one line; "" where nothing was run
  std::optional<stats::Bounds> interval;  ///< 95 %, of the effect that decides
  int n = 0;                              ///< runs per arm, or pairs; 0: computed, not sampled
  std::optional<double> detectable;       ///< minimum detectable effect at 80 % power
  std::string why;                        ///< what decided, or what lacks
  std::vector<std::string> runs;
  std::string experiment, scale;
};

/// What the rules look at.
class Board {
 public:
  /// `scale` "": for each experiment the largest scale with a finished run.
  Board(const std::vector<Evidence>& all, std::vector<Sitting> sittings, std::string scale);
  /// An experiment by name; null when the store has none at the scale.
  const Evidence* find(const std::string& experiment) const;
  /// The first of these that there is.
  const Evidence* find_any(std::span<const char* const> experiments) const;
  const std::vector<Sitting>& sittings() const { return sittings_; }

 private:
  const std::vector<Evidence>& all_;
  std::vector<Sitting> sittings_;
  std::string scale_;
};

/// The rows of `optim_bench` that C5 needs, for --benchmark_filter, and whether a sitting has them.
extern const char* const kStepFilter;
bool times_steps(const Sitting& sitting);

struct Entry {
  const char* id;
  const char* rule;  ///< in one line, as the code decides
  Finding (*judge)(const Board&);
};
std::span<const Entry> entries();  ///< C1 to C29 in order

/// What the paper says of a claim.
struct Published {
  std::string sentence, paper, source, trust;
};
using Reference = std::map<std::string, Published>;
/// results/reference/claims.yaml, as it was when this program was built.
const Reference& published_claims();

struct Claim {
  const Entry* entry;
  Published published;
  Finding finding;
};
/// UserError when the reference lacks a claim. `only`: ids; empty = all; UserError for an unknown one.
std::vector<Claim> judge(const Board& board, const Reference& reference, const std::vector<std::string>& only = {});

std::string verdict_counts(const std::vector<Claim>& claims);  ///< "3 REPRODUCED, 1 DIFFERS, ..."

/// 1 when one DIFFERS, else 3 when one is UNDERPOWERED or NOT RUN, else 0.
int exit_code(const std::vector<Claim>& claims);

Json to_json(
    const std::vector<Claim>& claims);  ///< array of {id, sentence, verdict, paper, ours, interval, n, mde, runs, ...}
std::string to_markdown(const std::vector<Claim>& claims);
std::string to_plain(const std::vector<Claim>& claims);
/// {Claim, Verdict, Sentence, Paper, Ours [95 %], n, MDE, Why, Experiment (scale)}, one row a claim.
Grid to_grid(const std::vector<Claim>& claims);

Finding judge_c1(const Board&);
Finding judge_c2(const Board&);
Finding judge_c3(const Board&);
Finding judge_c4(const Board&);
Finding judge_c5(const Board&);
Finding judge_c6(const Board&);
Finding judge_c7(const Board&);
Finding judge_c8(const Board&);
Finding judge_c9(const Board&);
Finding judge_c10(const Board&);
Finding judge_c11(const Board&);
Finding judge_c12(const Board&);
Finding judge_c13(const Board&);
Finding judge_c14(const Board&);
Finding judge_c15(const Board&);
Finding judge_c16(const Board&);
Finding judge_c17(const Board&);
Finding judge_c18(const Board&);
Finding judge_c19(const Board&);
Finding judge_c20(const Board&);
Finding judge_c21(const Board&);
Finding judge_c22(const Board&);
Finding judge_c23(const Board&);
Finding judge_c24(const Board&);
Finding judge_c25(const Board&);
Finding judge_c26(const Board&);
Finding judge_c27(const Board&);
Finding judge_c28(const Board&);
Finding judge_c29(const Board&);

}  // namespace pionbench::claims
