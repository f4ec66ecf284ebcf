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
/// Cost    momentum 3mn, map: spectral/engine.h. Equal shapes of one group are stacked and mapped in one batch.
/// Errors  UserError unless every parameter is 2-D, dense, floating, and its head count divides the split side.
/// A parameter without a gradient is left as it is.

#include <torch/torch.h>

#include <vector>

#include "optim/spectral/engine.h"

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

 public:
  void serialize(torch::serialize::InputArchive& archive) override;
  void serialize(torch::serialize::OutputArchive& archive) const override;
};

class MatrixOptimizer : public torch::optim::Optimizer {
 public:
  explicit MatrixOptimizer(const std::vector<torch::optim::OptimizerParamGroup>& groups,
                           MatrixOptions defaults = MatrixOptions());
  explicit MatrixOptimizer(std::vector<torch::Tensor> params, MatrixOptions defaults = MatrixOptions())
      : MatrixOptimizer({torch::optim::OptimizerParamGroup(std::move(params))}, std::move(defaults)) {}

  torch::Tensor step(LossClosure closure = nullptr) override;
  void save(torch::serialize::OutputArchive& archive) const override;
  void load(torch::serialize::InputArchive& archive) override;

  /// The momentum of a parameter, undefined before its first step.
  torch::Tensor momentum(const torch::Tensor& parameter) const;

 protected:
  /// What relatives replace. `directions` [parameters, heads, rows, cols], not normalised; `step` counts from 1.
  /// Default: the group's spectral map.
  virtual torch::Tensor map(const torch::Tensor& directions, const MatrixOptions& options, std::int64_t step);
  /// What relatives add after the map, for one parameter: update [heads, rows, cols] -> the same. Default: nothing.
  virtual torch::Tensor adjust(const torch::Tensor& update, MatrixParamState& state, const MatrixOptions& options);
};

/// W as its heads' blocks, [heads, rows, cols], a view where the layout allows: heads = 1 gives [1, m, n].
torch::Tensor head_blocks(const torch::Tensor& w, std::int64_t heads, HeadSide side);
/// The inverse of head_blocks: [heads, rows, cols] -> [m, n].
torch::Tensor merge_heads(const torch::Tensor& blocks, HeadSide side);

/// s·√(…) for a block of rows × cols.
double update_factor(const MatrixOptions& options, std::int64_t rows, std::int64_t cols);

}  // namespace pionbench::optim
