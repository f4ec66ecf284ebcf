#include "harness/cli/verbs.h"

#include <array>

namespace pionbench {

std::span<const Verb> verbs() {
  static const std::array kVerbs = {
      kReproduceVerb, kPlanVerb, kRunVerb,   kStatusVerb, kReportVerb, kClaimsVerb,
      kCompareVerb,   kGateVerb, kBenchVerb, kListVerb,   kDoctorVerb, kStoreVerb,
  };
  return kVerbs;
}

}  // namespace pionbench
