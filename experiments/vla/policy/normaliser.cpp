#include "experiments/vla/policy/normaliser.h"

#include <algorithm>
#include <cmath>

#include "core/catalog.h"
#include "core/error.h"
#include "core/files.h"
#include "experiments/vla/sim/scene.h"

namespace pionbench::vla {
namespace {

constexpr int kGripper = kActionSize - 1;

float normalised(float x, double low, double high) {
  if (!(high > low)) return 0;
  return static_cast<float>(std::clamp(2 * (static_cast<double>(x) - low) / (high - low) - 1, -1., 1.));
}

}  // namespace

Quantiles quantiles_of(std::span<const float> values, int dims) {
  const auto rows = values.size() / static_cast<std::size_t>(dims);
  if (rows == 0) throw UserError("no frames to take quantiles of: the demonstrations are empty");
  Quantiles out;
  std::vector<float> column(rows);
  const auto at = [&](double q) {
    const double position = q * static_cast<double>(rows - 1);
    const auto i = static_cast<std::size_t>(position);
    const double next = column[std::min(i + 1, rows - 1)];
    return column[i] + (position - static_cast<double>(i)) * (next - column[i]);
  };
  for (int d = 0; d < dims; ++d) {
    for (std::size_t r = 0; r < rows; ++r)
      column[r] = values[r * static_cast<std::size_t>(dims) + static_cast<std::size_t>(d)];
    std::ranges::sort(column);
    out.low.push_back(at(.01));
    out.high.push_back(at(.99));
  }
  return out;
}

Normaliser::Normaliser(Quantiles actions, Quantiles proprio)
    : actions_(std::move(actions)), proprio_(std::move(proprio)) {}

Normaliser Normaliser::load(const std::filesystem::path& file) {
  const auto json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  const auto read = [&](const char* name, std::size_t dims) {
    Quantiles out;
    for (auto [key, target] : {std::pair{"q01", &out.low}, std::pair{"q99", &out.high}}) {
      const auto at = Json::json_pointer(std::string("/") + name + "/" + key);
      if (!json.contains(at) || !json.at(at).is_array() || json.at(at).size() != dims)
        throw UserError(file.string() + ": " + name + "." + key + " must be " + std::to_string(dims) + " numbers");
      *target = json.at(at).get<std::vector<double>>();
    }
    return out;
  };
  return {read("action", kActionSize), read("proprio", kProprioSize)};
}

void Normaliser::save(const std::filesystem::path& file) const {
  const Json json = {{"action", {{"q01", actions_.low}, {"q99", actions_.high}}},
                     {"proprio", {{"q01", proprio_.low}, {"q99", proprio_.high}}}};
  write_file_atomic(file, json.dump(1) + "\n");
}

void Normaliser::normalise_action(std::span<const float> action, std::span<float> out) const {
  for (std::size_t d = 0; d < kActionSize; ++d)
    out[d] = d == kGripper ? action[d] : normalised(action[d], actions_.low[d], actions_.high[d]);
}

void Normaliser::restore_action(std::span<const float> x, std::span<float> out) const {
  for (std::size_t d = 0; d < kActionSize; ++d) {
    const double low = actions_.low[d], high = actions_.high[d];
    out[d] = d == kGripper
                 ? (x[d] > 0 ? 1.F : -1.F)
                 : static_cast<float>(high > low ? (static_cast<double>(x[d]) + 1) / 2 * (high - low) + low : low);
    if (std::isnan(x[d])) out[d] = x[d];  // the environment counts it as a failure
  }
}

void Normaliser::normalise_proprio(std::span<const float> proprio, std::span<float> out) const {
  for (std::size_t d = 0; d < kProprioSize; ++d) out[d] = normalised(proprio[d], proprio_.low[d], proprio_.high[d]);
}

}  // namespace pionbench::vla
