#include "experiments/worker/events.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

namespace pionbench {
namespace {

namespace fs = std::filesystem;

std::vector<Json> lines(const fs::path& file) {
  std::vector<Json> out;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) out.push_back(Json::parse(line, nullptr, false));
  return out;
}

fs::path fresh(const std::string& name) {
  const auto file = fs::temp_directory_path() / ("pionbench-events-" + std::to_string(::getpid()) + name);
  fs::remove(file);
  return file;
}

TEST(EventWriter, CountsFromZeroWithoutGaps) {
  const auto file = fresh("count");
  EventWriter events(file);
  events.run_started("r.1", "c", 1, {{"device", "cpu"}});
  events.metric(1, {{"loss", 0.5}});
  events.run_finished("done", 1);
  const auto rows = lines(file);
  ASSERT_EQ(rows.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(rows[i]["seq"], i);
}

TEST(EventWriter, GoesOnAfterATornLineWithoutReusingANumber) {
  const auto file = fresh("torn");
  {
    EventWriter events(file);
    events.metric(1, {{"loss", 0.5}});
    events.metric(2, {{"loss", 0.4}});
  }
  std::ofstream(file, std::ios::app) << R"({"seq":2,"t":0.1,"type":"met)";
  {
    EventWriter events(file);
    events.metric(2, {{"loss", 0.4}});
  }
  const auto rows = lines(file);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_TRUE(rows[2].is_discarded());
  EXPECT_EQ(rows[3]["seq"], 2);
}

TEST(EventWriter, LeavesOutNumbersThatJsonCannotHold) {
  const auto file = fresh("nan");
  EventWriter events(file);
  events.metric(1, {{"loss", std::nan("")}, {"reward", 1.0}, {"kl", std::numeric_limits<double>::infinity()}});
  EXPECT_EQ(lines(file)[0]["values"], Json({{"reward", 1.0}}));
}

TEST(PhaseTimer, WritesItsSecondsOnce) {
  const auto file = fresh("phase");
  EventWriter events(file);
  {
    PhaseTimer timer(events, 3, "train");
    timer.stop();
  }
  const auto rows = lines(file);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["name"], "train");
  EXPECT_GE(rows[0]["seconds"].get<double>(), 0);
}

}  // namespace
}  // namespace pionbench
