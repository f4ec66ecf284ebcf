#pragma once
/// The built `pionbench` with a small catalog and a worker of this folder, so that no libtorch is needed.

#include "tests/integration/shell.h"
#include "tests/spec/fixture.h"

namespace pionbench {

class CliTest : public integration::Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (integration::home().empty()) GTEST_SKIP() << "PIONBENCH_HOME is not set (ctest sets it)";
    set_catalog(fixture_catalog());
    write("exp.yaml", R"(name: exp
title: Toy
suite: toy
arms:
  SGD: {optimizer: sgd}
  Muon: {optimizer: muon}
grid: {lr: 1..6, seed: 0..1}
scales: {quick: {steps: 40}, desk: {steps: 400}}
)");
  }

  void set_catalog(const Catalog& catalog) { write("catalog.json", to_json(catalog).dump()); }

  std::string environment() const {
    return "PIONBENCH_CATALOG=" + (folder_ / "catalog.json").string() + " PIONBENCH_SPECS=" + folder_.string() +
           " PIONBENCH_WORKER=" + (integration::home() / "tests/cli/worker.py").string();
  }
  /// `pionbench ARGUMENTS`; stands in for the user's shell line.
  integration::Result pb(const std::string& arguments) const {
    return shell(environment() + " " + (integration::bin() / "pionbench").string() + " " + arguments);
  }
  Json pb_json(const std::string& arguments, int code = 0) const {
    const auto result = pb(arguments + " --json");
    EXPECT_EQ(result.code, code) << arguments << "\n" << result.errors;
    const auto parsed = Json::parse(result.output, nullptr, false);
    EXPECT_FALSE(parsed.is_discarded()) << arguments << "\n" << result.output << result.errors;
    return parsed;
  }
  /// Every file below the folder, with its bytes' digest in short: what a command must leave alone.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_))
      // A reader of a WAL database leaves an empty log and shared memory beside it.
      if (entry.is_regular_file() && entry.path().filename() != "stderr.txt" &&
          entry.path().extension() != ".sqlite-shm" && entry.path().extension() != ".sqlite-wal")
        out[entry.path().string()] = integration::slurp(entry.path());
    return out;
  }
  std::size_t runs() const {
    std::error_code error;
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder_ / "out/runs", error), {}));
  }
};

}  // namespace pionbench
