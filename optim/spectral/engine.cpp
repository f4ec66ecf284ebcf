#include "optim/spectral/engine.h"

#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace pionbench::optim {
namespace {

constexpr std::array kPrecisions = {
    std::pair{Precision::kAuto, "auto"},         std::pair{Precision::kFloat64, "float64"},
    std::pair{Precision::kFloat32, "float32"},   std::pair{Precision::kTF32, "tf32"},
    std::pair{Precision::kBFloat16, "bfloat16"}, std::pair{Precision::kFloat16, "float16"}};

/// Spurious eigenvalues of R = X Xᵀ that rounding leaves (Dao-AILab tests 4e-4 for 16 bits; TF32 has float16's bits).
double rounding_of(Precision precision) {
  switch (precision) {
    case Precision::kFloat64:
      return 1e-15;
    case Precision::kFloat32:
      return 4e-7;
    default:
      return 4e-4;
  }
}

/// Into how many row blocks a symmetric product is cut so that only one triangle is computed; 1: not at all. Measured
/// with two threads, time against the whole product: 1024 × 1024 .74, 1024 × 2048 .70, 1024 × 3072 .57, 896 × 896 .78,
/// 512 × 2048 .77; 512 × 512 and below lose.
std::int64_t triangle_blocks(std::int64_t r, std::int64_t inner) {
  if (r >= 768 && r % 4 == 0) return 4;
  if (r >= 512 && inner >= 4 * r && r % 4 == 0) return 4;
  return 1;
}

/// out ← beta·base + alpha·(a bᵀ), known to be symmetric; 2-D, on the CPU, in blocks of one triangle and its mirror.
void symmetric_product(torch::Tensor& out, const torch::Tensor& a, const torch::Tensor& b, std::int64_t blocks,
                       const torch::Tensor& base, double beta, double alpha) {
  const auto size = a.size(0) / blocks;
  for (std::int64_t i = 0; i < blocks; ++i) {
    auto target = out.narrow(0, i * size, size).narrow(1, 0, (i + 1) * size);
    const auto left = a.narrow(0, i * size, size);
    const auto right = b.narrow(0, 0, (i + 1) * size).t();
    if (base.defined())
      at::addmm_out(target, base.narrow(0, i * size, size).narrow(1, 0, (i + 1) * size), left, right, beta, alpha);
    else
      at::mm_out(target, left, right);
  }
  for (std::int64_t i = 1; i < blocks; ++i)
    out.narrow(1, i * size, size)
        .narrow(0, 0, i * size)
        .copy_(out.narrow(0, i * size, size).narrow(1, 0, i * size).t());
}

/// The products of a chain on x [batch, r, c] of one type. Symmetric ones take a triangle where that pays.
class Products {
 public:
  Products(const torch::Tensor& x, bool cpu) : batch_(x.size(0)), r_(x.size(1)), cpu_(cpu) {}

  /// X Xᵀ.
  torch::Tensor gram(const torch::Tensor& x) const { return symmetric(x, x, {}, 0, 1); }
  /// beta·base + alpha·A B for symmetric A, B that commute.
  torch::Tensor commuting(const torch::Tensor& a, const torch::Tensor& b, const torch::Tensor& base = {},
                          double beta = 0, double alpha = 1) const {
    return symmetric(a, b, base, beta, alpha);
  }

 private:
  torch::Tensor symmetric(const torch::Tensor& a, const torch::Tensor& b, const torch::Tensor& base, double beta,
                          double alpha) const {
    const auto blocks = cpu_ ? triangle_blocks(r_, a.size(2)) : 1;
    if (blocks == 1)
      return base.defined() ? torch::baddbmm(base, a, b.transpose(1, 2), beta, alpha)
                            : torch::bmm(a, b.transpose(1, 2));
    auto out = torch::empty({batch_, r_, r_}, a.options());
    for (std::int64_t i = 0; i < batch_; ++i) {
      auto one = out[i];
      symmetric_product(one, a[i], b[i], blocks, base.defined() ? base[i] : torch::Tensor(), beta, alpha);
    }
    return out;
  }

