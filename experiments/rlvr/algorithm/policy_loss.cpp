#include "experiments/rlvr/algorithm/policy_loss.h"

namespace pionbench::rlvr {

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
  const auto tokens = mask.sum();
  const double token_count = denominators.tokens > 0 ? denominators.tokens : tokens.item<double>();
  const double sequence_count = denominators.sequences > 0 ? denominators.sequences : static_cast<double>(logp.size(0));
  const auto per_token_mean = [&](const torch::Tensor& x) { return (x * mask).sum() / std::max(token_count, 1.0); };

  PolicyLoss out;
  const auto difference = logp - old;
  torch::Tensor clipped;  // where clipping took hold, for the record
  if (options.kind == PolicyLossKind::kPpoClip) {
    const auto ratio = difference.clamp(-20, 20).exp();
    const auto plain = -a * ratio;
    const auto bounded = -a * ratio.clamp(1 - options.clip_low, 1 + options.clip_high);
    const auto larger = torch::maximum(plain, bounded);
    const auto loss = torch::where(a < 0, torch::minimum(larger, -a * options.dual_clip), larger);
    out.loss = per_token_mean(loss);
    clipped = bounded > plain;
  } else {
    const auto sign = a.sign();
    const auto kept =
        sign * torch::minimum(sign * difference, sign * difference.clamp(-options.clip_low, options.clip_high));
    const auto log_ratio = (kept * mask).sum(1) / mask.sum(1).clamp_min(1);  // [B]
    out.loss = (-a.squeeze(1) * log_ratio.exp()).sum() / std::max(sequence_count, 1.0);
    clipped = kept != difference;
  }
  if (options.kl_coef != 0) {
    const auto k = (reference - logp).clamp(-20, 20);
    out.loss = out.loss + options.kl_coef * per_token_mean((k.exp() - k - 1).clamp(-10, 10));
  }
  const torch::NoGradGuard no_grad;
  const double present = std::max(tokens.item<double>(), 1.0);
  out.clip_fraction = (clipped.to(mask.scalar_type()) * mask).sum().item<double>() / present;
  out.approximate_kl = (-difference * mask).sum().item<double>() / present;
  return out;
}

}  // namespace pionbench::rlvr
