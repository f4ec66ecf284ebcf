#pragma once
/// What an experiment file or an override says under search.*, halving.*, until and max_seeds. docs/sweeps.md explains
/// them to users; this table of keys is the same for files and the command line.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/spec/experiment.h"
#include "harness/spec/search.h"

namespace pionbench {

struct SearchOptions {
  SearchMethod method = SearchMethod::kHalton;
  std::size_t budget = 0;  ///< points of each arm; 0: not given
  std::uint64_t seed = 0;
  std::vector<Assignment> space;    ///< search.space.KEY: drawn, whether list or range
  std::string file;                 ///< search.space: an AlgoPerf search space; "" = none
  std::vector<std::string> ignore;  ///< names of the file that set nothing
  std::string where;
};

/// Successive halving: every candidate runs with little of `resource`, the best 1/eta of them with eta times as much,
/// and so on up to what the experiment asks for.
struct HalvingOptions {
  std::string resource = "steps";  ///< an integer setting, or "seed": the number of seeds
  std::int64_t from = 0;           ///< of the first rung
  std::int64_t eta = 3;
  bool among_arms = false;  ///< false: the points of one arm compete, so that each arm keeps its best
  std::string where;
};

/// More seeds for whatever is still too uncertain.
struct UntilOptions {
  double half_width = 0;  ///< of the 95 % interval of the primary metric's mean
  bool relative = false;  ///< half_width is a part of the mean ("ci<=5%")
  int max_seeds = 16;     ///< of one candidate
  std::string text;       ///< as written: "ci<=0.02"
  std::string where;
};

struct SweepOptions {
  std::optional<SearchOptions> search;
  std::optional<HalvingOptions> halving;
  std::optional<UntilOptions> until;
};

/// UserError for an unknown key, a wrong value, and a part that lacks what it needs.
SweepOptions read_sweep_options(const std::vector<Assignment>& assignments);

}  // namespace pionbench
