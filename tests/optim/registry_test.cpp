/// The registry to the outside: the stub that newcomers copy, and the documents that speak of it.

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "core/optimizer_docs.h"
#include "tests/optim/properties.h"

namespace pionbench::optim {

OptimizerEntry stub_entry();  // optim/stub.cpp

namespace {

using testing::Contains;
using testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Stub, EveryOptimizer, testing::Values(stub_entry()), entry_name);
INSTANTIATE_TEST_SUITE_P(Stub, EveryOptimizerStep, testing::Values(stub_entry()), entry_name);

TEST(Stub, StepsAlongTheSignOfItsAveragedGradient) {
  std::vector<Parameter> model = {{"w", torch::ones({2, 2}).set_requires_grad(true), Role::kMatrix}};
  const auto optimizer = make_optimizer(stub_entry(), model, {{"lr", 0.1}, {"momentum", 0.75}, {"weight_decay", 0.5}});
  for (const auto& gradient : {torch::tensor({{4.0, -4.0}, {0.0, 1.0}}), torch::tensor({{-2.0, 2.0}, {0.0, -8.0}})}) {
    model[0].tensor.mutable_grad() = gradient.to(torch::kFloat32);
    optimizer->step();
  }
  // M after two steps: 0.25·(−2) + 0.75·0.25·4 = 0.25 keeps the sign of the first; 0.25·(−8) + 0.1875 has turned.
  const double shrink = 0.95;
  const auto expected = [&](double first, double second) { return (shrink + first) * shrink + second; };
  const auto w = model[0].tensor.detach();
  EXPECT_NEAR(w[0][0].item<double>(), expected(-0.1, -0.1), 1e-6);
  EXPECT_NEAR(w[0][1].item<double>(), expected(0.1, 0.1), 1e-6);
  EXPECT_NEAR(w[1][0].item<double>(), expected(0, 0), 1e-6);
  EXPECT_NEAR(w[1][1].item<double>(), expected(-0.1, 0.1), 1e-6);
}

TEST(Stub, IsNoPartOfTheRegistry) {
  for (const auto& entry : registry()) EXPECT_NE(entry.info.name, stub_entry().info.name);
}

std::string home() {
  const char* folder = std::getenv("PIONBENCH_HOME");
  return folder ? folder : ".";
}

std::string read(const std::string& path) {
  std::ifstream in(home() + "/" + path);
  EXPECT_TRUE(in) << path << " is missing";
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(Docs, OptimizersMdIsWhatTheRegistrySays) {
  std::vector<OptimizerInfo> infos;
  for (const auto& entry : registry()) infos.push_back(entry.info);
  const auto page = optimizers_markdown(infos);
  if (std::getenv("PIONBENCH_WRITE_DOCS")) std::ofstream(home() + "/docs/optimizers.md") << page;
  const auto expected = lines_of(page), found = lines_of(read("docs/optimizers.md"));
  for (std::size_t i = 0; i < std::max(expected.size(), found.size()); ++i) {
    const std::string want = i < expected.size() ? expected[i] : "(end)", have = i < found.size() ? found[i] : "(end)";
    ASSERT_EQ(have, want) << "docs/optimizers.md differs from the registry from line " << i + 1
                          << " on. Write it again:\n  " << kWriteOptimizerDocs
                          << "\nor, where only the optimizers are built, run this test with PIONBENCH_WRITE_DOCS=1.";
  }
}

TEST(Docs, ConventionsSpeakOfEveryPreset) {
  const auto page = read("docs/optimizer-conventions.md");
  for (const auto& entry : registry())
    for (const auto& set : entry.info.table.bundle_sets)
      for (const auto& bundle : set.bundles)
        EXPECT_THAT(page, HasSubstr("`" + bundle.name + "`"))
            << "preset of " << entry.info.name << ": say in docs/optimizer-conventions.md whose convention it is";
}

TEST(Docs, TheReadmesExampleIsPartOfTheProgramThatIsCompiled) {
  const auto readme = read("optim/README.md");
  const auto begin = readme.find("```cpp\n"), end = readme.find("```", begin + 3);
  ASSERT_NE(begin, std::string::npos);
  auto program = lines_of(read("optim/examples/train.cpp"));
  const auto trim = [](std::string& line) { line.erase(0, line.find_first_not_of(' ')); };
  for (auto& line : program) trim(line);
  for (auto& line : lines_of(readme.substr(begin + 7, end - begin - 7))) {
    trim(line);
    if (line.empty()) continue;
    EXPECT_THAT(program, Contains(line));
  }
}

}  // namespace
}  // namespace pionbench::optim
