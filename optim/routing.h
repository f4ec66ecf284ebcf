#pragma once
/// One training step over a whole model: matrices go to a matrix optimizer, everything else to torch's own AdamW
/// ("auxiliary"), by role and never by shape.
///
///   role                      matrix arm          per-head matrix arm         AdamW arm   frozen arm (control)
///   matrix                    matrix optimizer    matrix optimizer (whole)    AdamW       not updated
///   heads_out, heads_in       matrix optimizer    matrix optimizer by head    AdamW       not updated
///   embedding, output, vector AdamW (auxiliary)   AdamW (auxiliary)           AdamW       AdamW
///
/// modules.cpp gives the matrices of each module (vision, language, action, other) an optimizer of its own: then there
/// is one part for each.
///
/// Parameters with requires_grad = false are left out altogether.

#include <torch/torch.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/setting.h"
#include "optim/parameter.h"

namespace pionbench::optim {

/// What one step did.
struct StepReport {
  /// Names of the parameters whose gradient held a NaN or an infinity; not empty: nothing was changed at all, neither
  /// weights nor momenta, in any part.
  std::vector<std::string> nonfinite;
  bool applied() const { return nonfinite.empty(); }
};

class RoutedOptimizer {
 public:
  /// One optimizer and the parameters that are its own.
  struct Part {
    std::string name;  ///< "matrix", "auxiliary", ...; a key of the checkpoint, unique
    std::unique_ptr<torch::optim::Optimizer> optimizer;
  };
  /// Parts without an optimizer are dropped. Owns them; the parameters' tensors are shared with the model. `parameters`
  /// gives reports their names.
  RoutedOptimizer(std::vector<Part> parts, const std::vector<Parameter>& parameters);
  /// The parts "matrix" and "auxiliary"; either may be null.
  RoutedOptimizer(std::unique_ptr<torch::optim::Optimizer> matrix, std::unique_ptr<torch::optim::Optimizer> auxiliary,
                  const std::vector<Parameter>& parameters);

  StepReport step();
  void zero_grad();
  /// Every group's learning rate becomes its initial one times `factor` (schedules, warm-up).
  void set_lr_factor(double factor);
  /// The direction that the matrix optimizer averages for this tensor; undefined where it keeps none.
  torch::Tensor momentum(const torch::Tensor& parameter) const;
  /// The name of the part that steps it, or "frozen".
  std::string owner(const torch::Tensor& parameter) const;
  /// What the steps so far did, for a run's metadata: "steps", "skipped", "engine/gram", "engine/standard",
  /// "engine/guarded", "leading/finished", "leading/passes", "leading/refused". The last six count matrices and are
  /// absent without a matrix part.
  std::map<std::string, std::int64_t> statistics() const;

  void save(torch::serialize::OutputArchive& archive) const;
  void load(torch::serialize::InputArchive& archive);

 private:
  std::vector<Part> parts_;
  std::vector<double> initial_lr_;  // of every group, in the order of parts
  std::map<const c10::TensorImpl*, std::string> names_;
  std::int64_t steps_ = 0, skipped_ = 0;
};

/// AdamW over the given parameters with hyperparameters <prefix>beta1, <prefix>beta2, <prefix>eps, weight_decay and
/// learning rate `lr`; null when none of them trains.
std::unique_ptr<torch::optim::Optimizer> make_adamw(const std::vector<Parameter>& parameters, const Values& hyper,
                                                    double lr, const std::string& prefix);

/// The parameters of each kind that train.
std::vector<Parameter> matrices_of(const std::vector<Parameter>& parameters);
std::vector<Parameter> auxiliaries_of(const std::vector<Parameter>& parameters);

/// Rows that every arm with an auxiliary AdamW declares: aux_lr_ratio, aux_beta1, aux_beta2, aux_eps.
std::vector<Setting> auxiliary_settings();
/// The auxiliary AdamW from those rows, at lr·aux_lr_ratio.
std::unique_ptr<torch::optim::Optimizer> make_auxiliary(const std::vector<Parameter>& parameters, const Values& hyper);

}  // namespace pionbench::optim
