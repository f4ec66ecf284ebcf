/// libpionbench_optim_ops.so: the spectral maps and metrics as torch operators, for Python and TorchScript.
///
///   torch.ops.load_library("libpionbench_optim_ops.so")
///   update = torch.ops.pionbench.pion(momentum, k_p=1, heads=16)
///
/// Maps  x [batch..., m, n] -> f(x / ‖x‖) of the same shape, type and device, contiguous; a zero matrix maps to zero.
///   pionbench::muon(x, steps=5)                   Newton–Schulz
///   pionbench::pion(x, k_p=0, steps=5)            k_p promotions, then steps − k_p suppressions
///   pionbench::spectral_map(x, coefficients, steps=None)   a published set by name (coefficient_names)
///   pionbench::spectral_map.chain(x, chain, norm_factor=1.0)   any chain: a, b, c of each odd quintic in turn
/// All take by keyword
///   heads, head_side   blocks that are mapped alone: "output" splits rows (query, key, value projections), "input"
///                      splits columns (the attention output projection)
///   precision          type of the products, a name that parse_precision knows ("bfloat16", "auto", ...); None:
///   float64
///                      for float64, float32 for everything narrower
///   eps, eps_rule      the norm is ‖x‖ + eps ("add") or max(‖x‖, eps) ("max")
/// Metrics  x [batch..., m, n] -> [batch...] in float64, as optim/spectral/metrics.h defines them. spectral_metrics
///   gives five of them from one eigendecomposition.
/// No update scale is applied. Mistakes are ValueError in Python. Nothing here is differentiable: backward raises.
/// Meta kernels give shapes, so torch.compile and torch.export see through.

#include <torch/csrc/autograd/autograd_not_implemented_fallback.h>
#include <torch/library.h>
#include <torch/torch.h>

#include <algorithm>

#include "core/error.h"
#include "optim/spectral/coefficients.h"
#include "optim/spectral/engine.h"
#include "optim/spectral/metrics.h"

namespace pionbench::optim {
namespace {

using OptionalText = std::optional<std::string_view>;

/// Calls and turns our errors into Python's ValueError.
template <typename Call>
auto as_value_error(Call&& call) -> decltype(call()) {
  try {
    return call();
  } catch (const UserError& e) {
    C10_THROW_ERROR(ValueError, e.what());
  }
}

const CoefficientSet& coefficient_set(std::string_view name) {
  return as_value_error([&]() -> const CoefficientSet& { return find_coefficients(std::string(name)); });
}

void check_matrices(const at::Tensor& x, const char* op) {
  TORCH_CHECK_VALUE(x.dim() >= 2, "pionbench::", op, ": got x of shape ", x.sym_sizes(),
                    ", allowed: at least two dimensions, [batch..., rows, cols]");
  TORCH_CHECK_VALUE(x.is_floating_point() && x.layout() == at::kStrided, "pionbench::", op, ": got x of type ",
                    x.scalar_type(), ", layout ", x.layout(), ", allowed: dense floating-point tensors");
}

/// The keywords that every map takes.
struct MapArguments {
  std::int64_t heads;
  std::string_view head_side;
  OptionalText precision;
  double eps;
  std::string_view eps_rule;

