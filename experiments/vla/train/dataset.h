#pragma once
/// Demonstrations as tensors, and batches of them.

#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/vla/data/demonstrations.h"
#include "experiments/vla/policy/normaliser.h"
#include "experiments/vla/policy/policy.h"
#include "experiments/vla/sim/random.h"

namespace pionbench::vla {

enum class Augmentation { kNone, kCrop, kFull };

struct Batch {
  Observation observation;
  torch::Tensor actions;  ///< [B, T, 7], normalised; behind the end of an episode its last action stands
};

/// Rows `frames` of `images` ([N, 2, S, S, 3] bytes, S ≥ side) as [B, 2, side, side, 3], (x − 128)/64.
///   kCrop  each view cut at a place of its own; otherwise in the middle
///   kFull  and VLANeXt's colours: brightness ±0.2, contrast and saturation 0.8…1.2, hue ±0.05, the same for both views
///          of a frame
/// `cuts`, if given, receives each view's left and top edge: x, y of view 0, x, y of view 1, frame by frame.
torch::Tensor augmented(const torch::Tensor& images, const std::vector<std::int64_t>& frames, std::int64_t side,
                        Augmentation augmentation, Random& random, std::vector<std::int64_t>* cuts = nullptr);

class Dataset {
 public:
  /// UserError when there are no frames, or images of another size than `image_size`.
  Dataset(const std::vector<TaskDemonstrations>& tasks, const Normaliser& normaliser, const Policy& policy,
          std::int64_t image_size);

  std::int64_t frames() const { return images_.size(0); }

  /// `size` frames drawn with replacement. Draw, crops and colours are a function of (seed, step), so that a resumed
  /// run meets the same batches, and every arm too.
  Batch batch(std::uint64_t seed, std::int64_t step, std::int64_t size, Augmentation augmentation) const;
  /// The named frames, without augmentation.
  Batch frames_at(const std::vector<std::int64_t>& frames) const;

 private:
  Batch make(const std::vector<std::int64_t>& frames, Augmentation augmentation, Random& random) const;

  std::int64_t chunk_, side_;
  torch::Device device_;
  torch::Tensor images_;             // [N, 2, S, S, 3] bytes
  torch::Tensor proprio_, actions_;  // [N, 8], [N, 7] normalised
  torch::Tensor words_;              // [tasks, W]
  std::vector<std::int64_t> task_, last_;
};

/// Quantiles of all actions and all proprioception in `tasks`.
Normaliser normaliser_of(const std::vector<TaskDemonstrations>& tasks);

}  // namespace pionbench::vla
