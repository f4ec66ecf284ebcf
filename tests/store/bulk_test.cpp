#include "store/bulk.h"

#include <gmock/gmock.h>

#include "tests/store/spool_tree.h"

namespace pionbench {
namespace {

using testing::RunSpool;

class Bulk : public ::testing::Test {
 protected:
  Bulk() : store_(folder_.path(), Store::Mode::kReadWrite) {}
  void add_random_runs(int runs) {
    std::mt19937 random(7);
    for (int i = 0; i < runs; ++i) {
      RunSpool run(store_.out(), testing::config(i));
      run.start();
      for (int k = 0; k < 60; ++k) run.event(testing::random_event(random));
    }
    store_.ingest();
  }

  testing::TemporaryFolder folder_;
  Store store_;
};

TEST_F(Bulk, ReadsWhatTheStoreReadsOneByOne) {
  add_random_runs(5);
  const BulkReader bulk(store_);
  std::map<std::string, std::map<std::string, SeriesPoint>> last;
  bulk.for_each_last_value([&](const auto& run, const auto& name, const auto& point) { last[run][name] = point; });
  for (const auto& run : store_.runs()) {
    const auto all = bulk.all_series(run.run);
    const auto names = store_.series_names(run.run);
    ASSERT_EQ(all.size(), names.size());
    ASSERT_EQ(last[run.run].size(), names.size());
    for (const auto& name : names) {
      const auto expected = store_.series(run.run, name);
      ASSERT_EQ(all.at(name).size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(all.at(name)[i].step, expected[i].step);
        EXPECT_EQ(all.at(name)[i].value, expected[i].value);
      }
      EXPECT_EQ(last[run.run][name].step, expected.back().step);
      EXPECT_EQ(last[run.run][name].value, expected.back().value);
    }
  }
}

TEST_F(Bulk, TheStampIsAnotherOneAfterEveryWriteAndTheSameAfterNone) {
  testing::TemporaryFolder nothing;
  EXPECT_EQ(store_stamp(nothing.path()), "");
  add_random_runs(1);
  const auto before = store_stamp(store_.out());
  EXPECT_NE(before, "");
  { const Store reader(store_.out(), Store::Mode::kReadOnly); }
  EXPECT_EQ(store_stamp(store_.out()), before);
  add_random_runs(2);
  const auto after = store_stamp(store_.out());
  EXPECT_NE(after, before);
  EXPECT_EQ(after.substr(0, after.find(':')), before.substr(0, before.find(':')));
  Store::rebuild(store_.out());
  const auto rebuilt = store_stamp(store_.out());
  EXPECT_NE(rebuilt.substr(0, rebuilt.find(':')), before.substr(0, before.find(':')));
}

}  // namespace
}  // namespace pionbench
