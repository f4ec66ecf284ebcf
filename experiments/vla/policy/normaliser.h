#pragma once
/// Actions and proprioception in [−1, 1], by the 1 % and 99 % quantiles of the demonstrations:
///   x' = clip(2·(x − q01)/(q99 − q01) − 1, −1, 1),   x = (x' + 1)/2·(q99 − q01) + q01
/// The gripper of an action is left as it is (−1 open, +1 closed). A dimension that never changes (q01 = q99) becomes
/// 0 and comes back as that value. What lies outside the quantiles is clipped, so it does not come back.

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace pionbench::vla {

struct Quantiles {
  std::vector<double> low, high;  ///< q01 and q99 of each dimension
};

/// Of rows × dims values, with linear interpolation between neighbours, as NumPy's quantile. UserError without rows.
Quantiles quantiles_of(std::span<const float> values, int dims);

class Normaliser {
 public:
  Normaliser(Quantiles actions, Quantiles proprio);
  /// UserError naming the file when it is damaged or of other dimensions.
  static Normaliser load(const std::filesystem::path& file);
  void save(const std::filesystem::path& file) const;

  void normalise_action(std::span<const float> action, std::span<float> out) const;
  /// The gripper becomes its sign.
  void restore_action(std::span<const float> normalised, std::span<float> out) const;
  void normalise_proprio(std::span<const float> proprio, std::span<float> out) const;

  const Quantiles& actions() const { return actions_; }
  const Quantiles& proprio() const { return proprio_; }

 private:
  Quantiles actions_, proprio_;
};

}  // namespace pionbench::vla
