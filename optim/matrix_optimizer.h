#pragma once
/// The step that Muon, Pion and their relatives share: momentum, a spectral map, a scale, decoupled decay.
///
///   M ← μM + (1 − μ)G   (EMA)   or   M ← μM + G   (sum)
///   D = M, or with Nesterov the same average of G and M once more
///   W ← (1 − ηλ)W − η·s·√(…)·f(D / ‖D‖_F)
///
/// Shapes  W, G, M: [m, n]; with heads the map, its norm and its scale act on each head's block
///         (heads on the output side: [m/H, n]; on the input side: [m, n/H]).
/// State   one buffer of W's shape and type per parameter.
/// Cost    momentum 3mn, map: spectral/engine.h. Equal shapes of one group are stacked and mapped in one batch. A map
///         that lets only a few directions pass (Pion at k_p ≤ 1) takes spectral/leading.h instead, O(mn).
/// Errors  UserError unless every parameter is 2-D, dense, floating, and its head count divides the split side.
/// A parameter without a gradient is left as it is. If any gradient holds a NaN or an infinity the whole step is left
/// out: weights, momenta and step counts stay, statistics().skipped counts it.

#include <torch/torch.h>

#include <vector>

#include "optim/spectral/engine.h"
#include "optim/spectral/leading.h"

namespace pionbench::optim {

/// √max(rows, cols): Pion, Moonlight.  √max(1, rows/cols): Keller Jordan, torch's "original".  1: the paper's
/// algorithms.
enum class ScaleRule { kSqrtMax, kSqrtRatio, kNone };
enum class MomentumRule { kEma, kSum };
enum class HeadSide { kOutput, kInput };

/// Options of one parameter group. `spectral_map` is data: a new polynomial is a new value, not a new class.
struct MatrixOptions : public torch::optim::OptimizerCloneableOptions<MatrixOptions> {
  explicit MatrixOptions(double lr = 0.02) : lr_(lr) {}
  TORCH_ARG(double, lr);
  TORCH_ARG(double, momentum) = 0.95;
  TORCH_ARG(MomentumRule, momentum_rule) = MomentumRule::kEma;
  TORCH_ARG(bool, nesterov) = true;
  TORCH_ARG(double, weight_decay) = 0.0;
  TORCH_ARG(double, update_scale) = 1.0;
  TORCH_ARG(ScaleRule, scale_rule) = ScaleRule::kSqrtMax;
  TORCH_ARG(EngineOptions, engine) = {};
  TORCH_ARG(SpectralMap, spectral_map) = muon_map();
  TORCH_ARG(std::int64_t, heads) = 1;
  TORCH_ARG(HeadSide, head_side) = HeadSide::kOutput;
  /// spectral/leading.h where few directions pass: exact within 1e-3 (Frobenius norm of the mapped matrix), half of
  /// what bfloat16 products cost in accuracy.
  TORCH_ARG(bool, fast_path) = true;

 public:
  void serialize(torch::serialize::InputArchive& archive) override;
  void serialize(torch::serialize::OutputArchive& archive) const override;
  double get_lr() const override { return lr(); }
  void set_lr(double lr) override { lr_ = lr; }
};

struct MatrixParamState : public torch::optim::OptimizerCloneableParamState<MatrixParamState> {
  TORCH_ARG(std::int64_t, step) = 0;
  TORCH_ARG(torch::Tensor, momentum_buffer) = {};
  TORCH_ARG(torch::Tensor, second_buffer) = {};  ///< NorMuon's row moments, Dion's right factors
  TORCH_ARG(torch::Tensor, leading_basis) = {};  ///< [heads, 8, cols]: where the fast path starts from

 public:
  void serialize(torch::serialize::InputArchive& archive) override;
  void serialize(torch::serialize::OutputArchive& archive) const override;
};

/// What the steps so far did; part of a run's metadata.
struct StepStatistics {
  std::int64_t steps = 0;
  std::int64_t skipped = 0;          ///< steps left out because a gradient was not finite
  EngineReport engine;               ///< matrices (heads count each) that went through the engine
  std::int64_t leading = 0;          ///< matrices that the fast path finished
  std::int64_t leading_passes = 0;   ///< its passes over them
  std::int64_t leading_refused = 0;  ///< matrices that it handed to the engine
};

/// Those parameters of an optimizer whose gradient holds a NaN or an infinity. One pass over the gradients.
std::vector<torch::Tensor> nonfinite_gradients(const torch::optim::Optimizer& optimizer);

/// Moves the state of AdamW, SGD and MatrixOptimizer to where each parameter is: an archive that was read on the CPU
/// leaves it there, and torch's own load() does not ask.
void place_state(torch::optim::Optimizer& optimizer);

class MatrixOptimizer : public torch::optim::Optimizer {
 public:
  explicit MatrixOptimizer(const std::vector<torch::optim::OptimizerParamGroup>& groups,
                           MatrixOptions defaults = MatrixOptions());
  explicit MatrixOptimizer(std::vector<torch::Tensor> params, MatrixOptions defaults = MatrixOptions())
      : MatrixOptimizer({torch::optim::OptimizerParamGroup(std::move(params))}, std::move(defaults)) {}

  torch::Tensor step(LossClosure closure = nullptr) override;
  /// step() for a caller that has looked at nonfinite_gradients() itself.
  void step_on_finite_gradients();
  void save(torch::serialize::OutputArchive& archive) const override;
  void load(torch::serialize::InputArchive& archive) override;

  /// The momentum of a parameter, undefined before its first step.
  torch::Tensor momentum(const torch::Tensor& parameter) const;
  const StepStatistics& statistics() const { return statistics_; }

 protected:
  /// What relatives replace. `directions` [parameters, heads, rows, cols], not normalised; `step` counts from 1.
  /// Default: the group's spectral map.
  virtual torch::Tensor map(const torch::Tensor& directions, const MatrixOptions& options, std::int64_t step);
  /// What relatives add after the map, for one parameter: update [heads, rows, cols] -> the same. Default: nothing.
  virtual torch::Tensor adjust(const torch::Tensor& update, MatrixParamState& state, const MatrixOptions& options);

 private:
  struct Item;
  std::vector<Item> collect(torch::optim::OptimizerParamGroup& group, const MatrixOptions& options);
  std::vector<Item> step_few_directions(std::vector<Item> items, const MatrixOptions& options);
  void step_dense(const std::vector<Item>& items, const MatrixOptions& options);

  StepStatistics statistics_;
  SpectralMap profiled_;  // what profile_ was made of
  FilterProfile profile_;
  std::int64_t drawn_ = 0;  // seeds handed out in this step
};

/// W as its heads' blocks, [heads, rows, cols], a view where the layout allows: heads = 1 gives [1, m, n].
torch::Tensor head_blocks(const torch::Tensor& w, std::int64_t heads, HeadSide side);
/// The inverse of head_blocks: [heads, rows, cols] -> [m, n].
torch::Tensor merge_heads(const torch::Tensor& blocks, HeadSide side);

/// s·√(…) for a block of rows × cols.
double update_factor(const MatrixOptions& options, std::int64_t rows, std::int64_t cols);

}  // namespace pionbench::optim
