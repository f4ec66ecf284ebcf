#include "optim/routing.h"

#include "optim/matrix_optimizer.h"

namespace pionbench::optim {
namespace {

template <typename Keep>
std::vector<Parameter> filter(const std::vector<Parameter>& parameters, Keep&& keep) {
  std::vector<Parameter> out;
  for (const auto& p : parameters)
    if (p.tensor.requires_grad() && keep(p)) out.push_back(p);
  return out;
}

bool owns(const torch::optim::Optimizer& optimizer, const torch::Tensor& parameter) {
  for (const auto& group : optimizer.param_groups())
    for (const auto& w : group.params())
      if (w.is_same(parameter)) return true;
  return false;
}

std::vector<RoutedOptimizer::Part> two_parts(std::unique_ptr<torch::optim::Optimizer> matrix,
                                             std::unique_ptr<torch::optim::Optimizer> auxiliary) {
  std::vector<RoutedOptimizer::Part> out;
  out.push_back({"matrix", std::move(matrix)});
  out.push_back({"auxiliary", std::move(auxiliary)});
  return out;
}

}  // namespace

RoutedOptimizer::RoutedOptimizer(std::vector<Part> parts, const std::vector<Parameter>& parameters)
    : parts_(std::move(parts)) {
  std::erase_if(parts_, [](const Part& part) { return !part.optimizer; });
  for (const auto& p : parameters) names_[p.tensor.unsafeGetTensorImpl()] = p.name;
  for (const auto& part : parts_)
    for (const auto& group : part.optimizer->param_groups()) initial_lr_.push_back(group.options().get_lr());
}

RoutedOptimizer::RoutedOptimizer(std::unique_ptr<torch::optim::Optimizer> matrix,
                                 std::unique_ptr<torch::optim::Optimizer> auxiliary,
                                 const std::vector<Parameter>& parameters)
    : RoutedOptimizer(two_parts(std::move(matrix), std::move(auxiliary)), parameters) {}

StepReport RoutedOptimizer::step() {
  StepReport report;
  // All parts first: half a step would be worse than none.
  for (const auto& part : parts_)
    for (const auto& w : nonfinite_gradients(*part.optimizer))
      report.nonfinite.push_back(names_[w.unsafeGetTensorImpl()]);
  if (!report.applied()) {
    ++skipped_;
    return report;
  }
  ++steps_;
  for (const auto& part : parts_) {
    if (auto* matrix = dynamic_cast<MatrixOptimizer*>(part.optimizer.get()))
      matrix->step_on_finite_gradients();
    else
      part.optimizer->step();
  }
  return report;
}

std::map<std::string, std::int64_t> RoutedOptimizer::statistics() const {
  std::map<std::string, std::int64_t> out = {{"steps", steps_}, {"skipped", skipped_}};
  for (const auto& part : parts_)
    if (const auto* matrix = dynamic_cast<const MatrixOptimizer*>(part.optimizer.get())) {
      const auto& s = matrix->statistics();
      out["engine/gram"] += s.engine.gram;
      out["engine/standard"] += s.engine.standard;
      out["engine/guarded"] += s.engine.guarded;
      out["leading/finished"] += s.leading;
      out["leading/passes"] += s.leading_passes;
      out["leading/refused"] += s.leading_refused;
    }
  return out;
}

void RoutedOptimizer::zero_grad() {
  for (const auto& part : parts_) part.optimizer->zero_grad();
}

void RoutedOptimizer::set_lr_factor(double factor) {
  std::size_t i = 0;
  for (const auto& part : parts_)
    for (auto& group : part.optimizer->param_groups()) group.options().set_lr(initial_lr_[i++] * factor);
}

torch::Tensor RoutedOptimizer::momentum(const torch::Tensor& parameter) const {
  for (const auto& part : parts_) {
    if (const auto* matrix = dynamic_cast<const MatrixOptimizer*>(part.optimizer.get())) {
      if (auto buffer = matrix->momentum(parameter); buffer.defined()) return buffer;
      continue;
    }
    const auto it = part.optimizer->state().find(parameter.unsafeGetTensorImpl());
    if (it == part.optimizer->state().end()) continue;
    if (const auto* adamw = dynamic_cast<const torch::optim::AdamWParamState*>(it->second.get()))
      return adamw->exp_avg();
    if (const auto* sgd = dynamic_cast<const torch::optim::SGDParamState*>(it->second.get()))
      return sgd->momentum_buffer();
  }
  return {};
}

std::string RoutedOptimizer::owner(const torch::Tensor& parameter) const {
  for (const auto& part : parts_)
    if (owns(*part.optimizer, parameter)) return part.name;
  return "frozen";
}

void RoutedOptimizer::save(torch::serialize::OutputArchive& archive) const {
  for (const auto& part : parts_) {
    torch::serialize::OutputArchive inner(archive.compilation_unit());
    part.optimizer->save(inner);
    archive.write(part.name, inner);
  }
}

void RoutedOptimizer::load(torch::serialize::InputArchive& archive) {
  for (const auto& part : parts_) {
    torch::serialize::InputArchive inner;
    archive.read(part.name, inner);
    part.optimizer->load(inner);
    place_state(*part.optimizer);
  }
}

std::vector<Parameter> matrices_of(const std::vector<Parameter>& parameters) {
  return filter(parameters, [](const Parameter& p) { return is_matrix(p.role); });
}

std::vector<Parameter> auxiliaries_of(const std::vector<Parameter>& parameters) {
  return filter(parameters, [](const Parameter& p) { return !is_matrix(p.role); });
}

std::unique_ptr<torch::optim::Optimizer> make_adamw(const std::vector<Parameter>& parameters, const Values& hyper,
                                                    double lr, const std::string& prefix) {
  std::vector<torch::Tensor> tensors;
  for (const auto& p : parameters)
    if (p.tensor.requires_grad()) tensors.push_back(p.tensor);
  if (tensors.empty()) return nullptr;
  auto options = torch::optim::AdamWOptions(lr)
                     .betas({get_real(hyper, prefix + "beta1"), get_real(hyper, prefix + "beta2")})
                     .eps(get_real(hyper, prefix + "eps"))
                     .weight_decay(get_real(hyper, "weight_decay"));
  return std::make_unique<torch::optim::AdamW>(tensors, options);
}

std::vector<Setting> auxiliary_settings() {
  return {
      real_setting("aux_lr_ratio", 1.0, 0, 1e3, "learning rate of the auxiliary AdamW, as a multiple of lr"),
      real_setting("aux_beta1", 0.9, 0, 0.999999, "auxiliary AdamW: decay of the first moment"),
      real_setting("aux_beta2", 0.999, 0, 0.99999999, "auxiliary AdamW: decay of the second moment"),
      real_setting("aux_eps", 1e-8, 0, 1, "auxiliary AdamW: added to the root of the second moment"),
  };
}

std::unique_ptr<torch::optim::Optimizer> make_auxiliary(const std::vector<Parameter>& parameters, const Values& hyper) {
  return make_adamw(auxiliaries_of(parameters), hyper, get_real(hyper, "lr") * get_real(hyper, "aux_lr_ratio"), "aux_");
}

}  // namespace pionbench::optim
