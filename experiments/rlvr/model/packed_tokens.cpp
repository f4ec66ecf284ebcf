#include "experiments/rlvr/model/packed_tokens.h"

#include <algorithm>
#include <vector>

namespace pionbench::rlvr {

PackedTokens pack(const torch::Tensor& tokens, const torch::Tensor& lengths, const torch::Tensor& shared) {
  const auto host = tokens.cpu().contiguous(), length = lengths.cpu().contiguous(), share = shared.cpu().contiguous();
  const auto rows = host.size(0), stride = host.size(1), width = length.max().item<std::int64_t>();
  const auto* lengths_of = length.data_ptr<std::int64_t>();
  const auto* shared_of = share.data_ptr<std::int64_t>();
  std::vector<std::int64_t> ids, positions, places;
  auto sequences = torch::zeros({rows, width}, torch::kInt64);
  auto* at = sequences.data_ptr<std::int64_t>();
  for (std::int64_t b = 0; b < rows; ++b, at += width) {
    const auto* row = host.data_ptr<std::int64_t>() + b * stride;
    std::int64_t known = 0;
    if (b > 0) {
      const auto common = std::min(shared_of[b - 1], shared_of[b]);
      if (std::equal(row, row + common, row - stride)) known = common;
    }
    for (std::int64_t t = 0; t < lengths_of[b]; ++t) {
      if (t < known) {
        at[t] = at[t - width];
        continue;
      }
      at[t] = static_cast<std::int64_t>(ids.size());
      ids.push_back(row[t]);
      positions.push_back(t);
      places.push_back(b * width + t);
    }
  }
  const auto place = [&](const torch::Tensor& x) { return x.to(tokens.device()); };
  return {place(torch::tensor(ids, torch::kInt64)), place(torch::tensor(positions, torch::kInt64)), place(sequences),
          place(torch::tensor(places, torch::kInt64))};
}

}  // namespace pionbench::rlvr
