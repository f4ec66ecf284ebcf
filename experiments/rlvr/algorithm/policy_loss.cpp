#include "experiments/rlvr/algorithm/policy_loss.h"

namespace pionbench::rlvr {
namespace {

// verl adds it to every count of a sequence's tokens.
constexpr double kTiny = 1e-8;

}  // namespace

torch::Tensor group_advantages(const torch::Tensor& rewards, bool divide_by_std) {
  const auto r = rewards.to(torch::kFloat32);
  if (r.size(1) == 1) return r.clone();  // mean 0, std 1
  const auto centred = r - r.mean(1, /*keepdim=*/true);
  return divide_by_std ? centred / (r.std(1, /*unbiased=*/true, /*keepdim=*/true) + 1e-6) : centred;
}

PolicyLoss policy_loss(const torch::Tensor& logp, const torch::Tensor& old, const torch::Tensor& reference,
                       const torch::Tensor& advantages, const torch::Tensor& mask_in, const PolicyLossOptions& options,
                       const Denominators& denominators) {
  const auto mask = mask_in.to(logp.scalar_type());
  const auto a = advantages.to(logp.scalar_type()).unsqueeze(1);  // [B, 1]
  const auto lengths = mask.sum(1);                               // [B]
  const double present = lengths.sum().item<double>();
  const double token_count = std::max(denominators.tokens > 0 ? denominators.tokens : present, 1.0);
  const double width = denominators.width > 0 ? denominators.width : static_cast<double>(logp.size(1));
  const auto sequence_count = [&](bool empty_ones) {
    if (denominators.sequences > 0) return denominators.sequences;
    const auto count = empty_ones ? static_cast<double>(logp.size(0)) : (lengths > 0).sum().item<double>();
    return std::max(count, 1.0);
  };
  const auto aggregated = [&](const torch::Tensor& x) {
    const auto sums = (x * mask).sum(1);
    switch (options.aggregation) {
      case Aggregation::kSequenceMean:
        return (sums / (lengths + kTiny)).sum() / sequence_count(false);
      case Aggregation::kSequenceSum:
        return sums.sum() / sequence_count(false);
      case Aggregation::kSequenceSumByWidth:
        return sums.sum() / width;
      case Aggregation::kTokenMean:
        break;
    }
    return sums.sum() / token_count;
  };

  PolicyLoss out;
  // GMPO leaves the difference as it is: its own clip bounds what matters.
  const bool ppo = options.kind == PolicyLossKind::kPpoClip;
  const auto difference = ppo ? (logp - old).clamp(-20, 20) : logp - old;
  torch::Tensor upper, lower;  // tokens where clipping took hold, for the record
  if (ppo) {
    const auto ratio = difference.exp();
    const auto plain = -a * ratio;
    const auto bounded = -a * ratio.clamp(1 - options.clip_low, 1 + options.clip_high);
    const auto larger = torch::maximum(plain, bounded);
    const auto limit = -a * options.dual_clip;
    out.loss = aggregated(torch::where(a < 0, torch::minimum(larger, limit), larger));
    upper = bounded > plain;
    lower = (larger > limit).logical_and(a < 0);
  } else {
    const auto sign = a.sign();
    const auto clamped = difference.clamp(-options.clip_low, options.clip_high);
    const auto kept = sign * torch::minimum(sign * difference, sign * clamped);
    const auto log_ratio = (kept * mask).sum(1) / (lengths + kTiny);   // [B]
    const auto weight = a.squeeze(1) * (lengths / (lengths + kTiny));  // [B]
    out.loss = (-weight * log_ratio.exp()).sum() / sequence_count(true);
    upper = (difference != clamped).logical_and(a > 0);
    lower = (difference != clamped).logical_and(a < 0);
  }
  if (options.kl_coef != 0) {
    const auto k = (reference - logp).clamp(-20, 20);
    out.loss = out.loss + options.kl_coef * aggregated((k.exp() - k - 1).clamp(-10, 10));
  }
  const torch::NoGradGuard no_grad;
  const auto share = [&](const torch::Tensor& x) {
    return (x.to(mask.scalar_type()) * mask).sum().item<double>() / std::max(present, 1.0);
  };
  out.clip_fraction = share(upper);
  out.clip_fraction_lower = share(lower);
  out.approximate_kl = share(-difference);
  return out;
}

}  // namespace pionbench::rlvr
