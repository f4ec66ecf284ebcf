/// Suites `rlvr/arith` and `rlvr/algebra` (family.h): training.h's loop on a small decoder that its `-sft` suite warmed
/// up.

#include "experiments/rlvr/family.h"
#include "experiments/rlvr/settings.h"
#include "experiments/rlvr/training.h"
#include "experiments/suite.h"

namespace pionbench {
namespace {

using namespace rlvr;

RunOutcome run_rl(RunContext& context) {
  PhaseTimer setup(context.events, 0, "setup");
  const Family& family = family_of(context.request.config.suite);
  const auto& base = context.input(family.warm_start());
  Workload workload{.base = base,
                    .tokenizer = Tokenizer::load(base / "tokenizer.json"),
                    .train = read_problems(base / "train.jsonl"),
                    .validation = read_problems(base / "validation.jsonl"),
                    .test = read_problems(base / "test.jsonl"),
                    .reward = family.reward};
  if (get_text(context.settings(), "objective") == "supervised")
    workload.demonstrations = read_demonstrations(base / "demonstrations.jsonl");
  setup.stop();
  return train(context, workload);
}

SuiteEntry suite_of(const Family& family) {
  SuiteInfo info;
  info.name = family.name;
  // Since 2: draws belong to the sequence, decoding and then training round in another order.
  info.version = family.name == "rlvr/arith" ? 5 : 4;
  info.title = "RLVR on " + family.title;
  info.help = "GRPO or GMPO on a small Qwen3-architecture decoder, " + family.help + ", warm start shared by all arms";
  info.primary_metric = "evaluation/validation/sampled";
  info.prerequisite = family.warm_start();
  info.batch_setting = "prompts";
  info.table.settings = warm_start_settings();
  for (auto row : training_settings(/*has_base_demonstrations=*/true)) {
    if (row.name == "mini_batches") row.default_value = family.mini_batches;
    info.table.settings.push_back(row);
  }
  info.table.relations = training_relations();
  for (auto& relation : warm_start_relations()) info.table.relations.push_back(std::move(relation));
  info.table.bundle_sets = {model_bundles(), algorithm_bundles(/*has_base_demonstrations=*/true, /*grpo_kl=*/0)};
  return {info, run_rl};
}

}  // namespace

SuiteEntry arith_suite() {
  return suite_of(arith_family());
}

SuiteEntry algebra_suite() {
  return suite_of(algebra_family());
}

}  // namespace pionbench
