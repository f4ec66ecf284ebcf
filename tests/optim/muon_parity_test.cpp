/// Muon against the live torch.optim.Muon of the project's Python: an implementation that shares no line with ours.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "optim/registry.h"

namespace pionbench::optim {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::int64_t rows, cols;
  bool nesterov;
  double weight_decay;
  const char* preset;
  const char* adjust;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.preset << " " << c.rows << "x" << c.cols;
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

class MuonParity : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Modes, MuonParity,
                         testing::Values(Case{32, 96, true, 0.1, "torch", "original"},
                                         Case{96, 32, true, 0.1, "torch", "original"},
                                         Case{48, 48, false, 0.0, "torch", "original"},
                                         Case{96, 32, true, 0.0, "torch-match-rms", "match_rms_adamw"},
                                         Case{32, 96, false, 0.5, "torch-match-rms", "match_rms_adamw"}),
                         [](const auto& info) {
                           const auto& c = info.param;
                           return std::string(c.adjust) + "_" + std::to_string(c.rows) + "x" + std::to_string(c.cols) +
                                  (c.nesterov ? "_nesterov" : "") + (c.weight_decay > 0 ? "_decay" : "");
                         });

TEST_P(MuonParity, FollowsTorchOptimMuon) {
  const char* python = std::getenv("PIONBENCH_PYTHON");
  const char* home = std::getenv("PIONBENCH_HOME");
  if (!python || !home || !fs::exists(python)) GTEST_SKIP() << "no Python at PIONBENCH_PYTHON; ci/setup makes one";
  const auto& c = GetParam();
  constexpr int kSteps = 4;
  constexpr double kLr = 0.05;
  const auto folder = fs::temp_directory_path() /
                      ("muon-parity-" + std::to_string(::getpid()) + "-" + std::to_string(c.rows) + c.adjust);
  fs::create_directories(folder);
  torch::manual_seed(c.rows);
  const auto initial = torch::randn({c.rows, c.cols}) * 0.1;
  std::vector<torch::Tensor> gradients;
  for (int i = 0; i < kSteps; ++i) gradients.push_back(torch::randn({c.rows, c.cols}));
  write_raw(folder / "weight.f32", initial);
  for (int i = 0; i < kSteps; ++i)
    write_raw(folder / ("grad" + std::to_string(i) + ".f32"), gradients[static_cast<std::size_t>(i)]);

  std::ostringstream command;
  command << python << " " << home << "/tests/tools/muon_reference.py " << folder.string() << " " << c.rows << " "
          << c.cols << " " << kSteps << " " << kLr << " " << c.weight_decay << " " << c.nesterov << " " << c.adjust;
  const int status = std::system(command.str().c_str());
  if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
    GTEST_SKIP() << python << " has no torch.optim.Muon (torch 2.9 or newer)";
  ASSERT_EQ(status, 0);
  const auto expected = read_raw(folder / "result.f32", c.rows, c.cols);
  fs::remove_all(folder);

  std::vector<Parameter> model = {{"w", initial.clone().set_requires_grad(true), Role::kMatrix}};
  const auto muon = make_optimizer(
      "muon", model,
      {{"preset", std::string(c.preset)}, {"lr", kLr}, {"weight_decay", c.weight_decay}, {"nesterov", c.nesterov}});
  for (int i = 0; i < kSteps; ++i) {
    model[0].tensor.mutable_grad() = gradients[static_cast<std::size_t>(i)].clone();
    muon->step();
  }
  // Both run the products in bfloat16; they may sum them in another order. One step moves elements by about
  // lr·0.2 = 0.01; bfloat16 rounds that at 4e-5, over four steps and a spectrum amplified up to 485-fold.
  const double largest = (model[0].tensor - expected).abs().max().item<double>();
  const double moved = (expected - initial).abs().max().item<double>();
  EXPECT_LT(largest, 0.01 * moved) << "moved by " << moved;
  // Weight decay exactly once a step, in exact arithmetic apart from the update.
  EXPECT_GT(moved, 0.01);
}

}  // namespace
}  // namespace pionbench::optim
