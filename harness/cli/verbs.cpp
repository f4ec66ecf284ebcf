#include "harness/cli/verbs.h"

#include <array>

namespace pionbench {

std::span<const Verb> verbs() {
  static const std::array kVerbs = {
      kReproduceVerb, kPlanVerb,  kRunVerb,    kStatusVerb, kLogsVerb,    kStopVerb,       kRetryVerb,
      kReproVerb,     kWhyVerb,   kReportVerb, kClaimsVerb, kCompareVerb, kGateVerb,       kBenchVerb,
      kDashboardVerb, kServeVerb, kListVerb,   kDoctorVerb, kStoreVerb,   kCompletionVerb,
  };
  return kVerbs;
}

}  // namespace pionbench