  bool input_side() const { return head_side == "input"; }
  EngineOptions engine(const at::Tensor& x) const {
    EngineOptions options;
    options.eps = eps;
    options.eps_rule = eps_rule == "max" ? EpsRule::kMax : EpsRule::kAdd;
    options.precision = as_value_error([&] {
      return parse_precision(std::string(precision.value_or(x.scalar_type() == at::kDouble ? "float64" : "float32")));
    });
    return options;
  }
  void check(const at::Tensor& x, const char* op) const {
    check_matrices(x, op);
    const auto one_of = [&](const char* name, std::string_view value, std::vector<std::string> allowed) {
      if (std::find(allowed.begin(), allowed.end(), value) == allowed.end())
        TORCH_CHECK_VALUE(false, "pionbench::", op, ": ", unknown_name(name, value, allowed));
    };
    one_of("head_side", head_side, {"output", "input"});
    one_of("eps_rule", eps_rule, {"add", "max"});
    TORCH_CHECK_VALUE(eps >= 0, "pionbench::", op, ": got eps ", eps, ", allowed: 0 or more");
    const auto side = x.size(input_side() ? -1 : -2);
    TORCH_CHECK_VALUE(heads >= 1 && side % heads == 0, "pionbench::", op, ": got ", heads,
                      " heads, which do not divide the ", head_side, " side of ", side);
  }
};

at::Tensor map_blocks(const at::Tensor& x, const SpectralMap& map, const MapArguments& arguments, const char* op,
                      double norm_factor = 1.0, const std::vector<std::int64_t>& restarts = {},
                      Normalisation normalisation = Normalisation::kFrobenius) {
  arguments.check(x, op);
  if (x.numel() == 0) return at::empty(x.sizes(), x.options());
  auto options = arguments.engine(x);
  options.norm_factor = norm_factor;
  options.restarts = restarts;
  options.normalisation = normalisation;
  const auto h = arguments.heads, rows = x.size(-2), cols = x.size(-1);
  if (h == 1) return apply_spectral_map(x, map, options).contiguous();
  const auto batch = x.sizes().slice(0, static_cast<std::size_t>(x.dim() - 2));
  const auto shape = [&](std::int64_t a, std::int64_t b, std::int64_t c) {
    auto out = batch.vec();
    out.insert(out.end(), {a, b, c});
    return out;
  };
  const bool input = arguments.input_side();
  const auto blocks = input
                          ? x.reshape(shape(rows, h, cols / h)).transpose(-3, -2)  // [batch..., heads, rows, cols / h]
                          : x.reshape(shape(h, rows / h, cols));                   // [batch..., heads, rows / h, cols]
  const auto mapped = apply_spectral_map(blocks, map, options);
  return (input ? mapped.transpose(-3, -2) : mapped).reshape(x.sizes()).contiguous();
}

at::Tensor muon(const at::Tensor& x, std::int64_t steps, std::int64_t heads, std::string_view head_side,
                OptionalText precision, double eps, std::string_view eps_rule) {
  TORCH_CHECK_VALUE(steps >= 1, "pionbench::muon: got ", steps, " steps, allowed: 1 or more");
  return map_blocks(x, muon_map(steps), {heads, head_side, precision, eps, eps_rule}, "muon");
}

at::Tensor pion(const at::Tensor& x, std::int64_t k_p, std::int64_t steps, std::int64_t heads,
                std::string_view head_side, OptionalText precision, double eps, std::string_view eps_rule) {
  TORCH_CHECK_VALUE(steps >= 1, "pionbench::pion: got ", steps, " steps, allowed: 1 or more");
  const auto map = as_value_error([&] { return pion_map(k_p, steps); });
  return map_blocks(x, map, {heads, head_side, precision, eps, eps_rule}, "pion");
}

at::Tensor spectral_map(const at::Tensor& x, std::string_view coefficients, std::optional<std::int64_t> steps,
                        std::int64_t heads, std::string_view head_side, OptionalText precision, double eps,
                        std::string_view eps_rule) {
  const auto& set = coefficient_set(coefficients);
  TORCH_CHECK_VALUE(steps.value_or(1) >= 1, "pionbench::spectral_map: got ", *steps, " steps, allowed: 1 or more");
  return map_blocks(x, steps ? take_steps(set, *steps) : set.steps, {heads, head_side, precision, eps, eps_rule},
                    "spectral_map", set.norm_factor, set.restarts, set.normalisation);
}

at::Tensor spectral_chain(const at::Tensor& x, at::ArrayRef<double> chain, double norm_factor, std::int64_t heads,
                          std::string_view head_side, OptionalText precision, double eps, std::string_view eps_rule) {
  TORCH_CHECK_VALUE(!chain.empty() && chain.size() % 3 == 0, "pionbench::spectral_map: got a chain of ", chain.size(),
                    " numbers, allowed: a, b, c of each step in turn");
  TORCH_CHECK_VALUE(norm_factor > 0, "pionbench::spectral_map: got norm_factor ", norm_factor, ", allowed: above 0");
  SpectralMap map;
  for (std::size_t i = 0; i < chain.size(); i += 3) map.push_back({chain[i], chain[i + 1], chain[i + 2]});
  return map_blocks(x, map, {heads, head_side, precision, eps, eps_rule}, "spectral_map", norm_factor);
}

std::vector<double> coefficients(const std::string& name) {
  std::vector<double> out;
  for (const auto& [a, b, c] : coefficient_set(name).steps) out.insert(out.end(), {a, b, c});
  return out;
}

void check_count(std::int64_t k) {
  TORCH_CHECK_VALUE(k >= 1, "pionbench: got k ", k, " directions, allowed: 1 or more");
}

at::Tensor values_of(const at::Tensor& x, const char* op) {
  check_matrices(x, op);
  return singular_values(x);
}
at::Tensor singular_values_op(const at::Tensor& x) {
  return values_of(x, "singular_values").contiguous();
}
at::Tensor effective_rank_op(const at::Tensor& x) {
  return effective_rank(values_of(x, "effective_rank"));
}
at::Tensor stable_rank_op(const at::Tensor& x) {
  return stable_rank(values_of(x, "stable_rank"));
}
at::Tensor top_energy_op(const at::Tensor& x, std::int64_t k) {
  check_count(k);
  return top_energy(values_of(x, "top_energy"), k);
}
at::Tensor condition_number_op(const at::Tensor& x) {
  return condition_number(values_of(x, "condition_number"));
}
at::Tensor directions_passed_op(const at::Tensor& x) {
  return directions_passed(values_of(x, "directions_passed"));
}
at::Tensor orthogonality_error_op(const at::Tensor& x) {
  check_matrices(x, "orthogonality_error");
  return orthogonality_error(x);
}

using FiveTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;
FiveTensors spectral_metrics(const at::Tensor& x, std::int64_t k) {
  check_count(k);
  const auto s = values_of(x, "spectral_metrics");
  return {effective_rank(s), stable_rank(s), top_energy(s, k), condition_number(s), directions_passed(s)};
}

// What the kernels return, without computing it.

template <typename Kernel>
struct LikeX;
template <typename... Rest>
struct LikeX<at::Tensor(const at::Tensor&, Rest...)> {
  static at::Tensor shape(const at::Tensor& x, Rest...) { return at::empty_symint(x.sym_sizes(), x.options()); }
};

at::Tensor per_matrix(const at::Tensor& x) {
  check_matrices(x, "metrics");
  return at::empty_symint(x.sym_sizes().slice(0, static_cast<std::size_t>(x.dim() - 2)),
                          x.options().dtype(at::kDouble));
}
at::Tensor per_matrix_k(const at::Tensor& x, std::int64_t) {
  return per_matrix(x);
}
FiveTensors five_per_matrix(const at::Tensor& x, std::int64_t) {
  return {per_matrix(x), per_matrix(x), per_matrix(x), per_matrix(x), per_matrix(x)};
}
at::Tensor per_direction(const at::Tensor& x) {
  check_matrices(x, "singular_values");
  auto sizes = x.sym_sizes().vec();
  const auto cols = sizes.back();
  sizes.pop_back();
  sizes.back() = sizes.back().min(cols);
  return at::empty_symint(sizes, x.options().dtype(at::kDouble));
}

const std::string kMapKeywords =
    "int heads=1, str head_side=\"output\", str? precision=None, float eps=1e-7, str eps_rule=\"add\") -> Tensor";

}  // namespace
}  // namespace pionbench::optim

