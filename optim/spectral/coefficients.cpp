#include "optim/spectral/coefficients.h"

#include "core/error.h"

namespace pionbench::optim {

const std::vector<CoefficientSet>& coefficient_sets() {
  static const std::vector<CoefficientSet> sets = {
      {"muon", muon_map(5), 1.0, {}, "KellerJordan/Muon"},
      {"polar-express",
       {{8.1566, -22.4833, 15.8788},
        {4.0429, -2.8089, 0.5000},
        {3.8917, -2.7725, 0.5061},
        {3.2858, -2.3681, 0.4645},
        {2.3465, -1.7098, 0.4232}},
       1.02,
       {2},
       "arXiv 2505.16932; microsoft/dion"},
      {"you",
       {{4.0848, -6.8946, 2.9270},
        {3.9505, -6.3029, 2.6377},
        {3.7418, -5.5913, 2.3037},
        {2.8769, -3.1427, 1.2046},
        {2.8366, -3.0525, 1.2012}},
       1.0,
       {2},
       "NVIDIA Emerging-Optimizers (\"quintic\")"},
      {"cans",
       {{8.4703, -25.1081, 18.6293},
        {4.1828, -3.1087, 0.5806},
        {3.9619, -2.9541, 0.5630},
        {3.2866, -2.4647, 0.5074},
        {2.2737, -1.6447, 0.4162}},
       1.0,
       {2},
       "arXiv 2506.10935"},
      {"cubic5",
       {{3.3657, -3.3421, 0}, {2.5744, -1.4957, 0}, {2.5369, -1.4313, 0}, {2.4419, -1.2764, 0}, {2.2230, -0.9631, 0}},
       1.0,
       {},
       "NVIDIA Emerging-Optimizers; no quintic term, so no squared Gram matrix"},
      {"deepseek-v4",
       {kMuonStep,
        kMuonStep,
        kMuonStep,
        kMuonStep,
        kMuonStep,
        kMuonStep,
        kMuonStep,
        kMuonStep,
        {2, -1.5, 0.5},
        {2, -1.5, 0.5}},
       1.0,
       {4},
       "NVIDIA Emerging-Optimizers"},
      {"dynmuon", SpectralMap(12, {2, -1.5, 0.5}), 1.0, {}, "fzwark/DynMuon, speedrun entry"},
      // As published. Its first step changes sign at s = 0.884, and so does the chain: a matrix whose rows are nearly
      // orthogonal to begin with (few, long rows) comes out as −U Vᵀ. Below 0.85 it is within 1.3 % of 1.
      {"aol",
       {{4.0098, -7.0585, 2.4635}, {3.4585, -5.5479, 2.5959}, {2.7573, -3.2939, 1.4254}, {2.7215, -3.0494, 1.3169}},
       1.0,
       {},
       "Turbo-Muon; NVIDIA Emerging-Optimizers (\"aol\"): rows rescaled first, four steps",
       Response::kOrthogonal,
       Normalisation::kAol},
      {"pion-promotion", SpectralMap(5, kPromotionStep), 1.0, {}, "OPTML-Group/Pion: k_p = 5, no suppression"},
      {"pion-suppression", SpectralMap(5, kSuppressionStep), 1.0, {}, "OPTML-Group/Pion: k_p = 0", Response::kHighPass},
      // optim/tools/fit_lowpass with its defaults; docs/lpmuon.md. Rounded to six decimals.
      {"lpmuon",
       {{2.406619, -2.555219, 1.140816},
        {3.536298, -7.245212, 3.709974},
        {4.115263, -11.483188, 8.367574},
        {3.685651, -8.413424, 5.720467},
        {2.683930, -3.323580, 1.660187}},
       1.0,
       {},
       "fitted here by the recipe of arXiv 2605.19282, appendix L, which gives no coefficients",
       Response::kLowPass},
  };
  return sets;
}

std::vector<std::string> coefficient_names() {
  std::vector<std::string> names;
  for (const auto& set : coefficient_sets()) names.push_back(set.name);
  return names;
}

std::vector<std::string> coefficient_names(Response response) {
  std::vector<std::string> names;
  for (const auto& set : coefficient_sets())
    if (set.response == response) names.push_back(set.name);
  return names;
}

const CoefficientSet& find_coefficients(const std::string& name) {
  for (const auto& set : coefficient_sets())
    if (set.name == name) return set;
  throw UserError(unknown_name("coefficient set", name, coefficient_names()));
}

SpectralMap take_steps(const CoefficientSet& set, std::int64_t n) {
  SpectralMap out;
  for (std::int64_t i = 0; i < n; ++i)
    out.push_back(set.steps[std::min(static_cast<std::size_t>(i), set.steps.size() - 1)]);
  return out;
}

}  // namespace pionbench::optim
