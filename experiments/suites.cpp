#include "experiments/suite.h"

#include "core/error.h"

namespace pionbench {

#ifdef PIONBENCH_HAS_VLA
namespace vla {
std::vector<SuiteEntry> suites();  // vla/train/suites.h, which needs the simulator's headers
}
#endif

const std::vector<SuiteEntry>& suites() {
  static const std::vector<SuiteEntry> entries = [] {
    std::vector<SuiteEntry> out = {
        maps_suite(),        arith_suite(), arith_sft_suite(), algebra_suite(),
        algebra_sft_suite(), gsm8k_suite(), math_suite(),
    };
#ifdef PIONBENCH_HAS_VLA
    for (auto& entry : vla::suites()) out.push_back(std::move(entry));
#endif
    return out;
  }();
  return entries;
}

const SuiteEntry& find_suite(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& entry : suites()) {
    if (entry.info.name == name) return entry;
    known.push_back(entry.info.name);
  }
  throw UserError(unknown_name("suite", name, known));
}

std::vector<Setting> common_settings() {
  return {
      int_setting("seed", 0, 0, 1LL << 31, "initialisation, data order and sampling; the same for all arms"),
      text_setting("device", "cpu", "cpu, cuda or cuda:<n>"),
      choice_setting("dtype", "float32", {"float32", "float64", "bfloat16"}, "type of weights and activations"),
  };
}

}  // namespace pionbench
