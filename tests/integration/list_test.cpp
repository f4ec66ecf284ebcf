#include <gmock/gmock.h>

#include "tests/integration/shell.h"

namespace pionbench::integration {
namespace {

using testing::HasSubstr;

class List : public Sandbox {};

TEST_F(List, OptimizersShowEquationSourceDefaultsAndPresets) {
  const auto all = shell((bin() / "pionbench").string() + " list optimizers");
  ASSERT_EQ(all.code, 0) << all.errors;
  const auto items = json("list optimizers")["items"];
  ASSERT_GT(items.size(), 8u);
  for (const auto& item : items) {
    const auto name = item["name"].get<std::string>();
    const auto one = pionbench("list optimizers " + name);
    for (const char* field : {"title", "equation", "source", "state", "cost"}) {
      const auto text = item[field].get<std::string>();
      EXPECT_FALSE(text.empty()) << name << " " << field;
      EXPECT_THAT(one.output, HasSubstr(text)) << name;
    }
    EXPECT_THAT(all.output, HasSubstr(item["equation"].get<std::string>()));
    EXPECT_THAT(all.output, HasSubstr("source:   " + item["source"].get<std::string>()));
    for (const auto& setting : item["table"]["settings"]) {
      EXPECT_THAT(all.output, HasSubstr(" " + setting["name"].get<std::string>() + "=")) << name;
      EXPECT_THAT(one.output, HasSubstr("  " + setting["name"].get<std::string>() + " ")) << name;
      EXPECT_THAT(one.output, HasSubstr(setting["help"].get<std::string>())) << name;
    }
    for (const auto& set : item["table"]["bundle_sets"])
      for (const auto& bundle : set["bundles"]) {
        EXPECT_THAT(all.output, HasSubstr(" " + bundle["name"].get<std::string>())) << name;
        EXPECT_THAT(one.output,
                    HasSubstr(bundle["name"].get<std::string>() + ": " + bundle["help"].get<std::string>()));
      }
  }
}

TEST_F(List, AsMarkdownIsTheCommittedPage) {
  const auto page = shell((bin() / "pionbench").string() + " list optimizers --markdown");
  EXPECT_EQ(page.code, 0) << page.errors;
  EXPECT_TRUE(page.output == slurp(home() / "docs/optimizers.md"))
      << "write it again: ./pionbench list optimizers --markdown > docs/optimizers.md";
  const auto misplaced = shell((bin() / "pionbench").string() + " list suites --markdown");
  EXPECT_EQ(misplaced.code, 2);
  EXPECT_THAT(misplaced.errors, HasSubstr("pionbench list optimizers --markdown"));
}

TEST_F(List, EveryShippedRlvrExperimentPlansAtEachOfItsScalesWithAControlArm) {
  int planned = 0;
  const auto items = json("list experiments")["items"];  // a temporary would be gone before the loop begins
  for (const auto& item : items) {
    if (!item["suite"].get<std::string>().starts_with("rlvr/")) continue;
    if (item["file"].get<std::string>().find("/paper/") == std::string::npos) continue;  // sweeps compare no control
    const auto name = item["name"].get<std::string>();
    const auto details = pionbench("list experiments " + name).output;
    for (const std::string scale : {"quick", "desk", "paper"}) {
      const auto listed = details.substr(details.find("scales: "));
      if (listed.substr(0, listed.find('\n')).find(scale) == listed.npos) continue;
      const auto planned_text = pionbench("plan " + name + " --scale " + scale + " --json",
                                          "PIONBENCH_MODELS=$PWD/none PIONBENCH_DATA=$PWD/none");
      const auto plan = nlohmann::json::parse(planned_text.output, nullptr, false);
      ASSERT_TRUE(plan.contains("cells")) << name << " " << scale << planned_text.errors;
      int controls = 0;
      for (const auto& cell : plan["cells"]) controls += cell["arm"] == "Control";
      EXPECT_GT(controls, 0) << name << " at " << scale;
      if (scale == "paper") {
        EXPECT_FALSE(plan["missing"].empty()) << name;
        EXPECT_GT(plan["gpu_hours"].get<double>(), 1) << name;
      }
      ++planned;
    }
  }
  EXPECT_GT(planned, 20);
}

}  // namespace
}  // namespace pionbench::integration
