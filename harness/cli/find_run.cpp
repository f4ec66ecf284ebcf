#include "harness/cli/find_run.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "harness/schedule/run_folder.h"

namespace pionbench {

RunRow find_run(const std::vector<RunRow>& runs, const std::string& name) {
  std::vector<const RunRow*> found;
  for (const auto& run : runs) {
    if (run.run == name) return run;
    if (!name.empty() && (run.run.starts_with(name) || run.cell.starts_with(name))) found.push_back(&run);
  }
  std::set<std::string> cells, names;
  for (const auto* run : found) {
    cells.insert(run->cell);
    names.insert(run->run);
  }
  if (cells.size() == 1)
    return **std::ranges::max_element(found, {}, [](const RunRow* run) { return run_number(run->run); });
  if (cells.size() > 1)
    throw UserError("\"" + name + "\" is the beginning of " + std::to_string(names.size()) +
                        " runs: " + join(std::vector(names.begin(), names.end()), ", "),
                    kUsage);
  std::vector<std::string> known;
  for (const auto& run : runs) known.push_back(run.run);
  const std::string near = nearest(name, known);
  throw UserError("there is no run \"" + name + "\"" + (near.empty() ? "" : "; did you mean \"" + near + "\"?") +
                      "  see: pionbench status --json",
                  kUsage);
}

std::string label_of_cell(const std::vector<ExperimentRecord>& experiments, const std::string& cell,
                          const std::string& suite) {
  for (const auto& experiment : experiments)
    for (const auto& c : experiment.cells) {
      if (c.cell != cell) continue;
      std::string label = experiment.name + (c.arm.empty() ? "" : " " + c.arm);
      for (const auto& [key, value] : c.point) label += " " + key + "=" + value;
      return label;
    }
  return suite;
}

}  // namespace pionbench
