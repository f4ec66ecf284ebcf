#include "optim/matrix_optimizer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <typeinfo>

#include "core/error.h"

namespace pionbench::optim {
namespace {

std::string shape_text(const torch::Tensor& x) {
  return c10::str(x.sizes());
}

void check_parameter(const torch::Tensor& w, const MatrixOptions& options) {
  const std::string where = "matrix optimizer: parameter of shape " + shape_text(w) + ": ";
  if (w.dim() != 2) throw UserError(where + "only 2-D parameters are allowed; give it role vector, or flatten it");
  if (!w.is_floating_point() || w.is_sparse())
    throw UserError(where + "only dense floating-point parameters are allowed");
  const auto side = w.size(options.head_side() == HeadSide::kOutput ? 0 : 1);
  if (options.heads() < 1 || side % options.heads() != 0)
    throw UserError(where + std::to_string(options.heads()) + " heads do not divide its " +
                    (options.head_side() == HeadSide::kOutput ? "output" : "input") + " side of " +
                    std::to_string(side));
}

/// Parameters of one group that are mapped together: same shape, device and type.
using Shape = std::tuple<std::int64_t, std::int64_t, std::string, torch::Dtype>;

/// A block of a parameter as a view: the whole, or one head.
torch::Tensor block_view(const torch::Tensor& w, std::int64_t head, std::int64_t heads, HeadSide side) {
  const auto axis = side == HeadSide::kOutput ? 0 : 1;
  const auto size = w.size(axis) / heads;
  return w.narrow(axis, head * size, size);
}

}  // namespace

torch::Tensor head_blocks(const torch::Tensor& w, std::int64_t heads, HeadSide side) {
  if (side == HeadSide::kOutput) return w.reshape({heads, w.size(0) / heads, w.size(1)});
  return w.reshape({w.size(0), heads, w.size(1) / heads}).permute({1, 0, 2});
}

torch::Tensor merge_heads(const torch::Tensor& blocks, HeadSide side) {
  const auto heads = blocks.size(0), rows = blocks.size(1), cols = blocks.size(2);
  if (side == HeadSide::kOutput) return blocks.reshape({heads * rows, cols});
  return blocks.permute({1, 0, 2}).reshape({rows, heads * cols});
}

double update_factor(const MatrixOptions& options, std::int64_t rows, std::int64_t cols) {
  const double r = static_cast<double>(rows), c = static_cast<double>(cols);
  switch (options.scale_rule()) {
    case ScaleRule::kSqrtMax:
      return options.update_scale() * std::sqrt(std::max(r, c));
    case ScaleRule::kSqrtRatio:
      return options.update_scale() * std::sqrt(std::max(1.0, r / c));
    case ScaleRule::kNone:
      return options.update_scale();
  }
  return 0;
}

MatrixOptimizer::MatrixOptimizer(const std::vector<torch::optim::OptimizerParamGroup>& groups, MatrixOptions defaults)
    : Optimizer(groups, std::make_unique<MatrixOptions>(std::move(defaults))) {
  // torch 2.13's add_param_group merges a group's own options for torch's own optimizers only; for any other type it
  // silently keeps the defaults. Put back what the caller said.
  for (std::size_t i = 0; i < groups.size(); ++i)
    if (groups[i].has_options()) param_groups_[i].set_options(groups[i].options().clone());
  for (const auto& group : param_groups_)
    for (const auto& w : group.params()) check_parameter(w, static_cast<const MatrixOptions&>(group.options()));
}

std::vector<torch::Tensor> nonfinite_gradients(const torch::optim::Optimizer& optimizer) {
  const torch::NoGradGuard no_grad;
  // A sum is finite unless a term is not, or it overflows; only then look closer. One transfer for all of them.
  std::vector<torch::Tensor> with_gradient, sums;
  for (const auto& group : optimizer.param_groups())
    for (const auto& w : group.params()) {
      const auto& grad = w.grad();
      if (!grad.defined() || grad.is_sparse()) continue;
      with_gradient.push_back(w);
      sums.push_back(grad.sum());
    }
  std::vector<torch::Tensor> out;
  if (sums.empty()) return out;
  if (sums.front().is_cpu()) {
    if (std::all_of(sums.begin(), sums.end(),
                    [](const auto& sum) { return std::isfinite(sum.template item<double>()); }))
      return out;
  } else {
    for (auto& sum : sums) sum = sum.to(sums.front().device(), torch::kFloat32);
    if (torch::stack(sums).isfinite().all().item<bool>()) return out;
  }
  for (const auto& w : with_gradient)
    if (!w.grad().isfinite().all().item<bool>()) out.push_back(w);
  return out;
}

/// One parameter in one step.
struct MatrixOptimizer::Item {
  torch::Tensor weight;
  torch::Tensor direction;  // [m, n], what is mapped
  MatrixParamState* state = nullptr;
};

torch::Tensor MatrixOptimizer::step(LossClosure closure) {
  torch::Tensor loss;
  if (closure) {
    const torch::AutoGradMode with_grad(true);
    loss = closure();
  }
  if (nonfinite_gradients(*this).empty())
    step_on_finite_gradients();
  else
    ++statistics_.skipped;
  return loss;
}

void MatrixOptimizer::step_on_finite_gradients() {
  const torch::NoGradGuard no_grad;
  ++statistics_.steps;
  drawn_ = 0;
  for (auto& group : param_groups_) {
    const auto& o = static_cast<const MatrixOptions&>(group.options());
    step_dense(step_few_directions(collect(group, o), o), o);
  }
}

/// Momenta move on here; weights do not.
std::vector<MatrixOptimizer::Item> MatrixOptimizer::collect(torch::optim::OptimizerParamGroup& group,
                                                            const MatrixOptions& o) {
  std::vector<Item> items;
  for (auto& w : group.params()) {
    const auto& grad = w.grad();
    if (!grad.defined()) continue;
    if (grad.is_sparse())
      throw UserError("matrix optimizer: the gradient of shape " + shape_text(w) +
                      " is sparse; only dense ones are allowed");
    auto& state = state_[w.unsafeGetTensorImpl()];
    if (!state) {
      auto fresh = std::make_unique<MatrixParamState>();
      fresh->momentum_buffer(torch::zeros_like(w, torch::MemoryFormat::Preserve));
      state = std::move(fresh);
    }
    auto& own = static_cast<MatrixParamState&>(*state);
    own.step(own.step() + 1);
    auto& buffer = own.momentum_buffer();
    torch::Tensor direction;
    if (o.momentum_rule() == MomentumRule::kEma) {
      buffer.lerp_(grad, 1 - o.momentum());
      direction = o.nesterov() ? grad.lerp(buffer, o.momentum()) : buffer;
    } else {
      buffer.mul_(o.momentum()).add_(grad);
      direction = o.nesterov() ? grad.add(buffer, o.momentum()) : buffer;
    }
    items.push_back({w, direction, &own});
  }
  return items;
}

/// Steps those parameters whose map lets few directions pass and returns the others. A head that does not settle goes
/// through the map by itself.
std::vector<MatrixOptimizer::Item> MatrixOptimizer::step_few_directions(std::vector<Item> items,
                                                                        const MatrixOptions& o) {
  // Relatives replace map() or adjust(); what they make of a direction is not known here.
  if (!o.fast_path() || typeid(*this) != typeid(MatrixOptimizer) ||
      o.engine().normalisation != Normalisation::kFrobenius)
    return items;
  if (profiled_ != o.spectral_map()) {
    profiled_ = o.spectral_map();
    profile_ = filter_profile(profiled_);
  }
  struct Block {
    torch::Tensor weight, direction, basis;
    bool warm;
    std::int64_t step;
  };
  std::map<Shape, std::vector<Block>> buckets;  // equal shapes together: other devices take them in one batch
  std::vector<Item> others;
  for (auto& item : items) {
    const auto rows = item.weight.size(0) / (o.head_side() == HeadSide::kOutput ? o.heads() : 1);
    const auto cols = item.weight.size(1) / (o.head_side() == HeadSide::kInput ? o.heads() : 1);
    if (!few_directions(profile_, rows, cols)) {
      others.push_back(item);
      continue;
    }
    auto& basis = item.state->leading_basis();
    const bool warm = basis.defined();
    if (!warm) basis = torch::zeros({o.heads(), 8, cols}, item.weight.options().dtype(torch::kFloat32));
    auto direction = item.direction.to(torch::kFloat32);
    if (direction.stride(1) != 1) direction = direction.contiguous();
    for (std::int64_t head = 0; head < o.heads(); ++head)
      buckets[{rows, cols, item.weight.device().str(), item.weight.scalar_type()}].push_back(
          {block_view(item.weight, head, o.heads(), o.head_side()),
           block_view(direction, head, o.heads(), o.head_side()), basis[head], warm, item.state->step()});
  }
  const double decay = 1 - o.lr() * o.weight_decay();
  for (auto& [shape, blocks] : buckets) {
    std::vector<torch::Tensor> x, bases;
    std::vector<std::uint64_t> seeds;
    for (const auto& block : blocks) {
      x.push_back(block.direction);
      bases.push_back(block.warm ? block.basis : torch::Tensor());
      // From the parameter's own step count, so that a resumed run draws what an uninterrupted one would.
      seeds.push_back(static_cast<std::uint64_t>(block.step) << 32 | static_cast<std::uint64_t>(drawn_++));
    }
    const double factor = update_factor(o, std::get<0>(shape), std::get<1>(shape));
    const auto updates = leading_updates(x, bases, seeds, o.spectral_map(), profile_, o.engine());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      auto& block = blocks[i];
      block.basis.copy_(updates[i].basis);
      statistics_.leading_passes += updates[i].passes;
      if (updates[i].certified) {
        ++statistics_.leading;
        apply_leading_update(block.weight, updates[i], decay, -o.lr() * factor);
        continue;
      }
      ++statistics_.leading_refused;
      const auto update = apply_spectral_map(block.direction, o.spectral_map(), o.engine(), &statistics_.engine);
      block.weight.mul_(decay).add_(update.to(block.weight.scalar_type()), -o.lr() * factor);
    }
  }
  return others;
}

