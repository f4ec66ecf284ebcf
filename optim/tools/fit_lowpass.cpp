/// Finds LPMuon's coefficients anew and prints them with the loss and the response.
///   fit_lowpass                               20000 starts, about four minutes on one core
///   fit_lowpass --starts 500 --seed 2         quicker, another seed
///   fit_lowpass --lowest 0.01 --tau 0.4       another target
///   fit_lowpass --check                       the shipped set, not a fit
///   fit_lowpass --check --plot docs/images    writes docs/images/lpmuon-response.vl.json (results/render.py draws it)
/// Standard library only: builds and runs without libtorch.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

#include "core/error.h"
#include "optim/spectral/coefficients.h"
#include "optim/spectral/fit.h"

namespace {

using namespace pionbench;
using namespace pionbench::optim;

struct Arguments {
  LowPassTarget target;
  std::int64_t starts = 20000;
  std::uint64_t seed = 1;
  bool check = false;
  std::string plot;
};

template <typename T>
T number(const std::string& option, const char* text) {
  T value{};
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc() || stop != end) throw UserError(option + ": got \"" + text + "\", allowed: a number");
  return value;
}

Arguments parse(int count, char** words) {
  Arguments out;
  const std::vector<std::string> known = {"--starts", "--seed",  "--tau", "--transition",
                                          "--lowest", "--check", "--plot"};
  for (int i = 1; i < count; ++i) {
    const std::string option = words[i];
    if (std::find(known.begin(), known.end(), option) == known.end())
      throw UserError(unknown_name("option", option, known));
    if (option == "--check") {
      out.check = true;
      continue;
    }
    if (++i == count) throw UserError(option + ": a value is missing");
    if (option == "--starts") out.starts = number<std::int64_t>(option, words[i]);
    if (option == "--seed") out.seed = number<std::uint64_t>(option, words[i]);
    if (option == "--tau") out.target.tau = number<double>(option, words[i]);
    if (option == "--transition") out.target.transition = number<double>(option, words[i]);
    if (option == "--lowest") out.target.lowest = number<double>(option, words[i]);
    if (option == "--plot") out.plot = words[i];
  }
  return out;
}

void print(const SpectralMap& steps, const LowPassLoss& loss, const LowPassTarget& t) {
  std::printf("steps (a, b, c)\n");
  for (const auto& s : steps) std::printf("  {%.6f, %.6f, %.6f},\n", s.a, s.b, s.c);
  std::printf("loss %.6e: pass %.3e, stop %.3e, overshoot %.3e, negativity %.3e\n", loss.total(), loss.pass, loss.stop,
              loss.overshoot, loss.negativity);
  double slope = 1, pass = 0, ripple = 0, stop = 0, low = 0, high = 0;
  for (const auto& s : steps) slope *= s.a;
  for (int i = 0; i <= 100000; ++i) {
    const double s = std::pow(10.0, -5 + 5 * i / 100000.0), f = evaluate(steps, s);
    low = std::min(low, f);
    high = std::max(high, f);
    if (s >= t.lowest && s <= t.tau - t.transition / 2) pass = std::max(pass, std::abs(f - 1));
    if (s >= 0.005 && s <= t.tau - t.transition / 2) ripple = std::max(ripple, std::abs(f - 1));
    if (s >= t.tau + t.transition / 2) stop = std::max(stop, std::abs(f));
  }
  std::printf(
      "slope at 0: %.1f; greatest deviation: pass band %.4f, of that from 0.005 up %.4f, stop band %.4f; "
      "range [%.4f, %.4f]\n",
      slope, pass, ripple, stop, low, high);
  std::printf("response");
  for (const double s :
       {0.0003, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 0.42, 0.45, 0.5, 0.55, 0.58, 0.6, 0.8, 1.0})
    std::printf("  f(%g) = %.4f", s, evaluate(steps, s));
  std::printf("\n");
}

/// Response of LPMuon beside Muon's and Pion's (k_p = 0, as in the paper's figure 8a), on a logarithmic axis.
void plot(const SpectralMap& steps, const std::string& folder) {
  const std::string file = folder + "/lpmuon-response.vl.json";
  std::ofstream out(file);
  const std::vector<std::pair<const char*, SpectralMap>> curves = {
      {"LPMuon", steps}, {"Muon", muon_map()}, {"Pion, k_p = 0", pion_map(0)}};
  out << "{\"$schema\": \"https://vega.github.io/schema/vega-lite/v5.json\", \"width\": 560, \"height\": 240,\n"
         " \"background\": \"white\", \"padding\": 8,\n"
         " \"config\": {\"font\": \"Liberation Sans, Arial, Helvetica, sans-serif\", \"axis\": {\"titleFontWeight\": "
         "400},\n"
         "            \"view\": {\"stroke\": null}},\n"
         " \"data\": {\"values\": [\n";
  bool first = true;
  for (const auto& [name, map] : curves)
    for (int i = 0; i <= 900; ++i) {
      const double s = std::pow(10.0, -3.5 + 3.5 * i / 900.0);
      char row[160];
      std::snprintf(row, sizeof row, "{\"map\": \"%s\", \"s\": %.5g, \"f\": %.4f}", name, s, evaluate(map, s));
      out << (first ? "  " : ",\n  ") << row;
      first = false;
    }
  out << "\n ]},\n"
         " \"mark\": {\"type\": \"line\", \"clip\": true, \"strokeWidth\": 1.6},\n"
         " \"encoding\": {\n"
         "  \"x\": {\"field\": \"s\", \"type\": \"quantitative\", \"scale\": {\"type\": \"log\", \"domain\": [0.0003, "
         "1]},\n"
         "        \"axis\": {\"title\": \"singular value s of M / ‖M‖\",\n"
         "                 \"values\": [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 1]}},\n"
         "  \"y\": {\"field\": \"f\", \"type\": \"quantitative\", \"scale\": {\"domain\": [-0.1, 1.3]}, \"axis\": "
         "{\"title\": \"f(s)\"}},\n"
         "  \"color\": {\"field\": \"map\", \"type\": \"nominal\", \"sort\": null,\n"
         "            \"scale\": {\"range\": [\"#B5679B\", \"#D55E00\", \"#0072B2\"]},\n"
         "            \"legend\": {\"title\": null, \"orient\": \"top\", \"symbolType\": \"stroke\"}},\n"
         "  \"strokeDash\": {\"field\": \"map\", \"type\": \"nominal\", \"sort\": null,\n"
         "                 \"scale\": {\"range\": [[1, 0], [6, 3], [2, 2]]}, \"legend\": null}\n"
         " }}\n";
  out.flush();
  if (!out) throw UserError("--plot: cannot write \"" + file + "\"; give a folder that exists");
  std::printf("wrote %s\n", file.c_str());
}

int run(const Arguments& arguments) {
  SpectralMap steps;
  if (arguments.check) {
    steps = find_coefficients("lpmuon").steps;
  } else {
    const auto fit =
        fit_low_pass(arguments.target, arguments.starts, arguments.seed, [](std::int64_t done, double least) {
          std::fprintf(stderr, "%lld starts, least loss %.3e\n", static_cast<long long>(done), least);
        });
    std::printf("%lld of 40 polished starts agree within 1 %%\n", static_cast<long long>(fit.agreeing));
    steps = fit.steps;
  }
  print(steps, low_pass_loss(steps, arguments.target), arguments.target);
  if (!arguments.plot.empty()) plot(steps, arguments.plot);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  try {
    return run(parse(count, words));
  } catch (const UserError& error) {
    std::fprintf(stderr, "error: [fit_lowpass] %s\n", error.what());
    return 64;
  }
}
