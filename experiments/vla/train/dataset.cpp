#include "experiments/vla/train/dataset.h"

#include <cstring>
#include <numbers>

#include "core/error.h"

namespace pionbench::vla {
namespace {

constexpr std::int64_t kChannels = 3, kViews = 2;
constexpr double kLeastRange = .4;  // of an action's number, whose full range is 2

/// Colour transforms of one frame as x ↦ M·x + b over RGB in 0…255, the contrast's pivot taken as middle grey.
void draw_colours(Random& random, float* matrix, float* shift) {
  const double brightness = random.uniform(-.2, .2), contrast = random.uniform(.8, 1.2),
               saturation = random.uniform(.8, 1.2), hue = 2 * std::numbers::pi * random.uniform(-.05, .05);
  // Grey is kept; hue turns the plane across it (Rodrigues about (1, 1, 1)/√3).
  constexpr double kGrey[3] = {.299, .587, .114};
  const double c = std::cos(hue), s = std::sin(hue), root = std::sqrt(1. / 3);
  double turn[3][3];
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      turn[i][j] = (i == j ? c : 0) + (1 - c) / 3 + (i == j ? 0 : ((j - i + 3) % 3 == 1 ? -s : s) * root);
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      double sum = 0;
      for (int k = 0; k < 3; ++k) sum += turn[i][k] * ((k == j ? saturation : 0) + (1 - saturation) * kGrey[j]);
      matrix[3 * i + j] = static_cast<float>(contrast * sum);
    }
  for (int i = 0; i < 3; ++i) shift[i] = static_cast<float>(255 * brightness + (1 - contrast) * 127.5);
}

}  // namespace

Normaliser normaliser_of(const std::vector<TaskDemonstrations>& tasks) {
  std::vector<float> actions, proprio;
  for (const auto& task : tasks)
    for (const auto& episode : task.episodes) {
      actions.insert(actions.end(), episode.actions.begin(), episode.actions.end());
      proprio.insert(proprio.end(), episode.proprio.begin(), episode.proprio.end());
    }
  auto of_actions = quantiles_of(actions, kActionSize);
  for (std::size_t d = 0; d < kActionSize; ++d) {
    // Where the demonstrations hardly move, their jitter must not fill [−1, 1]: it would be half of the loss.
    const double middle = (of_actions.low[d] + of_actions.high[d]) / 2,
                 half = (of_actions.high[d] - of_actions.low[d]) / 2;
    of_actions.low[d] = middle - std::max(half, kLeastRange / 2);
    of_actions.high[d] = middle + std::max(half, kLeastRange / 2);
  }
  return {of_actions, quantiles_of(proprio, kProprioSize)};
}

Dataset::Dataset(const std::vector<TaskDemonstrations>& tasks, const Normaliser& normaliser, const Policy& policy,
                 std::int64_t image_size)
    : chunk_(policy.config().chunk), side_(policy.config().image), device_(policy.device()) {
  std::int64_t frames = 0;
  std::vector<std::string> instructions;
  for (const auto& task : tasks) {
    if (task.image_size != image_size)
      throw UserError("demonstrations of " + task.task + ": images of " + std::to_string(task.image_size) +
                      " pixels, setting image_size is " + std::to_string(image_size));
    for (const auto& episode : task.episodes) frames += episode.steps;
    instructions.push_back(task.instruction);
  }
  if (frames == 0) throw UserError("the demonstrations hold no frames");
  words_ = policy.encode_words(instructions).to(device_);
  images_ = torch::empty({frames, kViews, image_size, image_size, kChannels}, torch::kUInt8);
  proprio_ = torch::empty({frames, kProprioSize}, torch::kFloat32);
  actions_ = torch::empty({frames, kActionSize}, torch::kFloat32);
  std::int64_t row = 0;
  for (std::size_t t = 0; t < tasks.size(); ++t)
    for (const auto& episode : tasks[t].episodes) {
      std::memcpy(images_[row].data_ptr(), episode.images.data(), episode.images.size());
      for (std::int64_t i = 0; i < episode.steps; ++i, ++row) {
        const auto at = [i](const std::vector<float>& values, std::size_t width) {
          return std::span(values).subspan(static_cast<std::size_t>(i) * width, width);
        };
        normaliser.normalise_proprio(at(episode.proprio, kProprioSize),
                                     {proprio_[row].data_ptr<float>(), kProprioSize});
        normaliser.normalise_action(at(episode.actions, kActionSize), {actions_[row].data_ptr<float>(), kActionSize});
        task_.push_back(static_cast<std::int64_t>(t));
        last_.push_back(row + episode.steps - 1 - i);
      }
    }
}

