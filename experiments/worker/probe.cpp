#include "experiments/worker/probe.h"

#include <set>

#include "optim/matrix_optimizer.h"
#include "optim/spectral/metrics.h"

namespace pionbench {
namespace {

using optim::Role;

double frobenius(const torch::Tensor& x) {
  return x.detach().to(torch::kFloat64).norm().item<double>();
}

/// `values[name]` of each block from a batch [blocks].
void fill(std::vector<Named>& rows, const std::string& name, const torch::Tensor& batch) {
  const auto cpu = batch.to(torch::kCPU, torch::kFloat64).contiguous();
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i][name] = cpu.data_ptr<double>()[i];
}

torch::Tensor block_norms(const torch::Tensor& blocks) {
  return torch::linalg_vector_norm(blocks.to(torch::kFloat64), 2, at::IntArrayRef{-2, -1});
}

std::vector<optim::Parameter> matrices_among(const std::vector<optim::Parameter>& parameters) {
  std::vector<optim::Parameter> out;
  for (const auto& p : parameters)
    if (optim::is_matrix(p.role)) out.push_back(p);
  return out;
}

bool has_heads(const optim::Parameter& p) {
  return p.role != Role::kMatrix && p.heads > 1;
}

/// [heads, rows, columns] of a tensor shaped like `p`.
torch::Tensor heads_of(const optim::Parameter& p, const torch::Tensor& x) {
  return optim::head_blocks(x, p.heads, p.role == Role::kHeadsIn ? optim::HeadSide::kInput : optim::HeadSide::kOutput);
}

/// Does the part of this name map its matrices?
bool maps(const std::string& owner) {
  return owner != "adamw" && owner != "auxiliary" && owner != "frozen";
}

const char* name_of(optim::Modality modality) {
  switch (modality) {
    case optim::Modality::kVision:
      return "vision";
    case optim::Modality::kLanguage:
      return "language";
    case optim::Modality::kAction:
      return "action";
    case optim::Modality::kOther:
      break;
  }
  return "other";
}

/// Means over the matrices of a modality.
class ModalityMeans {
 public:
  void add(const std::string& name, optim::Modality modality, double value) {
    auto& [sum, count] = sums_[name + "/" + name_of(modality)];
    sum += value;
    ++count;
  }
  void write(Named& values) const {
    for (const auto& [name, entry] : sums_) values[name] = entry.first / entry.second;
  }

 private:
  std::map<std::string, std::pair<double, int>> sums_;
};

}  // namespace

InitialWeights::InitialWeights(const std::vector<optim::Parameter>& parameters)
    : matrices_(matrices_among(parameters)) {
  for (const auto& p : matrices_) weights_[p.name] = p.tensor.detach().clone();
}

void InitialWeights::report(EventWriter& events) const {
  for (const auto& p : matrices_) {
    const auto& w = weights_.at(p.name);
    events.spectral(0, p.name, -1, {{"initial_weight_norm", frobenius(w)}});
    if (!has_heads(p)) continue;
    std::vector<Named> rows(static_cast<std::size_t>(p.heads));
    fill(rows, "initial_weight_norm", block_norms(heads_of(p, w)));
    for (std::size_t head = 0; head < rows.size(); ++head)
      events.spectral(0, p.name, static_cast<int>(head), rows[head]);
  }
}

Probe::Probe(const std::vector<optim::Parameter>& parameters, const optim::RoutedOptimizer& optimizer, double lr,
             const InitialWeights* initial, double update_scale)
    : matrices_(matrices_among(parameters)),
      optimizer_(optimizer),
      lr_(lr),
      initial_(initial),
      update_scale_(update_scale) {}

void Probe::before() {
  weights_before_.clear();
  for (const auto& p : matrices_) weights_before_.push_back(p.tensor.detach().clone());
  statistics_before_ = optimizer_.statistics();
}