  std::int64_t batch_, r_;
  bool cpu_;
};

/// X before its first step. With a Frobenius norm that came from tr(X Xᵀ), x itself is not divided: `scale` [batch, 1,
/// 1] is 1 / divisor and is taken into the r × r matrix that multiplies x first. `gram`, if defined, is that of
/// scale·x.
struct Start {
  torch::Tensor x;      // [batch, r, c], r ≤ c
  torch::Tensor gram;   // [batch, r, r]
  torch::Tensor scale;  // undefined: 1
};

torch::Tensor standard_form(Start start, const SpectralMap& map) {
  auto& [x, first, scale] = start;
  const Products products(x, x.is_cpu());
  for (const auto& [a, b, c] : map) {
    const auto gram = first.defined() ? std::exchange(first, {}) : products.gram(x);  // [batch, r, r]
    auto poly = c == 0 ? gram * b : products.commuting(gram, gram, gram, b, c);       // bA + cA²
    if (scale.defined()) {
      if (a != 0) poly.diagonal(0, 1, 2).add_(a);
      x = torch::bmm(poly.mul_(std::exchange(scale, {})), x);
    } else {
      x = a == 0 ? torch::bmm(poly, x) : torch::baddbmm(x, poly, x, a, 1);  // aX + (bA + cA²)X
    }
  }
  return scale.defined() ? x * scale : x;
}

torch::Tensor gram_form(Start start, const SpectralMap& map, const std::vector<std::int64_t>& restarts) {
  auto& [x, r, scale] = start;
  const Products products(x, x.is_cpu());
  torch::Tensor q;  // [batch, r, r]; undefined stands for the identity
  const auto advance = [&] {
    if (scale.defined()) q.mul_(std::exchange(scale, {}));
    x = torch::bmm(q, x);
    r = q = torch::Tensor();
  };
  for (std::size_t i = 0; i < map.size(); ++i) {
    const auto& [a, b, c] = map[i];
    if (i > 0 && std::find(restarts.begin(), restarts.end(), static_cast<std::int64_t>(i)) != restarts.end()) advance();
    if (!r.defined()) r = products.gram(x);
    auto factor = c == 0 ? r * b : products.commuting(r, r, r, b, c);  // a + bR + cR²
    if (a != 0) factor.diagonal(0, 1, 2).add_(a);
    q = q.defined() ? products.commuting(factor, q) : factor.clone();
    if (i + 1 < map.size()) r = products.commuting(factor, products.commuting(factor, r));
  }
  if (q.defined()) advance();
  return scale.defined() ? x * scale : x;
}

/// How an evaluation goes on after the guard refused one.
struct Attempt {
  Form form;
  Precision precision;
  std::vector<std::int64_t> restarts;
};

/// Float32 products that round their operands to TF32, for the scope.
class TensorFloat32 {
 public:
  explicit TensorFloat32(bool on) : on_(on) {
    if (!on_) return;
    before_ = at::globalContext().float32MatmulPrecision();
    at::globalContext().setFloat32MatmulPrecision("high");
  }
  ~TensorFloat32() {
    if (!on_) return;
    constexpr std::array kNames = {"highest", "high", "medium"};
    at::globalContext().setFloat32MatmulPrecision(kNames[static_cast<std::size_t>(before_)]);
  }
  TensorFloat32(const TensorFloat32&) = delete;
  TensorFloat32& operator=(const TensorFloat32&) = delete;

 private:
  bool on_;
  at::Float32MatmulPrecision before_ = at::Float32MatmulPrecision::HIGHEST;
};

/// ‖·‖ -> what X is divided by. With eps = 0 a zero matrix would divide by zero; it maps to zero.
torch::Tensor divisor(const torch::Tensor& norm, const EngineOptions& options) {
  const auto scaled = norm * options.norm_factor;
  const auto guarded = options.eps_rule == EpsRule::kAdd ? scaled + options.eps : scaled.clamp_min(options.eps);
  return guarded.masked_fill(guarded == 0, 1);
}

/// Casts and normalises. x [batch, r, c] in any type.
Start prepare(const torch::Tensor& input, const EngineOptions& options, const Attempt& attempt) {
  const auto dtype = dtype_of(attempt.precision);
  const auto norm_of = [](const torch::Tensor& x) {
    return torch::linalg_vector_norm(x, 2, at::IntArrayRef{-2, -1}, /*keepdim=*/true);
  };
  if (options.precision == Precision::kBFloat16 && dtype == torch::kBFloat16) {  // as released: round, then normalise
    const auto x = input.to(dtype).contiguous();
    return {x / divisor(norm_of(x), options), {}, {}};
  }
  const bool narrow = dtype == torch::kBFloat16 || dtype == torch::kFloat16;
  auto x = input.to(narrow ? torch::kFloat32 : dtype).contiguous();
  if (narrow) return {(x / divisor(norm_of(x), options)).to(dtype), {}, {}};
  // ‖X‖² = tr(X Xᵀ), which the first step needs anyway: no pass over X for the norm, none for the division. Squares
  // must stay clear of float32's ends.
  auto gram = Products(x, x.is_cpu()).gram(x);
  const auto energies = gram.diagonal(0, 1, 2).sum(-1).to(torch::kCPU, torch::kFloat64);
  auto scales = torch::empty({x.size(0), 1, 1}, torch::kFloat64);
  const auto* energy = energies.const_data_ptr<double>();
  auto* scale = scales.mutable_data_ptr<double>();
  bool in_range = true;
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    in_range = in_range && energy[i] > 1e-24 && energy[i] < 1e24;
    const double norm = options.norm_factor * std::sqrt(energy[i]);
    scale[i] = 1 / (options.eps_rule == EpsRule::kAdd ? norm + options.eps : std::max(norm, options.eps));
  }
  if (in_range) {
    scales = scales.to(x.device(), dtype);
    return {x, gram.mul_(scales * scales), scales};
  }
  const auto norm = torch::linalg_vector_norm(x, 2, at::IntArrayRef{-2, -1}, /*keepdim=*/true, torch::kFloat64);
  return {(x / divisor(norm, options)).to(dtype), {}, {}};
}

