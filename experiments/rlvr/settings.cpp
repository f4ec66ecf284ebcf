#include "experiments/rlvr/settings.h"

#include "core/error.h"
#include "experiments/suite.h"

namespace pionbench::rlvr {

std::vector<Setting> warm_start_settings() {
  std::vector<Setting> rows = common_settings();
  const std::vector<Setting> own = {
      int_setting("hidden", 96, 8, 8192, "model width"),
      int_setting("layers", 3, 1, 128, "decoder blocks"),
      int_setting("query_heads", 4, 1, 256, "query heads"),
      int_setting("kv_heads", 2, 1, 256, "key/value heads; divides query_heads"),
      int_setting("head_dim", 24, 2, 512, "size of a head; even"),
      int_setting("ffn", 192, 8, 32768, "SwiGLU width"),
      real_setting("residual_init", 0.4, 0, 10, "factor on the initial attention output and down projections"),
      int_setting("data_seed", 0, 0, 1LL << 31, "the problems; the same for every seed"),
      int_setting("train_problems", 20000, 64, 10000000, "size of the training split"),
      int_setting("validation_problems", 256, 1, 100000, "size of the validation split (curves, tuning)"),
      int_setting("test_problems", 512, 1, 100000, "size of the test split (final tables only)"),
      int_setting("warm_steps", 700, 1, 1000000, "warm start: optimizer steps"),
      int_setting("warm_batch", 64, 1, 65536, "warm start: demonstrations per step"),
      real_setting("warm_lr", 3e-3, 0, 10, "warm start: peak learning rate of AdamW"),
      real_setting("warm_beta2", 0.99, 0, 0.999999, "warm start: β₂ of AdamW"),
      int_setting("warm_warmup", 50, 0, 100000, "warm start: steps of linear warm-up"),
      real_setting("warm_decay", 0.4, 0, 1, "warm start: last share of the steps, with linear decay to 0"),
      int_setting("max_new_tokens", 22, 1, 8192, "longest completion"),
  };
  rows.insert(rows.end(), own.begin(), own.end());
  return rows;
}

std::vector<Relation> warm_start_relations() {
  return {divides("kv_heads", "query_heads")};
}

BundleSet model_bundles() {
  const auto sizes = [](std::int64_t hidden, std::int64_t layers, std::int64_t query_heads, std::int64_t kv_heads,
                        std::int64_t head_dim, std::int64_t ffn) {
    return Values{{"hidden", hidden},     {"layers", layers},     {"query_heads", query_heads},
                  {"kv_heads", kv_heads}, {"head_dim", head_dim}, {"ffn", ffn}};
  };
  return {"model",
          "small",
          "size of the Qwen3-architecture decoder",
          {{"small", "258k parameters", sizes(96, 3, 4, 2, 24, 192)},
           {"large", "790k parameters", sizes(144, 4, 6, 3, 24, 320)}}};
}

Qwen3Config model_config(const Values& settings, std::int64_t vocabulary) {
  Qwen3Config c;
  c.vocabulary = vocabulary;
  c.hidden = get_int(settings, "hidden");
  c.layers = get_int(settings, "layers");
  c.query_heads = get_int(settings, "query_heads");
  c.kv_heads = get_int(settings, "kv_heads");
  c.head_dim = get_int(settings, "head_dim");
  c.ffn = get_int(settings, "ffn");
  if (c.head_dim % 2)
    throw UserError("setting \"head_dim\": got " + std::to_string(c.head_dim) + ", allowed: even numbers");
  return c;
}

}  // namespace pionbench::rlvr