torch::Tensor augmented(const torch::Tensor& images, const std::vector<std::int64_t>& frames, std::int64_t side,
                        Augmentation augmentation, Random& random, std::vector<std::int64_t>* cuts) {
  const auto size = static_cast<std::int64_t>(frames.size()), whole = images.size(2), margin = whole - side;
  auto cut = torch::empty({size, kViews, side, side, kChannels}, torch::kUInt8);
  const auto* from = images.data_ptr<std::uint8_t>();
  auto* to = cut.data_ptr<std::uint8_t>();
  const auto row = static_cast<std::size_t>(side * kChannels);
  const auto place = [&] {
    return augmentation == Augmentation::kNone ? margin / 2 : random.below(static_cast<int>(margin) + 1);
  };
  for (const auto frame : frames)
    for (std::int64_t v = 0; v < kViews; ++v) {
      const auto x = place(), y = place();
      if (cuts) cuts->insert(cuts->end(), {x, y});
      for (std::int64_t r = 0; r < side; ++r, to += row)
        std::memcpy(to, from + (((frame * kViews + v) * whole + y + r) * whole + x) * kChannels, row);
    }
  auto out = cut.to(torch::kFloat32);
  if (augmentation == Augmentation::kFull) {
    auto colours = torch::empty({size, 3, 3}, torch::kFloat32), shifts = torch::empty({size, 1, 3}, torch::kFloat32);
    for (std::int64_t i = 0; i < size; ++i)
      draw_colours(random, colours.data_ptr<float>() + 9 * i, shifts.data_ptr<float>() + 3 * i);
    out = torch::baddbmm(shifts, out.view({size, -1, kChannels}), colours.transpose(1, 2))
              .clamp_(0, 255)
              .view({size, kViews, side, side, kChannels});
  }
  return out.sub_(128).div_(64);
}

Batch Dataset::batch(std::uint64_t seed, std::int64_t step, std::int64_t size, Augmentation augmentation) const {
  Random random(seed * 0x9e3779b97f4a7c15ULL + static_cast<std::uint64_t>(step));
  std::vector<std::int64_t> frames;
  for (std::int64_t i = 0; i < size; ++i) frames.push_back(random.below(static_cast<int>(images_.size(0))));
  return make(frames, augmentation, random);
}

Batch Dataset::frames_at(const std::vector<std::int64_t>& frames) const {
  Random unused(0);
  return make(frames, Augmentation::kNone, unused);
}

Batch Dataset::make(const std::vector<std::int64_t>& frames, Augmentation augmentation, Random& random) const {
  const auto size = static_cast<std::int64_t>(frames.size());
  std::vector<std::int64_t> indices, tasks;
  for (const auto frame : frames) {
    for (std::int64_t k = 0; k < chunk_; ++k)
      indices.push_back(std::min(frame + k, last_[static_cast<std::size_t>(frame)]));
    tasks.push_back(task_[static_cast<std::size_t>(frame)]);
  }
  Batch out;
  out.observation.images = augmented(images_, frames, side_, augmentation, random).to(device_);
  out.observation.words = words_.index_select(0, torch::tensor(tasks, torch::kInt64).to(device_));
  out.observation.proprio = proprio_.index_select(0, torch::tensor(frames, torch::kInt64)).to(device_);
  out.actions =
      actions_.index_select(0, torch::tensor(indices, torch::kInt64)).view({size, chunk_, kActionSize}).to(device_);
  return out;
}

}  // namespace pionbench::vla