void MatrixOptimizer::step_dense(const std::vector<Item>& items, const MatrixOptions& o) {
  std::map<Shape, std::vector<const Item*>> buckets;
  for (const auto& item : items)
    buckets[{item.weight.size(0), item.weight.size(1), item.weight.device().str(), item.weight.scalar_type()}]
        .push_back(&item);
  for (const auto& [shape, bucket] : buckets) {
    torch::Tensor blocks;  // [parameters, heads, rows, cols]
    if (bucket.size() == 1) {
      blocks = head_blocks(bucket.front()->direction, o.heads(), o.head_side()).unsqueeze(0);
    } else {
      std::vector<torch::Tensor> directions;
      for (const auto* item : bucket) directions.push_back(head_blocks(item->direction, o.heads(), o.head_side()));
      blocks = torch::stack(directions);
    }
    const auto update = map(blocks, o, bucket.front()->state->step());
    const double factor = update_factor(o, blocks.size(2), blocks.size(3));
    for (std::size_t i = 0; i < bucket.size(); ++i) {
      auto w = bucket[i]->weight;
      if (o.weight_decay() != 0) w.mul_(1 - o.lr() * o.weight_decay());
      const auto own = adjust(update[static_cast<std::int64_t>(i)], *bucket[i]->state, o);
      w.add_(merge_heads(own, o.head_side()), -o.lr() * factor);
    }
  }
}