/// x [batch, r, c] in any type -> f(X) in the attempt's type.
torch::Tensor evaluate_batch(const torch::Tensor& input, const SpectralMap& map, const EngineOptions& options,
                             const Attempt& attempt) {
  const TensorFloat32 scope(attempt.precision == Precision::kTF32 && input.is_cuda());
  auto start = prepare(input, options, attempt);
  if (options.normalisation == Normalisation::kAol) {
    auto& [x, gram, scale] = start;
    if (!gram.defined()) gram = Products(x, x.is_cpu()).gram(x);
    if (scale.defined()) x = x * std::exchange(scale, {});
    auto rows = gram.abs().sum(-1, /*keepdim=*/true);  // [batch, r, 1]
    rows = rows.masked_fill(rows == 0, 1).rsqrt();
    x = x * rows;
    gram = gram * rows * rows.transpose(1, 2);
  }
  return attempt.form == Form::kGram ? gram_form(std::move(start), map, attempt.restarts)
                                     : standard_form(std::move(start), map);
}

/// Largest |f| on [0, 1]. Steps come with one map over and over, so the last answer is kept.
double supremum(const SpectralMap& map) {
  thread_local SpectralMap last;
  thread_local double largest = 0;
  if (map == last) return largest;
  largest = 0;
  for (int i = 0; i <= 512; ++i) largest = std::max(largest, std::abs(evaluate(map, i / 512.0)));
  last = map;
  return largest;
}

/// Is every matrix finite, with a norm that values of at most `largest` can have? Slack for 16 bits. A matrix whose
/// input was not finite has nothing to be repaired.
bool plausible(const torch::Tensor& out, const torch::Tensor& input, double largest) {
  const auto wide = out.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  const auto norms =
      torch::linalg_vector_norm(out, 2, at::IntArrayRef{-2, -1}, false, wide).to(torch::kCPU, torch::kFloat64);
  const double bound = 1.5 * largest * std::sqrt(static_cast<double>(out.size(1))) + 1e-3;
  const auto* norm = norms.const_data_ptr<double>();
  for (std::int64_t i = 0; i < norms.numel(); ++i)
    if (!(norm[i] <= bound) && input[i].isfinite().all().item<bool>()) return false;
  return true;
}

}  // namespace

Form choose_form(std::int64_t r, std::int64_t c, Precision precision, bool cubic) {
  // A cubic step has no A², so the standard form is cheaper up to twice the aspect.
  const double aspect = static_cast<double>(c) / static_cast<double>(std::max<std::int64_t>(r, 1));
  const bool exact = precision == Precision::kFloat32 || precision == Precision::kFloat64;
  if (cubic) return exact && aspect >= 3 ? Form::kGram : Form::kStandard;
  return aspect >= (exact ? 1.5 : 2.0) ? Form::kGram : Form::kStandard;
}

Precision choose_precision(torch::DeviceType device, std::int64_t r) {
  if (device == torch::kCUDA) return Precision::kFloat16;
#if defined(__x86_64__)
  static const bool native = __builtin_cpu_supports("avx512bf16");
  if (device == torch::kCPU && native && r >= 256) return Precision::kBFloat16;
#else
  (void)r;
#endif
  return Precision::kFloat32;
}

