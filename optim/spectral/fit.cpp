#include "optim/spectral/fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <vector>

#include "core/error.h"

namespace pionbench::optim {
namespace {

constexpr std::size_t kSteps = 5;
constexpr std::size_t kFree = 3 * kSteps;
constexpr std::int64_t kPassSamples = 160, kStopSamples = 80, kTransitionSamples = 40, kBelowSamples = 40;

using Point = std::array<double, kFree>;  // a, b, c of each step
using Square = std::array<std::array<double, kFree>, kFree>;

struct Sample {
  double s;
  double goal;    // 1 or 0
  double weight;  // of (f − goal)², 0 where f is free
};

std::vector<Sample> samples_of(const LowPassTarget& t) {
  const double pass_end = t.tau - t.transition / 2, stop_start = t.tau + t.transition / 2;
  if (!(t.lowest > 0 && t.lowest < pass_end && pass_end < stop_start && stop_start < t.highest))
    throw UserError(
        "low-pass target: need 0 < lowest < tau - transition/2 and tau + transition/2 < highest; got lowest " +
        std::to_string(t.lowest) + ", tau " + std::to_string(t.tau) + ", transition " + std::to_string(t.transition) +
        ", highest " + std::to_string(t.highest));
  std::vector<Sample> out;
  const auto share = [](std::int64_t i, std::int64_t n) { return static_cast<double>(i) / static_cast<double>(n); };
  for (std::int64_t i = 0; i < kPassSamples; ++i)
    out.push_back({t.lowest * std::pow(pass_end / t.lowest, share(i, kPassSamples - 1)), 1, 1.0 / kPassSamples});
  for (std::int64_t i = 0; i < kStopSamples; ++i)
    out.push_back({stop_start + (t.highest - stop_start) * share(i, kStopSamples - 1), 0, 1.0 / kStopSamples});
  for (std::int64_t i = 1; i < kTransitionSamples; ++i)
    out.push_back({pass_end + t.transition * share(i, kTransitionSamples), 0, 0});
  for (std::int64_t i = 1; i <= kBelowSamples; ++i)
    out.push_back({t.lowest * std::pow(20.0, -share(i, kBelowSamples)), 0, 0});
  return out;
}

Point to_point(const SpectralMap& map) {
  if (map.size() != kSteps)
    throw UserError("low-pass fit: a chain of 5 steps is needed, got " + std::to_string(map.size()));
  Point p;
  for (std::size_t i = 0; i < kSteps; ++i) {
    p[3 * i] = map[i].a;
    p[3 * i + 1] = map[i].b;
    p[3 * i + 2] = map[i].c;
  }
  return p;
}

SpectralMap to_map(const Point& p) {
  SpectralMap map;
  for (std::size_t i = 0; i < kSteps; ++i) map.push_back({p[3 * i], p[3 * i + 1], p[3 * i + 2]});
  return map;
}

/// What one sample adds: Σ r² over its terms, and for the normal equations d(Σ r²)/2 = slope·df, curvature·df².
struct Contribution {
  LowPassLoss loss;
  double slope = 0, curvature = 0;
};

Contribution contribution(const Sample& q, double f, double one_of_all) {
  Contribution out;
  if (q.weight > 0) {
    (q.goal > 0 ? out.loss.pass : out.loss.stop) = q.weight * (f - q.goal) * (f - q.goal);
    out.slope += q.weight * (f - q.goal);
    out.curvature += q.weight;
  }
  if (f > 1) {
    out.loss.overshoot = one_of_all * (f - 1) * (f - 1);
    out.slope += one_of_all * (f - 1);
    out.curvature += one_of_all;
  } else if (f < 0) {
    out.loss.negativity = one_of_all * f * f;
    out.slope += one_of_all * f;
    out.curvature += one_of_all;
  }
  return out;
}

/// The loss at p; with `normal` and `gradient` also JᵀJ (lower triangle) and Jᵀr.
LowPassLoss evaluate_loss(const Point& p, const std::vector<Sample>& samples, Square* normal, Point* gradient) {
  LowPassLoss loss;
  if (normal)
    for (auto& row : *normal) row.fill(0);
  if (gradient) gradient->fill(0);
  const double one_of_all = 1.0 / static_cast<double>(samples.size());
  for (const auto& q : samples) {
    std::array<double, kSteps + 1> x;
    x[0] = q.s;
    for (std::size_t i = 0; i < kSteps; ++i) x[i + 1] = OddQuintic{p[3 * i], p[3 * i + 1], p[3 * i + 2]}(x[i]);
    const auto own = contribution(q, x[kSteps], one_of_all);
    loss.pass += own.loss.pass;
    loss.stop += own.loss.stop;
    loss.overshoot += own.loss.overshoot;
    loss.negativity += own.loss.negativity;
    if (!normal || own.curvature == 0) continue;
    Point d;  // df/dp, by the chain rule from the last step back
    double outer = 1;
    for (std::size_t i = kSteps; i-- > 0;) {
      const double z = x[i], z2 = z * z;
      d[3 * i] = outer * z;
      d[3 * i + 1] = outer * z * z2;
      d[3 * i + 2] = outer * z * z2 * z2;
      outer *= p[3 * i] + z2 * (3 * p[3 * i + 1] + 5 * z2 * p[3 * i + 2]);
    }
    for (std::size_t i = 0; i < kFree; ++i) {
      (*gradient)[i] += own.slope * d[i];
      for (std::size_t j = 0; j <= i; ++j) (*normal)[i][j] += own.curvature * d[i] * d[j];
    }
  }
  return loss;
}

/// Solves (A + damping·diag A) x = −g over the free variables by Cholesky; false when not positive definite.
bool damped_step(const Square& a, const Point& g, double damping, const std::array<bool, kFree>& fixed, Point& x) {
  Square m = a;
  for (std::size_t i = 0; i < kFree; ++i) {
    m[i][i] += damping * (a[i][i] + 1e-12);
    x[i] = -g[i];
    for (std::size_t j = 0; j < i; ++j)
      if (fixed[i] || fixed[j]) m[i][j] = 0;
    if (fixed[i]) {
      m[i][i] = 1;
      x[i] = 0;
    }
  }
  for (std::size_t i = 0; i < kFree; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double s = m[i][j];
      for (std::size_t k = 0; k < j; ++k) s -= m[i][k] * m[j][k];
      if (i == j && !(s > 0)) return false;
      m[i][j] = i == j ? std::sqrt(s) : s / m[j][j];
    }
  for (std::size_t i = 0; i < kFree; ++i) {
    for (std::size_t k = 0; k < i; ++k) x[i] -= m[i][k] * x[k];
    x[i] /= m[i][i];
  }
  for (std::size_t i = kFree; i-- > 0;) {
    for (std::size_t k = i + 1; k < kFree; ++k) x[i] -= m[k][i] * x[k];
    x[i] /= m[i][i];
  }
  return true;
}

struct Descent {
  Point point;
  LowPassLoss loss;
  std::int64_t iterations = 0;
};

Descent descend(Point p, const std::vector<Sample>& samples, double largest_slope, std::int64_t iterations) {
  for (std::size_t i = 0; i < kFree; i += 3) p[i] = std::clamp(p[i], 0.0, largest_slope);
  Square normal;
  Point gradient;
  Descent out{p, evaluate_loss(p, samples, &normal, &gradient)};
  double damping = 1e-2;
  for (; out.iterations < iterations; ++out.iterations) {
    std::array<bool, kFree> fixed{};
    for (std::size_t i = 0; i < kFree; i += 3)
      fixed[i] = (out.point[i] <= 0 && gradient[i] > 0) || (out.point[i] >= largest_slope && gradient[i] < 0);
    const double before = out.loss.total();
    bool moved = false;
    for (int attempt = 0; attempt < 14 && !moved; ++attempt) {
      Point x;
      if (damped_step(normal, gradient, damping, fixed, x)) {
        Point next = out.point;
        for (std::size_t i = 0; i < kFree; ++i) next[i] += x[i];
        for (std::size_t i = 0; i < kFree; i += 3) next[i] = std::clamp(next[i], 0.0, largest_slope);
        const auto loss = evaluate_loss(next, samples, nullptr, nullptr);
        if (loss.total() < before) {  // false for NaN as well
          out.point = next;
          out.loss = evaluate_loss(next, samples, &normal, &gradient);
          damping = std::max(damping / 5, 1e-14);
          moved = true;
        }
      }
      if (!moved) damping *= 4;
    }
    if (!moved || before - out.loss.total() < 1e-12 * before) break;
  }
  return out;
}

LowPassFit finish(const Descent& d) {
  return {with_unit_peaks(to_map(d.point)), d.loss, d.iterations, 0};
}

}  // namespace

LowPassLoss low_pass_loss(const SpectralMap& map, const LowPassTarget& target) {
  return evaluate_loss(to_point(map), samples_of(target), nullptr, nullptr);
}

LowPassFit polish_low_pass(const SpectralMap& start, const LowPassTarget& target, std::int64_t iterations) {
  return finish(descend(to_point(start), samples_of(target), target.largest_slope, iterations));
}

LowPassFit fit_low_pass(const LowPassTarget& target, std::int64_t starts, std::uint64_t seed,
                        const std::function<void(std::int64_t, double)>& progress) {
  if (starts < 1) throw UserError("low-pass fit: at least one start is needed, got " + std::to_string(starts));
  const auto samples = samples_of(target);
  std::mt19937_64 engine(seed);
  // std::uniform_real_distribution may draw differently in another standard library.
  const auto uniform = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(engine() >> 11) * 0x1p-53;
  };
  std::vector<Descent> found;
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t k = 0; k < starts; ++k) {
    // Steps shaped like Newton–Schulz's: they rise with slope a, turn, and come back within the unit interval.
    Point p;
    for (std::size_t i = 0; i < kSteps; ++i) {
      const double a = uniform(1.8, 5.3), width = uniform(0.7, 1.3);
      p[3 * i] = a;
      p[3 * i + 1] = -a * uniform(1.2, 2.4) / (width * width);
      p[3 * i + 2] = a * uniform(0.3, 1.7) / (width * width * width * width);
    }
    auto d = descend(p, samples, target.largest_slope, 60);
    if (!std::isfinite(d.loss.total())) continue;
    least = std::min(least, d.loss.total());
    found.push_back(std::move(d));
    if (progress && (k + 1) % 500 == 0) progress(k + 1, least);
  }
  const auto by_loss = [](const Descent& a, const Descent& b) { return a.loss.total() < b.loss.total(); };
  std::sort(found.begin(), found.end(), by_loss);
  found.resize(std::min<std::size_t>(found.size(), 40));
  for (auto& d : found) d = descend(d.point, samples, target.largest_slope, 4000);
  std::sort(found.begin(), found.end(), by_loss);
  auto out = finish(found.front());
  for (const auto& d : found) out.agreeing += d.loss.total() <= 1.01 * out.loss.total();
  return out;
}

SpectralMap with_unit_peaks(const SpectralMap& map) {
  SpectralMap out = map;
  constexpr int kGrid = 20000;
  for (std::size_t i = 0; i + 1 < out.size(); ++i) {
    const SpectralMap head(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    double peak = 0;
    for (int k = 1; k <= kGrid; ++k) peak = std::max(peak, std::abs(evaluate(head, static_cast<double>(k) / kGrid)));
    if (!(peak > 0)) continue;
    out[i] = {out[i].a / peak, out[i].b / peak, out[i].c / peak};
    auto& next = out[i + 1];
    next = {next.a * peak, next.b * std::pow(peak, 3), next.c * std::pow(peak, 5)};
  }
  return out;
}

}  // namespace pionbench::optim
