#include "experiments/vla/train/dataset.h"

#include <cstring>
#include <numbers>

#include "core/error.h"
#include "experiments/vla/sim/random.h"

namespace pionbench::vla {
namespace {

constexpr std::int64_t kChannels = 3, kViews = 2;

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
  return {quantiles_of(actions, kActionSize), quantiles_of(proprio, kProprioSize)};
}

Dataset::Dataset(const std::vector<TaskDemonstrations>& tasks, const Normaliser& normaliser, const Policy& policy,
                 std::int64_t image_size)
    : chunk_(policy.config().chunk), side_(policy.config().image), device_(policy.device()), dtype_(torch::kFloat32) {
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

Batch Dataset::batch(std::uint64_t seed, std::int64_t step, std::int64_t size, Augmentation augmentation) const {
  Random random(seed * 0x9e3779b97f4a7c15ULL + static_cast<std::uint64_t>(step));
  const auto margin = static_cast<int>(images_.size(2) - side_);
  std::vector<std::int64_t> frames, offsets;
  torch::Tensor colours, shifts;
  if (augmentation == Augmentation::kFull) {
    colours = torch::empty({size, 3, 3}, torch::kFloat32);
    shifts = torch::empty({size, 1, 3}, torch::kFloat32);
  }
  for (std::int64_t i = 0; i < size; ++i) {
    frames.push_back(random.below(static_cast<int>(images_.size(0))));
    for (int k = 0; k < 2 * kViews; ++k)
      offsets.push_back(augmentation == Augmentation::kNone ? margin / 2 : random.below(margin + 1));
    if (augmentation == Augmentation::kFull)
      draw_colours(random, colours.data_ptr<float>() + 9 * i, shifts.data_ptr<float>() + 3 * i);
  }
  return make(frames, offsets, colours, shifts);
}

Batch Dataset::frames_at(const std::vector<std::int64_t>& frames) const {
  const auto middle = (images_.size(2) - side_) / 2;
  return make(frames, std::vector<std::int64_t>(frames.size() * 2 * kViews, middle), {}, {});
}

Batch Dataset::make(const std::vector<std::int64_t>& frames, const std::vector<std::int64_t>& offsets,
                    const torch::Tensor& colours, const torch::Tensor& shifts) const {
  const auto size = static_cast<std::int64_t>(frames.size()), whole = images_.size(2);
  auto cut = torch::empty({size, kViews, side_, side_, kChannels}, torch::kUInt8);
  const auto* from = images_.data_ptr<std::uint8_t>();
  auto* to = cut.data_ptr<std::uint8_t>();
  const auto row = static_cast<std::size_t>(side_ * kChannels);
  std::vector<std::int64_t> indices, tasks;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    for (std::int64_t v = 0; v < kViews; ++v) {
      const auto x = offsets[4 * i + 2 * static_cast<std::size_t>(v)],
                 y = offsets[4 * i + 2 * static_cast<std::size_t>(v) + 1];
      for (std::int64_t r = 0; r < side_; ++r, to += row)
        std::memcpy(to, from + (((frames[i] * kViews + v) * whole + y + r) * whole + x) * kChannels, row);
    }
    for (std::int64_t k = 0; k < chunk_; ++k)
      indices.push_back(std::min(frames[i] + k, last_[static_cast<std::size_t>(frames[i])]));
    tasks.push_back(task_[static_cast<std::size_t>(frames[i])]);
  }
  auto images = cut.to(dtype_);
  if (colours.defined())
    images = torch::baddbmm(shifts, images.view({size, -1, kChannels}), colours.transpose(1, 2))
                 .clamp(0, 255)
                 .view({size, kViews, side_, side_, kChannels});
  Batch out;
  out.observation.images = ((images - 128) / 64).to(device_);
  out.observation.words = words_.index_select(0, torch::tensor(tasks, torch::kInt64).to(device_));
  out.observation.proprio = proprio_.index_select(0, torch::tensor(frames, torch::kInt64)).to(device_);
  out.actions =
      actions_.index_select(0, torch::tensor(indices, torch::kInt64)).view({size, chunk_, kActionSize}).to(device_);
  return out;
}

}  // namespace pionbench::vla