torch::Tensor MatrixOptimizer::map(const torch::Tensor& directions, const MatrixOptions& options, std::int64_t) {
  return apply_spectral_map(directions, options.spectral_map(), options.engine(), &statistics_.engine);
}

torch::Tensor MatrixOptimizer::adjust(const torch::Tensor& update, MatrixParamState&, const MatrixOptions&) {
  return update;
}

torch::Tensor MatrixOptimizer::momentum(const torch::Tensor& parameter) const {
  const auto it = state_.find(parameter.unsafeGetTensorImpl());
  return it == state_.end() ? torch::Tensor() : static_cast<const MatrixParamState&>(*it->second).momentum_buffer();
}

void MatrixOptimizer::save(torch::serialize::OutputArchive& archive) const {
  torch::optim::serialize<MatrixParamState, MatrixOptions>(archive, *this);
}

void MatrixOptimizer::load(torch::serialize::InputArchive& archive) {
  torch::optim::serialize<MatrixParamState, MatrixOptions>(archive, *this);
  place_state(*this);
}

void place_state(torch::optim::Optimizer& optimizer) {
  for (const auto& group : optimizer.param_groups())
    for (const auto& w : group.params()) {
      const auto it = optimizer.state().find(w.unsafeGetTensorImpl());
      if (it == optimizer.state().end()) continue;
      const auto here = [&](const torch::Tensor& x) { return x.defined() ? x.to(w.device()) : x; };
      if (auto* matrix = dynamic_cast<MatrixParamState*>(it->second.get())) {
        matrix->momentum_buffer(here(matrix->momentum_buffer()));
        matrix->second_buffer(here(matrix->second_buffer()));
        matrix->leading_basis(here(matrix->leading_basis()));
      } else if (auto* adamw = dynamic_cast<torch::optim::AdamWParamState*>(it->second.get())) {
        adamw->exp_avg(here(adamw->exp_avg()));
        adamw->exp_avg_sq(here(adamw->exp_avg_sq()));
        adamw->max_exp_avg_sq(here(adamw->max_exp_avg_sq()));
      } else if (auto* sgd = dynamic_cast<torch::optim::SGDParamState*>(it->second.get())) {
        sgd->momentum_buffer(here(sgd->momentum_buffer()));
      }
    }
}