TORCH_LIBRARY(pionbench, m) {
  using namespace pionbench::optim;
  const std::vector<at::Tag> tags = {at::Tag::pt2_compliant_tag};
  m.def(("muon(Tensor x, int steps=5, *, " + kMapKeywords).c_str(), tags);
  m.def(("pion(Tensor x, int k_p=0, int steps=5, *, " + kMapKeywords).c_str(), tags);
  m.def(("spectral_map(Tensor x, str coefficients, int? steps=None, *, " + kMapKeywords).c_str(), tags);
  m.def(("spectral_map.chain(Tensor x, float[] chain, *, float norm_factor=1.0, " + kMapKeywords).c_str(), tags);
  m.def("singular_values(Tensor x) -> Tensor", tags);
  m.def("effective_rank(Tensor x) -> Tensor", tags);
  m.def("stable_rank(Tensor x) -> Tensor", tags);
  m.def("top_energy(Tensor x, int k=1) -> Tensor", tags);
  m.def("condition_number(Tensor x) -> Tensor", tags);
  m.def("directions_passed(Tensor x) -> Tensor", tags);
  m.def("orthogonality_error(Tensor x) -> Tensor", tags);
  m.def(
      "spectral_metrics(Tensor x, int k=1) -> (Tensor effective_rank, Tensor stable_rank, Tensor top_energy, "
      "Tensor condition_number, Tensor directions_passed)",
      tags);
  m.def("coefficient_names() -> str[]", [] { return coefficient_names(); });
  m.def("coefficients(str name) -> float[]", [](const std::string& name) { return coefficients(name); });
}

TORCH_LIBRARY_IMPL(pionbench, CompositeExplicitAutograd, m) {
  using namespace pionbench::optim;
  m.impl("muon", muon);
  m.impl("pion", pion);
  m.impl("spectral_map", spectral_map);
  m.impl("spectral_map.chain", spectral_chain);
  m.impl("singular_values", singular_values_op);
  m.impl("effective_rank", effective_rank_op);
  m.impl("stable_rank", stable_rank_op);
  m.impl("top_energy", top_energy_op);
  m.impl("condition_number", condition_number_op);
  m.impl("directions_passed", directions_passed_op);
  m.impl("orthogonality_error", orthogonality_error_op);
  m.impl("spectral_metrics", spectral_metrics);
}

TORCH_LIBRARY_IMPL(pionbench, Meta, m) {
  using namespace pionbench::optim;
  m.impl("muon", LikeX<decltype(muon)>::shape);
  m.impl("pion", LikeX<decltype(pion)>::shape);
  m.impl("spectral_map", LikeX<decltype(spectral_map)>::shape);
  m.impl("spectral_map.chain", LikeX<decltype(spectral_chain)>::shape);
  m.impl("singular_values", per_direction);
  for (const char* name :
       {"effective_rank", "stable_rank", "condition_number", "directions_passed", "orthogonality_error"})
    m.impl(name, per_matrix);
  m.impl("top_energy", per_matrix_k);
  m.impl("spectral_metrics", five_per_matrix);
}

TORCH_LIBRARY_IMPL(pionbench, Autograd, m) {
  for (const char* name :
       {"muon", "pion", "spectral_map", "spectral_map.chain", "singular_values", "effective_rank", "stable_rank",
        "top_energy", "condition_number", "directions_passed", "orthogonality_error", "spectral_metrics"})
    m.impl(name, torch::autograd::autogradNotImplementedFallback());
}
