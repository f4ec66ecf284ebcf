/// Our steps against the live torch.optim.Muon and torch.optim.AdamW of the project's Python: implementations that
/// share no line with ours. One Python process serves all cases.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "optim/registry.h"
#include "optim/spectral/coefficients.h"
#include "tests/optim/spectra.h"

namespace pionbench::optim {
namespace {

using namespace std::string_literals;
namespace fs = std::filesystem;

constexpr double kLr = 0.05;
constexpr int kSteps = 5;

struct Case {
  std::string name;
  std::string kind;     ///< the Python class
  std::string options;  ///< its keyword arguments
  std::string ours;     ///< our optimizer
  Values hyper;         ///< its hyperparameters
  std::int64_t rows = 0, cols = 0;
  double gradient_scale = 1;  ///< 0: zero gradients
};

std::vector<Case> cases() {
  std::vector<Case> out;
  struct Mode {
    const char* name;
    const char* python;
    const char* preset;
  };
  for (const auto& mode : {Mode{"none", "None", "torch"}, Mode{"original", "'original'", "torch"},
                           Mode{"match_rms", "'match_rms_adamw'", "torch-match-rms"}})
    for (const bool nesterov : {true, false})
      for (const auto& [shape, rows, cols] :
           {std::tuple{"tall", 96, 32}, std::tuple{"wide", 32, 96}, std::tuple{"square", 48, 48}}) {
        const double decay = shape == "square"s ? 0.0 : 0.5;
        out.push_back(
            {"muon_"s + mode.name + (nesterov ? "_nesterov_" : "_plain_") + shape,
             "muon",
             "lr=0.05 weight_decay=" + std::to_string(decay) + " nesterov=" + (nesterov ? "True" : "False") +
                 " adjust_lr_fn=" + mode.python,
             "muon",
             {{"preset", std::string(mode.preset)}, {"lr", kLr}, {"weight_decay", decay}, {"nesterov", nesterov}},
             rows,
             cols});
      }
  // Nothing but decay: exact, and exactly once a step.
  out.push_back({"muon_zero_gradient",
                 "muon",
                 "lr=0.05 weight_decay=0.5",
                 "muon",
                 {{"preset", "torch"s}, {"lr", kLr}, {"weight_decay", 0.5}},
                 12,
                 20,
                 0.0});
  // max(‖X‖, eps) and ‖X‖ + eps part where gradients are as small as eps.
  out.push_back({"muon_gradients_of_eps",
                 "muon",
                 "lr=0.05 weight_decay=0.0",
                 "muon",
                 {{"preset", "torch"s}, {"lr", kLr}, {"weight_decay", 0.0}},
                 24,
                 40,
                 3e-9});
  for (const double decay : {0.0, 0.1})
    out.push_back({"adamw_decay_" + std::string(decay > 0 ? "on" : "off"),
                   "adamw",
                   "lr=0.01 weight_decay=" + std::to_string(decay),
                   "adamw",
                   {{"lr", 0.01}, {"weight_decay", decay}},
                   40,
                   25});
  return out;
}

void write_raw(const fs::path& file, const torch::Tensor& x) {
  const auto flat = x.detach().to(torch::kFloat32).contiguous();
  std::ofstream(file, std::ios::binary)
      .write(static_cast<const char*>(flat.data_ptr()), static_cast<std::streamsize>(flat.nbytes()));
}

torch::Tensor read_raw(const fs::path& file, std::int64_t rows, std::int64_t cols) {
  auto out = torch::empty({rows, cols});
  std::ifstream(file, std::ios::binary)
      .read(static_cast<char*>(out.data_ptr()), static_cast<std::streamsize>(out.nbytes()));
  return out;
}

/// Both sides of a case: the weight after each step. `ours` in the standard form that they use, `chosen` in the form
/// that the engine chooses.
struct Traces {
  torch::Tensor initial;
  std::vector<torch::Tensor> gradients, ours, chosen, theirs;
};

std::vector<torch::Tensor> steps_of(const Case& c, const Traces& t, const Values& more) {
  std::vector<Parameter> model = {{"w", t.initial.clone().set_requires_grad(true), Role::kMatrix}};
  Values hyper = c.hyper;
  hyper.insert(more.begin(), more.end());
  const auto optimizer = make_optimizer(c.ours, model, hyper);
  std::vector<torch::Tensor> out;
  for (const auto& g : t.gradients) {
    model[0].tensor.mutable_grad() = g.clone();
    optimizer->step();
    out.push_back(model[0].tensor.detach().clone());
  }
  return out;
}

class PythonParity : public testing::TestWithParam<Case> {
 protected:
  static inline std::map<std::string, Traces> traces;
  static inline std::string reason;  // why there are none

