#pragma once
/// A small catalog and a folder for experiment files.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "core/error.h"
#include "core/files.h"
#include "harness/spec/plan.h"

namespace pionbench {

inline Catalog fixture_catalog() {
  Catalog catalog;
  const auto lr = real_setting("lr", 1e-3, 0, 10, "learning rate");
  OptimizerInfo sgd{"sgd", "SGD", "W ← W − ηG", "folklore", 1, {{lr}}};
  OptimizerInfo muon{"muon",        "Muon", "W ← W − ηO",
                     "Jordan 2024", 2,      {{lr, real_setting("update_scale", 1, 0, 100, "")}}};
  muon.table.bundle_sets = {{"preset", "", "conventions", {{"released", "", {{"update_scale", 5.0}, {"lr", 0.5}}}}}};
  OptimizerInfo pion{"pion", "Pion", "W ← W − ηPO", "the paper", 1, {{lr, int_setting("k_p", 0, 0, 9, "promotions")}}};
  OptimizerInfo frozen{"frozen", "Control", "W ← W", "", 1, {}};
  catalog.optimizers = {sgd, muon, pion, frozen};

  const auto seed = int_setting("seed", 0, 0, 1000000, "seed");
  const auto width = int_setting("width", 8, 1, 4096, "width");
  SuiteInfo pretrained{"toy/base", "Toy base", "", 3, false, "", true, "", {{seed, width}}};
  SuiteInfo toy{"toy", "Toy", "", 1, true, "evaluation/test/accuracy", true, "toy/base", {}};
  toy.table.settings = {int_setting("steps", 10, 1, 100000, "steps"), width, seed,
                        choice_setting("auxiliary", "frozen", {"frozen", "trained"}, ""), text_setting("note", "", "")};
  toy.table.bundle_sets = {
      {"model",
       "small",
       "",
       {{"small", "", {{"width", std::int64_t{8}}}}, {"large", "", {{"width", std::int64_t{64}}}}}}};
  SuiteInfo maps{"maps", "Maps", "", 1, false, "", true, "", {{int_setting("points", 100, 2, 10000, ""), seed}}};
  catalog.suites = {pretrained, toy, maps};
  return catalog;
}

/// A fresh folder that is gone after the test.
class FolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "pionbench-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

/// Plans a text as if it were the file `exp.yaml`.
class PlanTest : public FolderTest {
 protected:
  Plan plan(const std::string& text, const PlanOptions& options = {}) const {
    const auto file = folder_ / "exp.yaml";
    write_file_atomic(file, text);
    return make_plan(file, catalog_, options);
  }
  Plan plan_with(const std::string& text, const std::vector<std::string>& overrides) const {
    return plan(text, {.overrides = overrides});
  }
  /// The message of the UserError that planning the text ends with.
  std::string error_of(const std::string& text, const PlanOptions& options = {}) const {
    try {
      plan(text, options);
    } catch (const UserError& e) {
      return e.what();
    }
    return "(no error)";
  }

  Catalog catalog_ = fixture_catalog();
};

}  // namespace pionbench