std::vector<std::int64_t> restart_plan(const SpectralMap& map, double rounding) {
  constexpr double kTolerable = 0.06;
  const auto step = [](const OddQuintic& p, double r) {
    const double factor = p.a + p.b * r + p.c * r * r;
    return r * factor * factor;
  };
  std::vector<std::int64_t> out;
  double r = -rounding;  // as it enters step i
  for (std::size_t i = 0; i < map.size(); ++i) {
    if (std::abs(r) > kTolerable) {
      out.push_back(static_cast<std::int64_t>(i));
      r = -rounding;
    }
    r = step(map[i], r);
  }
  return out;
}

const char* name_of(Precision precision) {
  for (const auto& [value, name] : kPrecisions)
    if (value == precision) return name;
  return "";
}

Precision parse_precision(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& [value, text] : kPrecisions) {
    if (name == text) return value;
    known.emplace_back(text);
  }
  throw UserError(unknown_name("precision", name, known));
}

torch::Dtype dtype_of(Precision precision) {
  switch (precision) {
    case Precision::kFloat64:
      return torch::kFloat64;
    case Precision::kBFloat16:
      return torch::kBFloat16;
    case Precision::kFloat16:
      return torch::kFloat16;
    default:
      return torch::kFloat32;
  }
}

torch::Tensor apply_spectral_map(const torch::Tensor& input, const SpectralMap& map, const EngineOptions& options,
                                 EngineReport* report) {
  const torch::NoGradGuard no_grad;
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  const auto rows = input.size(-2), cols = input.size(-1);
  const bool tall = rows > cols;  // the small side makes the Gram matrix
  const auto r = std::min(rows, cols), c = std::max(rows, cols);
  if (input.numel() == 0) return torch::empty_like(input);
  const auto x = (tall ? input.transpose(-2, -1) : input).reshape({-1, r, c});

  const bool cubic = std::all_of(map.begin(), map.end(), [](const OddQuintic& step) { return step.c == 0; });
  Attempt first{options.form, options.precision, options.restarts};
  if (first.precision == Precision::kAuto) first.precision = choose_precision(x.device().type(), r);
  if (first.precision == Precision::kTF32 && !x.is_cuda()) first.precision = Precision::kFloat32;
  // A release's bfloat16 means its rounding too: the standard form, unless a caller asks otherwise.
  if (first.form == Form::kAuto)
    first.form = options.precision == Precision::kBFloat16 || options.precision == Precision::kFloat16
                     ? Form::kStandard
                     : choose_form(r, c, first.precision, cubic);
  const bool exact = first.precision == Precision::kFloat32 || first.precision == Precision::kFloat64;
  if (first.form == Form::kGram && first.restarts.empty())
    first.restarts = restart_plan(map, rounding_of(first.precision));
  const auto plan = restart_plan(map, 4e-4);
  std::vector<Attempt> attempts = {first};
  if (options.guard) {
    if (first.form == Form::kGram) {
      std::vector<std::int64_t> every;
      for (std::size_t i = 1; i < map.size(); ++i) every.push_back(static_cast<std::int64_t>(i));
      attempts.push_back({Form::kGram, first.precision, first.restarts == plan ? every : plan});
      attempts.push_back({Form::kStandard, first.precision, {}});
    }
    if (!exact) attempts.push_back({Form::kStandard, Precision::kFloat32, {}});
  }

  const auto element = static_cast<std::int64_t>(torch::elementSize(dtype_of(first.precision)));
  const auto per_matrix = element * (3 * r * c + 4 * r * r);
  const auto turn = std::max<std::int64_t>(1, options.workspace_bytes / std::max<std::int64_t>(per_matrix, 1));
  const double largest = options.guard ? supremum(map) : 0;
  const auto evaluate_turn = [&](const torch::Tensor& part) {
    torch::Tensor out;
    for (const auto& attempt : attempts) {
      out = evaluate_batch(part, map, options, attempt);
      if (report) (attempt.form == Form::kGram ? report->gram : report->standard) += part.size(0);
      if (!options.guard || plausible(out, part, largest)) break;
      if (report && &attempt != &attempts.back()) ++report->guarded;
    }
    return out;
  };
  torch::Tensor out;
  if (x.size(0) <= turn) {
    out = evaluate_turn(x).to(input.scalar_type());
  } else {
    out = torch::empty(x.sizes(), input.options());
    for (std::int64_t i = 0; i < x.size(0); i += turn) {
      auto target = out.narrow(0, i, std::min(turn, x.size(0) - i));
      target.copy_(evaluate_turn(x.narrow(0, i, target.size(0))));
    }
  }
  if (tall) out = out.transpose(1, 2);
  return out.reshape(input.sizes());
}

}  // namespace pionbench::optim