  static void SetUpTestSuite() {
    if (!traces.empty() || !reason.empty()) return;
    const char* python = std::getenv("PIONBENCH_PYTHON");
    const char* home = std::getenv("PIONBENCH_HOME");
    if (!python || !home || !fs::exists(python)) {
      reason = "no Python at PIONBENCH_PYTHON; ci/setup makes one";
      return;
    }
    const auto folder = fs::temp_directory_path() / ("python-parity-" + std::to_string(::getpid()));
    fs::create_directories(folder);
    std::ofstream list(folder / "cases.txt");
    torch::manual_seed(61);
    for (const auto& c : cases()) {
      list << c.name << " " << c.kind << " " << c.rows << " " << c.cols << " " << kSteps << " " << c.options << "\n";
      auto& t = traces[c.name];
      t.initial = torch::randn({c.rows, c.cols}) * 0.1;
      write_raw(folder / (c.name + ".weight.f32"), t.initial);
      for (int i = 0; i < kSteps; ++i) {
        t.gradients.push_back(torch::randn({c.rows, c.cols}) * c.gradient_scale);
        write_raw(folder / (c.name + ".grad" + std::to_string(i) + ".f32"), t.gradients.back());
      }
      t.ours = steps_of(c, t, c.ours == "muon" ? Values{{"form", "standard"s}} : Values{});
      t.chosen = steps_of(c, t, {});
    }
    list.close();
    const int status =
        std::system((std::string(python) + " " + home + "/tests/tools/torch_reference.py " + folder.string()).c_str());
    if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
      reason = std::string(python) + " has no torch.optim.Muon (torch 2.9 or newer)";
    else if (status != 0)
      ADD_FAILURE() << "torch_reference.py ended with status " << status;
    else
      for (const auto& c : cases())
        for (int i = 0; i < kSteps; ++i)
          traces[c.name].theirs.push_back(
              read_raw(folder / (c.name + ".after" + std::to_string(i) + ".f32"), c.rows, c.cols));
    fs::remove_all(folder);
  }

  void SetUp() override {
    if (!reason.empty()) GTEST_SKIP() << reason;
    ASSERT_EQ(traces[GetParam().name].theirs.size(), static_cast<std::size_t>(kSteps));
  }
};
INSTANTIATE_TEST_SUITE_P(Modes, PythonParity, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

/// The greatest difference in units of the last place of the largest weight.
double last_places(const torch::Tensor& ours, const torch::Tensor& theirs) {
  int exponent = 0;
  std::frexp(theirs.abs().max().item<double>(), &exponent);
  return largest_difference(ours, theirs) / std::ldexp(1.0, exponent - 24);
}

TEST_P(PythonParity, EveryStepFollowsTheirs) {
  const auto& c = GetParam();
  const auto& t = traces[c.name];
  for (int i = 0; i < kSteps; ++i) {
    const auto& ours = t.ours[static_cast<std::size_t>(i)];
    const auto& theirs = t.theirs[static_cast<std::size_t>(i)];
    const double moved = (theirs - t.initial).norm().item<double>();
    const double apart = (ours - theirs).norm().item<double>();
    RecordProperty("apart_over_moved_" + std::to_string(i), c10::str(moved > 0 ? apart / moved : apart));
    if (c.kind == "adamw") {
      // Theirs averages by lerp, ours (torch's C++) by multiply and add.
      RecordProperty("last_places_" + std::to_string(i), std::to_string(last_places(ours, theirs)));
      EXPECT_LE(last_places(ours, theirs), 1) << "step " << i;
      EXPECT_LT(apart, 1e-6 * moved) << "step " << i;
    } else if (c.gradient_scale == 0) {
      EXPECT_TRUE(torch::equal(ours, theirs)) << "step " << i;
      EXPECT_LT(largest_difference(ours, std::pow(1 - kLr * 0.5, i + 1) * t.initial), 1e-6) << "step " << i;
    } else {
      // Bit for bit where the products run in the same order; bfloat16 rounds a product at 4e-3.
      EXPECT_GT(moved, 0.01);
      EXPECT_LT(apart, 0.01 * moved) << "step " << i;
    }
  }
}

TEST_P(PythonParity, IsAsNearToTheExactStepAsTheirs) {
  const auto& c = GetParam();
  if (c.ours != "muon" || c.gradient_scale != 1) GTEST_SKIP() << "for Muon on ordinary gradients";
  const auto& t = traces[c.name];
  const auto values = find_optimizer("muon").info.table.resolve(c.hyper);
  const double mu = get_real(values, "momentum"), decay = get_real(values, "weight_decay"),
               s = get_real(values, "update_scale");
  const double rows = static_cast<double>(c.rows), cols = static_cast<double>(c.cols);
  const double factor = s * (get_text(values, "scale_rule") == "sqrt_max" ? std::sqrt(std::max(rows, cols))
                                                                          : std::sqrt(std::max(1.0, rows / cols)));
  auto w = t.initial.to(torch::kFloat64), m = torch::zeros_like(w);
  for (int i = 0; i < kSteps; ++i) {
    const auto g = t.gradients[static_cast<std::size_t>(i)].to(torch::kFloat64);
    m = mu * m + (1 - mu) * g;
    const auto d = get_bool(values, "nesterov") ? mu * m + (1 - mu) * g : m;
    const double norm = d.norm().item<double>();
    w = (1 - kLr * decay) * w -
        kLr * factor * by_svd(d, [&](double x, std::int64_t) { return evaluate(muon_map(), x / norm); });
    const double our_error = (t.chosen[static_cast<std::size_t>(i)] - w).norm().item<double>();
    const double their_error = (t.theirs[static_cast<std::size_t>(i)] - w).norm().item<double>();
    RecordProperty("error_ratio_" + std::to_string(i), std::to_string(our_error / their_error));
    EXPECT_LT(our_error, 1.2 * their_error) << "step " << i;
  }
}

}  // namespace
}  // namespace pionbench::optim
