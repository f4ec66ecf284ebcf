#include "optim/matrix_optimizer.h"

#include <cmath>
#include <map>

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
struct Bucket {
  std::vector<torch::Tensor> weights;
  std::vector<torch::Tensor> directions;
  std::vector<MatrixParamState*> states;
};

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

torch::Tensor MatrixOptimizer::step(LossClosure closure) {
  torch::Tensor loss;
  if (closure) {
    const torch::AutoGradMode with_grad(true);
    loss = closure();
  }
  const torch::NoGradGuard no_grad;
  for (auto& group : param_groups_) {
    const auto& o = static_cast<const MatrixOptions&>(group.options());
    std::map<std::tuple<std::int64_t, std::int64_t, std::string, torch::Dtype>, Bucket> buckets;
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
      auto& bucket = buckets[{w.size(0), w.size(1), w.device().str(), w.scalar_type()}];
      bucket.weights.push_back(w);
      bucket.states.push_back(&own);
      bucket.directions.push_back(head_blocks(direction, o.heads(), o.head_side()));
    }
    for (auto& [shape, bucket] : buckets) {
      const auto blocks = torch::stack(bucket.directions);  // [parameters, heads, rows, cols]
      const auto update = map(blocks, o, bucket.states.front()->step());
      const double factor = update_factor(o, blocks.size(2), blocks.size(3));
      for (std::size_t i = 0; i < bucket.weights.size(); ++i) {
        auto& w = bucket.weights[i];
        if (o.weight_decay() != 0) w.mul_(1 - o.lr() * o.weight_decay());
        const auto own = adjust(update[static_cast<std::int64_t>(i)], *bucket.states[i], o);
        w.add_(merge_heads(own, o.head_side()), -o.lr() * factor);
      }
    }
  }
  return loss;
}

torch::Tensor MatrixOptimizer::map(const torch::Tensor& directions, const MatrixOptions& options, std::int64_t) {
  return apply_spectral_map(directions, options.spectral_map(), options.engine());
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
  engine_.precision = static_cast<torch::Dtype>(value("precision").toInt());
  engine_.norm_factor = value("norm_factor").toDouble();
  engine_.form = static_cast<Form>(value("form").toInt());
  torch::Tensor restarts;
  archive.read("restarts", restarts);
  engine_.restarts.assign(restarts.data_ptr<std::int64_t>(), restarts.data_ptr<std::int64_t>() + restarts.numel());
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
}

void MatrixParamState::serialize(torch::serialize::InputArchive& archive) {
  c10::IValue steps;
  archive.read("step", steps);
  step_ = steps.toInt();
  archive.read("momentum_buffer", momentum_buffer_);
  archive.try_read("second_buffer", second_buffer_);
}

}  // namespace pionbench::optim
