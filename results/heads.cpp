#include "results/heads.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <vector>

#include "results/stats/interval.h"

namespace pionbench {

std::map<std::string, double> query_head_variances(const Store& store, const std::string& run,
                                                   const std::string& name) {
  std::map<std::string, std::map<int, std::vector<double>>> values;
  for (const auto& row : store.spectral(run))
    if (row.head >= 0 && row.name == name && row.parameter.find("q_proj") != row.parameter.npos)
      values[row.parameter][row.head].push_back(row.value);
  std::map<std::string, double> out;
  for (const auto& [parameter, heads] : values) {
    std::vector<double> means;
    for (const auto& [head, of_head] : heads) means.push_back(mean(of_head));
    if (const auto sd = sample_sd(means)) out[parameter] = *sd * *sd;
  }
  return out;
}

int layer_of(const std::string& parameter) {
  const auto first = std::find_if(parameter.begin(), parameter.end(), [](unsigned char c) { return std::isdigit(c); });
  if (first == parameter.end()) return -1;
  return std::atoi(&*first);
}

}  // namespace pionbench