void Probe::after(std::int64_t step, EventWriter& events) {
  const torch::NoGradGuard no_grad;
  double update_square = 0, weight_square = 0, elements = 0;
  ModalityMeans means;
  std::set<optim::Modality> modalities;
  for (std::size_t i = 0; i < matrices_.size(); ++i) {
    const auto& p = matrices_[i];
    const auto update = p.tensor.detach() - weights_before_[i];
    const auto gradient = p.tensor.grad().defined() ? p.tensor.grad() : torch::zeros_like(update);
    const auto momentum = optimizer_.momentum(p.tensor);
    const double update_norm = frobenius(update), weight_norm = frobenius(weights_before_[i]);
    const auto count = static_cast<double>(update.numel());
    update_square += update_norm * update_norm;
    weight_square += weight_norm * weight_norm;
    elements += count;

    const auto s = optim::singular_values(gradient);
    const double rank = optim::effective_rank(s).item<double>();
    const auto least = static_cast<double>(std::min(update.size(0), update.size(1)));
    modalities.insert(p.modality);
    means.add("grad_effective_rank", p.modality, rank);
    means.add("grad_effective_rank_share", p.modality, rank / least);
    if (update_scale_ > 0 && maps(optimizer_.owner(p.tensor))) {
      const auto longest = static_cast<double>(std::max(update.size(0), update.size(1)));
      const auto mapped = optim::singular_values(update) / (lr_ * update_scale_ * std::sqrt(longest));
      means.add("directions_passed", p.modality, optim::directions_passed(mapped).item<double>());
    }
    Named values = {{"grad_norm", frobenius(gradient)},
                    {"grad_effective_rank", rank},
                    {"grad_top_energy", optim::top_energy(s).item<double>()},
                    {"update_norm", update_norm},
                    {"update_rms_over_lr", update_norm / std::sqrt(count) / lr_},
                    {"relative_change", weight_norm > 0 ? update_norm / weight_norm : 0}};
    if (momentum.defined())
      values["momentum_top_energy"] = optim::top_energy(optim::singular_values(momentum)).item<double>();
    torch::Tensor displacement;
    if (initial_) {
      displacement = p.tensor.detach() - initial_->of(p.name);
      values["displacement_norm"] = frobenius(displacement);
    }
    if (!has_heads(p)) {
      events.spectral(step, p.name, -1, values);
      continue;
    }
    const auto blocks = [&](const torch::Tensor& x) { return heads_of(p, x); };
    values["update_head_variance"] = optim::cross_head_variance(blocks(update));
    if (initial_) {
      values["initial_head_variance"] = optim::cross_head_variance(blocks(initial_->of(p.name)));
      values["displacement_head_variance"] = optim::cross_head_variance(blocks(displacement));
    }
    events.spectral(step, p.name, -1, values);
    std::vector<Named> rows(static_cast<std::size_t>(p.heads));
    fill(rows, "grad_norm", block_norms(blocks(gradient)));
    fill(rows, "grad_top_energy", optim::top_energy(optim::singular_values(blocks(gradient))));
    fill(rows, "update_norm", block_norms(blocks(update)));
    if (initial_) fill(rows, "displacement_norm", block_norms(blocks(displacement)));
    if (momentum.defined())
      fill(rows, "momentum_top_energy", optim::top_energy(optim::singular_values(blocks(momentum))));
    for (std::size_t head = 0; head < rows.size(); ++head)
      events.spectral(step, p.name, static_cast<int>(head), rows[head]);
  }
  weights_before_.clear();
  if (elements == 0) return;
  Named values = {{"update_rms_over_lr", std::sqrt(update_square / elements) / lr_},
                  {"relative_change", weight_square > 0 ? std::sqrt(update_square / weight_square) : 0}};
  // Of this one step: counts since the start would differ after a resumption.
  for (const auto& [name, count] : optimizer_.statistics())
    if (name.find('/') != std::string::npos)
      values["optimizer/" + name] = static_cast<double>(count - statistics_before_[name]);
  if (modalities.size() > 1) means.write(values);
  events.metric(step, values);
}

}  // namespace pionbench
