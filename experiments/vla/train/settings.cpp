#include <cmath>
#include <numbers>

#include "core/error.h"
#include "experiments/vla/train/suites.h"

namespace pionbench::vla {
namespace {

void append(std::vector<Setting>& rows, std::vector<Setting> more) {
  for (auto& row : more) rows.push_back(std::move(row));
}

}  // namespace

std::vector<SuiteEntry> suites() {
  std::vector<SuiteEntry> out = {backbone_suite()};
  for (const auto& tasks : task_suites())
    for (auto* make : {base_suite, training_suite, plus_suite}) out.push_back(make(tasks));
  return out;
}

const TaskSuite& task_suite_of(const std::string& suite) {
  for (const auto& tasks : task_suites())
    if (suite == tasks.name || suite == base_of(tasks) || suite == plus_of(tasks)) return tasks;
  return find_task_suite(suite);
}

std::vector<Setting> backbone_settings() {
  std::vector<Setting> rows;
  for (auto& row : common_settings())
    if (row.name != "seed") rows.push_back(std::move(row));
  append(
      rows,
      {
          int_setting("image_size", 42, 8, 1024, "rendered side of both views, pixels"),
          int_setting("crop", 40, 8, 1024, "side that the policy sees: the middle, or with augmentation anywhere"),
          int_setting("patch", 8, 1, 512, "side of a patch; divides crop"),
          int_setting("stem_patch", 2, 1, 512,
                      "side of the linear patches before the convolutions; patch for none, else patch over 2, 4, ..."),
          int_setting("vision_width", 64, 4, 8192, "width of the vision module"),
          int_setting("vision_layers", 2, 1, 128, "blocks of the vision module"),
          int_setting("vision_heads", 4, 1, 256, "heads of the vision module; divides vision_width"),
          int_setting("width", 64, 4, 8192, "width of the language module"),
          int_setting("layers", 2, 1, 128, "blocks of the language module, and of the action head"),
          int_setting("language_heads", 4, 1, 256, "heads of the language module; divides width"),
          int_setting("mlp_ratio", 2, 1, 16, "width of an MLP over the width of its block"),
          int_setting("queries", 8, 1, 1024, "action queries"),
          int_setting("words", 32, 1, 1024, "longest instruction, in words"),
          int_setting("backbone_seed", 0, 0, 1LL << 31, "of the backbone; the same backbone for every seed"),
          choice_setting("backbone_suites", "all", {"all", "object_robot"},
                         "pre-training: the suites whose frames it sees; a small model is soon busy"),
          int_setting("backbone_episodes", 20, 1, 100000, "pre-training: episodes of each task of every suite"),
          int_setting("backbone_steps", 1500, 1, 10000000, "pre-training: optimizer steps"),
          int_setting("backbone_batch", 64, 1, 65536, "pre-training: frames per step"),
          real_setting("backbone_lr", 1e-3, 0, 10, "pre-training: peak learning rate of AdamW, cosine to 0"),
      });
  return rows;
}

std::vector<Setting> base_settings() {
  auto rows = backbone_settings();
  rows.push_back(int_setting("demos", 40, 1, 100000, "demonstrations of each task"));
  rows.push_back(real_setting("demo_noise", 0.12, 0, 1,
                              "deviation of the noise on a demonstration's translations, in units of the action"));
  rows.push_back(real_setting("demo_turns", 0.05, 0, 1, "the same of its rotations"));
  return rows;
}

std::vector<Setting> training_settings(const TaskSuite& tasks) {
  auto rows = base_settings();
  append(rows,
         {
             int_setting("seed", 0, 0, 1LL << 31, "of the action head, the order of the data and its augmentation"),
             choice_setting("head", "l1", {"l1", "flow"},
                            "action head: l1 regression (VLA-Adapter), flow matching (VLANeXt)"),
             int_setting("action_width", 64, 4, 8192, "width of the action head"),
             int_setting("action_heads", 4, 1, 256, "heads of the action head; divides action_width"),
             int_setting("chunk", 8, 1, 256, "actions predicted at once"),
             int_setting("execute", 8, 1, 256, "actions of a chunk that are executed before the next is asked for"),
             int_setting("flow_steps", 5, 1, 1000, "flow head: Euler steps of an inference"),
             int_setting("flow_draws", 1, 1, 1000,
                         "flow head: draws of noise and level for each frame of a batch; the backbone runs once"),
             real_setting("dct_weight", 0.1, 0, 1e3, "flow head: weight of the DCT loss"),
             int_setting("steps", 300, 1, 10000000, "optimizer steps"),
             int_setting("batch", 32, 1, 65536, "frames per step"),
             choice_setting("schedule", "constant", {"constant", "cosine"}, "learning rate after the warm-up"),
             int_setting("warmup", 0, 0, 1000000, "steps of linear warm-up"),
             real_setting("last_lr", 0, 0, 1, "cosine: last learning rate, as a part of the peak"),
             real_setting("grad_clip", 0, 0, 1e9, "global gradient norm; 0: no clipping"),
             choice_setting("augment", "full", {"none", "crop", "full"},
                            "of images: random crops; with changes of colour"),
             int_setting("eval_every", 100, 1, 10000000, "steps between evaluations; the last step always"),
             int_setting("trials", tasks.trials, 1, 50,
                         "episodes of each task in an evaluation: initial states 0, 1, ..."),
             int_setting("validation_trials", 0, 0, 450,
                         "episodes of each task from initial states of their own (500, ...), for tuning; 0: none"),
             int_setting("probe_every", 50, 0, 1000000, "steps between spectral probes; 0 = none"),
         });
  return rows;
}

std::vector<Relation> backbone_relations() {
  return {at_most("crop", "image_size"), divides("patch", "crop"), divides("stem_patch", "patch"),
          divides("language_heads", "width"), divides("vision_heads", "vision_width")};
}

std::vector<Relation> training_relations() {
  auto out = backbone_relations();
  out.push_back(divides("action_heads", "action_width"));
  out.push_back(at_most("execute", "chunk"));
  return out;
}

BundleSet model_bundles() {
  const auto sizes = [](std::int64_t image, std::int64_t crop, std::int64_t patch, std::int64_t stem,
                        std::int64_t vision, std::int64_t vision_layers, std::int64_t width, std::int64_t layers,
                        std::int64_t heads) {
    return Values{
        {"image_size", image},    {"crop", crop},           {"patch", patch},   {"stem_patch", stem},
        {"vision_width", vision}, {"width", width},         {"layers", layers}, {"vision_layers", vision_layers},
        {"vision_heads", heads},  {"language_heads", heads}};
  };
  using namespace std::string_literals;
  // What the small model has time to see is what the quick experiments ask of it.
  auto tiny = sizes(42, 40, 8, 2, 64, 2, 64, 2, 4);
  tiny.merge(Values{{"backbone_suites", "object_robot"s},
                    {"backbone_episodes", std::int64_t{40}},
                    {"backbone_steps", std::int64_t{2000}},
                    {"backbone_batch", std::int64_t{32}},
                    {"backbone_lr", 2e-3}});
  return {"model",
          "tiny",
          "sizes of the backbone",
          {{"tiny", "0.3 M parameters, 40 pixels", tiny},
           {"small", "1.6 M parameters, 64 pixels", sizes(68, 64, 8, 2, 128, 3, 128, 4, 8)},
           {"adapter", "VLA-Adapter's widths and depth (24 layers, 896), 224 pixels",
            sizes(236, 224, 14, 14, 1024, 24, 896, 24, 14)}}};
}

BundleSet recipe_bundles() {
  using namespace std::string_literals;
  return {"recipe",
          "vla-adapter",
          "head, schedule and protocol of one of the paper's stacks",
          {{"vla-adapter",
            "l1 head, constant rate, no clipping",
            {{"head", "l1"s},
             {"schedule", "constant"s},
             {"grad_clip", 0.0},
             {"chunk", std::int64_t{8}},
             {"execute", std::int64_t{8}}}},
           {"vlanext",
            "flow head, cosine, clip 1, 5 Euler steps",
            {{"head", "flow"s},
             {"schedule", "cosine"s},
             {"last_lr", 0.0},
             {"grad_clip", 1.0},
             {"chunk", std::int64_t{8}},
             {"execute", std::int64_t{8}},
             {"flow_steps", std::int64_t{5}},
             {"dct_weight", 0.1}}},
           {"openpi",
            "flow head without the DCT loss, chunks of 16, cosine to a tenth, clip 1, 10 Euler steps",
            {{"head", "flow"s},
             {"schedule", "cosine"s},
             {"last_lr", 0.1},
             {"grad_clip", 1.0},
             {"chunk", std::int64_t{16}},
             {"execute", std::int64_t{8}},
             {"flow_steps", std::int64_t{10}},
             {"dct_weight", 0.0}}}}};
}

PolicyConfig backbone_config(const Values& s, const std::vector<std::string>& vocabulary) {
  PolicyConfig c;
  c.image = get_int(s, "crop");
  c.patch = get_int(s, "patch");
  c.stem_patch = get_int(s, "stem_patch");
  c.vision_width = get_int(s, "vision_width");
  c.vision_layers = get_int(s, "vision_layers");
  c.vision_heads = get_int(s, "vision_heads");
  c.width = get_int(s, "width");
  c.layers = get_int(s, "layers");
  c.heads = get_int(s, "language_heads");
  c.mlp_ratio = get_int(s, "mlp_ratio");
  c.queries = get_int(s, "queries");
  c.words = get_int(s, "words");
  c.vocabulary = vocabulary;
  c.check();
  return c;
}

PolicyConfig policy_config(const Values& s, const std::vector<std::string>& vocabulary) {
  auto c = backbone_config(s, vocabulary);
  c.head = get_text(s, "head") == "flow" ? HeadKind::kFlow : HeadKind::kL1;
  c.action_width = get_int(s, "action_width");
  c.action_heads = get_int(s, "action_heads");
  c.chunk = get_int(s, "chunk");
  c.check();
  return c;
}

double schedule_factor(std::int64_t step, std::int64_t steps, std::int64_t warmup, bool cosine, double last) {
  if (step <= warmup) return static_cast<double>(step) / static_cast<double>(warmup);
  if (!cosine) return 1;
  const double part =
      static_cast<double>(step - warmup) / static_cast<double>(std::max<std::int64_t>(1, steps - warmup));
  return last + (1 - last) * .5 * (1 + std::cos(std::numbers::pi * std::min(1., part)));
}

}  // namespace pionbench::vla
