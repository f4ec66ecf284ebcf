#include "experiments/rlvr/pick.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

namespace pionbench::rlvr {
namespace {

// Of probabilities at once on a device: with their sums in float64 and, truncated, their order, 24 bytes each.
constexpr std::int64_t kMostElements = 1 << 24;

Picked to_host(const torch::Tensor& tokens, const torch::Tensor& logp) {
  const auto ids = tokens.to(torch::kCPU).contiguous(), values = logp.to(torch::kCPU, torch::kFloat32).contiguous();
  return {{ids.data_ptr<std::int64_t>(), ids.data_ptr<std::int64_t>() + ids.numel()},
          {values.data_ptr<float>(), values.data_ptr<float>() + values.numel()}};
}

std::pair<torch::Tensor, torch::Tensor> likeliest(const torch::Tensor& logits) {
  const auto best = logits.argmax(-1, /*keepdim=*/true);
  return {best.squeeze(-1), torch::log_softmax(logits, -1).gather(1, best).squeeze(-1)};
}

torch::Tensor probabilities_of(const torch::Tensor& logits, double temperature) {
  return torch::softmax(temperature == 1 ? logits : logits / temperature, -1);
}

/// The first place of each row whose cumulative weight exceeds u · total: weights [n, V] ≥ 0, u [n, 1] -> [n, 1].
torch::Tensor invert(const torch::Tensor& weights, const torch::Tensor& u) {
  const auto reached = weights.cumsum(-1, torch::kFloat64);
  const auto total = reached.narrow(1, reached.size(1) - 1, 1).contiguous();
  // Rounding may leave u · total at the sum: then the last that adds to it.
  return torch::minimum(torch::searchsorted(reached, u * total, /*out_int32=*/false, /*right=*/true),
                        torch::searchsorted(reached, total, /*out_int32=*/false, /*right=*/false));
}

torch::Tensor draw_slice(const torch::Tensor& probabilities, const Truncation& t, const torch::Tensor& u) {
  if (t.none()) return invert(probabilities, u);
  const auto [p, order] = probabilities.sort(/*stable=*/true, /*dim=*/-1, /*descending=*/true);
  const auto among = t.top_k > 0 ? std::min(t.top_k, p.size(1)) : p.size(1);
  auto kept = p.narrow(1, 0, among);
  auto ids = order.narrow(1, 0, among);
  if (t.top_p < 1) {
    const auto reached = kept.cumsum(-1, torch::kFloat64);
    // The one that reaches the mass is kept: what stands before it does not.
    kept = kept * ((reached - kept) < t.top_p * reached.narrow(1, among - 1, 1));
  }
  if (t.min_p > 0) kept = kept * (kept >= t.min_p * kept.narrow(1, 0, 1));
  return ids.gather(1, invert(kept, u));
}

Picked pick_on_cpu(const torch::Tensor& logits, double temperature, const Truncation& truncation,
                   const std::vector<double>& draws) {
  const auto rows = logits.size(0), width = logits.size(1);
  const auto probabilities = probabilities_of(logits, temperature).contiguous(), scores = logits.contiguous();
  const float *data = probabilities.data_ptr<float>(), *score = scores.data_ptr<float>();
  Picked out{std::vector<std::int64_t>(static_cast<std::size_t>(rows)),
             std::vector<float>(static_cast<std::size_t>(rows))};
  at::parallel_for(0, rows, std::max<std::int64_t>(1, 16384 / width), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::span<const float> row(data + r * width, static_cast<std::size_t>(width));
      const auto i = static_cast<std::size_t>(r);
      if (draws[i] == kGreedy) {
        const float *first = score + r * width, *best = std::max_element(first, first + width);
        double sum = 0;
        for (const float* x = first; x != first + width; ++x) sum += std::exp(static_cast<double>(*x - *best));
        out.tokens[i] = best - first;
        out.logp[i] = static_cast<float>(-std::log(sum));
        continue;
      }
      out.tokens[i] = draw(row, truncation, draws[i]);
      out.logp[i] = std::log(row[static_cast<std::size_t>(out.tokens[i])]);
    }
  });
  return out;
}

}  // namespace

std::pair<torch::Tensor, torch::Tensor> draw_rows(const torch::Tensor& logits, double temperature,
                                                  const Truncation& truncation, const torch::Tensor& draws) {
  const auto rows = logits.size(0), slice = std::max<std::int64_t>(1, kMostElements / logits.size(1));
  std::vector<torch::Tensor> tokens, logp;
  for (std::int64_t begin = 0; begin < rows; begin += slice) {
    const auto count = std::min(slice, rows - begin);
    // Not a number: as if it were never drawn.
    const auto p = probabilities_of(logits.narrow(0, begin, count), temperature).nan_to_num(0);
    const auto found = draw_slice(p, truncation, draws.narrow(0, begin, count).unsqueeze(1));
    tokens.push_back(found.squeeze(1));
    logp.push_back(p.gather(1, found).squeeze(1).log());
  }
  return {torch::cat(tokens), torch::cat(logp)};
}

Picked pick(const torch::Tensor& logits, double temperature, const Truncation& truncation,
            const std::vector<double>& draws) {
  if (temperature == 0) {
    const auto [tokens, logp] = likeliest(logits);
    return to_host(tokens, logp);
  }
  if (logits.device().is_cpu()) return pick_on_cpu(logits, temperature, truncation, draws);
  const auto u = torch::tensor(draws, torch::kFloat64).to(logits.device());
  auto [tokens, logp] = draw_rows(logits, temperature, truncation, u.clamp_min(0));
  if (std::ranges::find(draws, kGreedy) != draws.end()) {
    const auto greedy = (u < 0).nonzero().squeeze(1);
    const auto [best, best_logp] = likeliest(logits.index_select(0, greedy));
    tokens.index_copy_(0, greedy, best);
    logp.index_copy_(0, greedy, best_logp);
  }
  return to_host(tokens, logp);
}

}  // namespace pionbench::rlvr
