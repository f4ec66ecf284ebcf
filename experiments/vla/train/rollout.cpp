#include "experiments/vla/train/rollout.h"

#include <algorithm>
#include <cstring>

#include "experiments/vla/sim/random.h"

namespace pionbench::vla {
namespace {

// Bounds what an inference holds at once; beyond it one core gains nothing from a larger batch.
constexpr std::size_t kMostTogether = 128;

class Rollout {
 public:
  Rollout(const Policy& policy, const Normaliser& normaliser, const std::vector<Trial>& trials,
          const RolloutOptions& options)
      : policy_(policy),
        normaliser_(normaliser),
        options_(options),
        env_(trials, {.image_size = options.image_size, .threads = options.threads}),
        actions_(trials.size() * kActionSize, 0.F) {
    std::vector<std::string> instructions;
    for (int i = 0; i < env_.size(); ++i) instructions.push_back(env_.instruction(i));
    words_ = policy.encode_words(instructions);
  }

  std::vector<EpisodeResult> run() {
    for (std::int64_t number = 0; !env_.running().empty(); ++number) {
      env_.render();
      const auto ids = env_.running();
      const auto chunks = decide(ids, number);  // [ids, T, 7]
      const auto* values = chunks.data_ptr<float>();
      const auto per_chunk = chunks.size(1) * kActionSize;
      for (std::int64_t k = 0; k < options_.execute && !env_.running().empty(); ++k) {
        for (std::size_t i = 0; i < ids.size(); ++i)
          normaliser_.restore_action(
              {values + static_cast<std::int64_t>(i) * per_chunk + k * kActionSize, kActionSize},
              std::span(actions_).subspan(static_cast<std::size_t>(ids[i]) * kActionSize, kActionSize));
        if (options_.watch) options_.watch(env_, actions_);
        env_.step(actions_);
      }
    }
    std::vector<EpisodeResult> out;
    for (int i = 0; i < env_.size(); ++i) out.push_back({env_.status(i), env_.steps(i)});
    return out;
  }

 private:
  torch::Tensor decide(const std::vector<int>& ids, std::int64_t number) {
    const torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> parts;
    for (std::size_t begin = 0; begin < ids.size(); begin += kMostTogether) {
      const auto part = std::span(ids).subspan(begin, std::min(kMostTogether, ids.size() - begin));
      const auto n = static_cast<std::int64_t>(part.size());
      const auto& config = policy_.config();
      const std::int64_t size = options_.image_size;
      auto images = torch::empty({n, 2, size, size, 3}, torch::kUInt8);
      auto proprio = torch::empty({n, kProprioSize}, torch::kFloat32);
      auto noise = torch::zeros({n, config.chunk, kActionSize}, torch::kFloat32);
      std::vector<std::int64_t> rows;
      for (std::int64_t i = 0; i < n; ++i) {
        const int id = part[static_cast<std::size_t>(i)];
        rows.push_back(id);
        for (int camera = 0; camera < 2; ++camera) {
          const auto image = env_.image(id, camera);
          std::memcpy(images[i][camera].data_ptr(), image.data(), image.size());
        }
        normaliser_.normalise_proprio(env_.proprio().subspan(static_cast<std::size_t>(id) * kProprioSize, kProprioSize),
                                      {proprio[i].data_ptr<float>(), kProprioSize});
        if (config.head != HeadKind::kFlow) continue;
        Random random(options_.seed * 0x9e3779b97f4a7c15ULL + static_cast<std::uint64_t>(id) * 1000003ULL +
                      static_cast<std::uint64_t>(number));
        auto* values = noise[i].data_ptr<float>();
        for (std::int64_t k = 0; k < config.chunk * kActionSize; ++k) values[k] = static_cast<float>(random.normal());
      }
      const auto device = policy_.device();
      const Observation observation = {to_floats(images.to(device), config.image, torch::kFloat32),
                                       words_.index_select(0, torch::tensor(rows, torch::kInt64)).to(device),
                                       proprio.to(device)};
      parts.push_back(policy_.act(policy_.encode(observation), noise.to(device), options_.flow_steps)
                          .to(torch::kCPU, torch::kFloat32));
    }
    return torch::cat(parts).contiguous();
  }

  const Policy& policy_;
  const Normaliser& normaliser_;
  const RolloutOptions& options_;
  VectorEnv env_;
  std::vector<float> actions_;
  torch::Tensor words_;
};

}  // namespace

std::vector<EpisodeResult> rollout(const Policy& policy, const Normaliser& normaliser, const std::vector<Trial>& trials,
                                   const RolloutOptions& options) {
  return Rollout(policy, normaliser, trials, options).run();
}

std::vector<Trial> plain_trials(const std::vector<SuiteTask>& tasks, std::int64_t per_task, int first) {
  std::vector<Trial> out;
  for (const auto& task : tasks)
    for (int k = 0; k < per_task; ++k) out.push_back({&task, first + k, {}});
  return out;
}

double report_rollout(std::int64_t step, const std::string& split, const std::vector<Trial>& trials,
                      const std::vector<EpisodeResult>& results, EventWriter& events) {
  std::map<std::string, std::vector<double>> items;
  Named sums;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    const double success = results[i].status == EpisodeStatus::kSuccess;
    const double diverged = results[i].status == EpisodeStatus::kDiverged;
    const double steps = results[i].steps;
    items["success"].push_back(success);
    items["diverged"].push_back(diverged);
    items["steps"].push_back(steps);
    items["task"].push_back(trials[i].task->index);
    items["init"].push_back(trials[i].init);
    sums["success"] += success;
    sums["diverged"] += diverged;
    sums["episode_length"] += steps;
  }
  for (auto& [name, value] : sums) value /= static_cast<double>(std::max<std::size_t>(1, trials.size()));
  events.evaluation(step, split, sums, items);
  return sums["success"];
}

}  // namespace pionbench::vla