void MatrixOptions::serialize(torch::serialize::OutputArchive& archive) const {
  archive.write("lr", lr());
  archive.write("momentum", momentum());
  archive.write("momentum_rule", static_cast<std::int64_t>(momentum_rule()));
  archive.write("nesterov", nesterov());
  archive.write("weight_decay", weight_decay());
  archive.write("update_scale", update_scale());
  archive.write("scale_rule", static_cast<std::int64_t>(scale_rule()));
  archive.write("eps", engine().eps);
  archive.write("eps_rule", static_cast<std::int64_t>(engine().eps_rule));
  archive.write("precision", static_cast<std::int64_t>(engine().precision));
  archive.write("norm_factor", engine().norm_factor);
  archive.write("form", static_cast<std::int64_t>(engine().form));
  archive.write("restarts", torch::tensor(engine().restarts, torch::kInt64));
  archive.write("normalisation", static_cast<std::int64_t>(engine().normalisation));
  archive.write("guard", engine().guard);
  archive.write("workspace_bytes", engine().workspace_bytes);
  archive.write("fast_path", fast_path());
  archive.write("heads", heads());
  archive.write("head_side", static_cast<std::int64_t>(head_side()));
  auto map = torch::empty({static_cast<std::int64_t>(spectral_map().size()), 3}, torch::kFloat64);
  for (std::size_t i = 0; i < spectral_map().size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    map[row][0] = spectral_map()[i].a;
    map[row][1] = spectral_map()[i].b;
    map[row][2] = spectral_map()[i].c;
  }
  archive.write("spectral_map", map);
}

void MatrixOptions::serialize(torch::serialize::InputArchive& archive) {
  const auto value = [&](const char* key) {
    c10::IValue out;
    archive.read(key, out);
    return out;
  };
  lr_ = value("lr").toDouble();
  momentum_ = value("momentum").toDouble();
  momentum_rule_ = static_cast<MomentumRule>(value("momentum_rule").toInt());
  nesterov_ = value("nesterov").toBool();
  weight_decay_ = value("weight_decay").toDouble();
  update_scale_ = value("update_scale").toDouble();
  scale_rule_ = static_cast<ScaleRule>(value("scale_rule").toInt());
  engine_.eps = value("eps").toDouble();
  engine_.eps_rule = static_cast<EpsRule>(value("eps_rule").toInt());
  engine_.precision = static_cast<Precision>(value("precision").toInt());
  engine_.norm_factor = value("norm_factor").toDouble();
  engine_.form = static_cast<Form>(value("form").toInt());
  torch::Tensor restarts;
  archive.read("restarts", restarts);
  engine_.restarts.assign(restarts.data_ptr<std::int64_t>(), restarts.data_ptr<std::int64_t>() + restarts.numel());
  engine_.normalisation = static_cast<Normalisation>(value("normalisation").toInt());
  engine_.guard = value("guard").toBool();
  engine_.workspace_bytes = value("workspace_bytes").toInt();
  fast_path_ = value("fast_path").toBool();
  heads_ = value("heads").toInt();
  head_side_ = static_cast<HeadSide>(value("head_side").toInt());
  torch::Tensor map;
  archive.read("spectral_map", map);
  spectral_map_.clear();
  for (std::int64_t i = 0; i < map.size(0); ++i)
    spectral_map_.push_back({map[i][0].item<double>(), map[i][1].item<double>(), map[i][2].item<double>()});
}

void MatrixParamState::serialize(torch::serialize::OutputArchive& archive) const {
  archive.write("step", step());
  archive.write("momentum_buffer", momentum_buffer());
  if (second_buffer().defined()) archive.write("second_buffer", second_buffer());
  if (leading_basis().defined()) archive.write("leading_basis", leading_basis());
}

void MatrixParamState::serialize(torch::serialize::InputArchive& archive) {
  c10::IValue steps;
  archive.read("step", steps);
  step_ = steps.toInt();
  archive.read("momentum_buffer", momentum_buffer_);
  archive.try_read("second_buffer", second_buffer_);
  archive.try_read("leading_basis", leading_basis_);
}

}  // namespace pionbench::optim
