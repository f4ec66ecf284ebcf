#include "store/store.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <set>

#include "core/error.h"
#include "store/filesystem.h"
#include "store/schema.h"
#include "store/sqlite.h"
#include "tests/store/spool_tree.h"

namespace pionbench {
namespace {

using namespace pionbench::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// The message of the UserError that `act` throws.
template <typename Act>
std::string user_error(const Act& act) {
  try {
    act();
  } catch (const UserError& error) {
    return error.what();
  }
  return "(no error)";
}

std::filesystem::path file_of(const TemporaryFolder& out) {
  return out.path() / "store.sqlite";
}

std::string open_error(const std::filesystem::path& out, Store::Mode mode) {
  return user_error([&] { Store(out, mode); });
}

constexpr std::array kTwoSteps = {
    Migration{1, "one", "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (41);"},
    Migration{2, "two", "ALTER TABLE a ADD COLUMN y INTEGER; UPDATE a SET y = x + 1;"},
};

TEST(Migrate, BringsAnEmptyDatabaseToTheLastVersion) {
  const Database db("memory", Database::Mode::kMemory);
  migrate(db);
  EXPECT_EQ(schema_version(db), migrations().back().version);
  EXPECT_EQ(db.integer("PRAGMA application_id"), kApplicationId);
  migrate(db);  // and again does nothing
}

TEST(Migrate, RunsOnlyTheStepsThatAnOlderStoreLacks) {
  const Database db("memory", Database::Mode::kMemory);
  migrate(db, std::span(kTwoSteps).first(1));
  migrate(db, kTwoSteps);
  EXPECT_EQ(db.integer("SELECT y FROM a"), 42);
  EXPECT_EQ(schema_version(db), 2);
}

TEST(Migrate, LeavesNothingBehindWhenAStepFails) {
  const Database db("memory", Database::Mode::kMemory);
  const std::array steps = {kTwoSteps[0],
                            Migration{2, "broken", "CREATE TABLE b (x INTEGER) STRICT; SELECT no_such();"}};
  EXPECT_THROW(migrate(db, steps), std::logic_error);
  EXPECT_EQ(schema_version(db), 0);
  EXPECT_EQ(db.integer("SELECT count(*) FROM sqlite_schema"), 0);
}

TEST(Migrate, VersionsRiseByOne) {
  int version = 0;
  for (const auto& step : migrations()) EXPECT_EQ(step.version, ++version);
}

TEST(Migrate, AStoreOfTheFirstVersionBecomesWhatARebuildGives) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  run.start().metric(1, "loss", 3).end("failed", 70, "it broke");
  run.start(2);
  {
    // As version 0.1 wrote it: its schema, and an ingest of its columns.
    const Database db(file_of(out), Database::Mode::kReadWrite);
    migrate(db, migrations().first(1));
    db.execute("INSERT INTO cells VALUES ('" + run.cell() + "', 'rlvr/arith', 'muon', '" +
               canonical(to_json(config(0))) + "'); INSERT INTO runs (id, run, cell) VALUES (1, '" + run.run() +
               "', '" + run.cell() +
               "');"
               "INSERT INTO attempts VALUES (1, 1, '2026-01-02T03:04:05.000Z', 'host', 'boot', 4711, 99, "
               "'2026-01-02T03:14:05.000Z', 'failed', 70, NULL, 0, 'it broke', 'terminate called');"
               "INSERT INTO attempts (run_id, attempt, started_at, host, boot_id, pid, pid_start) VALUES (1, 2, "
               "'2026-01-02T03:04:05.000Z', 'host', 'boot', 4711, 99);"
               "INSERT INTO spools VALUES ('runs/" +
               run.run() + "/attempts.jsonl', " + std::to_string(std::filesystem::file_size(run.attempts())) +
               ", 3, -1, 0, 0)");
  }
  Store store(out.path(), Store::Mode::kReadWrite);
  store.ingest();
  const auto digest = store.digest();
  EXPECT_EQ(Store::rebuild(out.path()), digest);
}

TEST(Schema, EveryTableIsStrict) {
  const Database db("memory", Database::Mode::kMemory);
  migrate(db);
  EXPECT_EQ(db.text("SELECT group_concat(name) FROM pragma_table_list WHERE schema = 'main' AND NOT strict "
                    "AND name NOT LIKE 'sqlite_%'"),
            "");
}

TEST(OpenStore, ToReadNeedsOneThatIsThere) {
  TemporaryFolder out;
  EXPECT_THAT(open_error(out.path(), Store::Mode::kReadOnly), HasSubstr("there is no store at"));
}

TEST(OpenStore, ToReadNeverChangesTheFile) {
  TemporaryFolder out;
  Store(out.path(), Store::Mode::kReadWrite);
  const std::string before = read_file(file_of(out));
  (void)Store(out.path(), Store::Mode::kReadOnly).runs();
  EXPECT_EQ(read_file(file_of(out)), before);
}

TEST(OpenStore, WhatIsNoDatabaseIsNamedAndKept) {
  TemporaryFolder out;
  const std::string text(5000, 'x');
  append(file_of(out), text);
  EXPECT_THAT(open_error(out.path(), Store::Mode::kReadWrite), HasSubstr("is not an SQLite database"));
  EXPECT_THAT(open_error(out.path(), Store::Mode::kReadOnly), HasSubstr("is not an SQLite database"));
  EXPECT_EQ(read_file(file_of(out)), text);
}

TEST(OpenStore, AnotherProgramsDatabaseIsRefused) {
  TemporaryFolder out;
  Database(file_of(out), Database::Mode::kReadWrite).execute("CREATE TABLE theirs (x)");
  EXPECT_THAT(open_error(out.path(), Store::Mode::kReadWrite), HasSubstr("another program's"));
  EXPECT_THAT(open_error(out.path(), Store::Mode::kReadOnly), HasSubstr("not a pionbench store"));
}

TEST(OpenStore, ANewerSchemaIsRefusedWithBothNumbers) {
  TemporaryFolder out;
  Store(out.path(), Store::Mode::kReadWrite);
  Database(file_of(out), Database::Mode::kReadWrite).execute("PRAGMA user_version = 999");
  EXPECT_THAT(open_error(out.path(), Store::Mode::kReadWrite), HasSubstr("has schema 999, this program knows up to"));
  EXPECT_THAT(open_error(out.path(), Store::Mode::kReadOnly), HasSubstr("update pionbench"));
}

TEST(OpenStore, ADamagedFileIsNamedWithItsRemedy) {
  TemporaryFolder out;
  {
    RunSpool run(out.path(), config(0));
    run.start();
    for (int i = 0; i < 500; ++i) run.metric(i, "reward", i);
    Store store(out.path(), Store::Mode::kReadWrite);
    store.ingest();
  }
  // Every page but the first, which has the header and the schema.
  auto bytes = read_file(file_of(out));
  std::fill(bytes.begin() + 4096, bytes.end(), '\x7f');
  std::ofstream(file_of(out), std::ios::binary) << bytes;
  EXPECT_THAT(user_error([&] { (void)Store(out.path(), Store::Mode::kReadOnly).runs(); }), HasSubstr("is damaged"));
  Store::rebuild(out.path());
  EXPECT_THAT(Store(out.path(), Store::Mode::kReadOnly).verify(), IsEmpty());
}

TEST(OpenStore, AFolderThatCannotBeMadeIsNamed) {
  TemporaryFolder out;
  append(out.path() / "file", "x");
  EXPECT_THAT(open_error(out.path() / "file" / "out", Store::Mode::kReadWrite), HasSubstr("cannot create the folder"));
}

TEST(OpenStore, AReadOnlyFolderIsReadableAndNotWritable) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  TemporaryFolder out;
  Store(out.path(), Store::Mode::kReadWrite);
  std::filesystem::permissions(out.path(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  EXPECT_THAT(open_error(out.path(), Store::Mode::kReadWrite), HasSubstr("cannot write"));
  EXPECT_THAT(Store(out.path(), Store::Mode::kReadOnly).runs(), IsEmpty());
  std::filesystem::permissions(out.path(), std::filesystem::perms::owner_all);
}

TEST(Sqlite, WritingAReadOnlyDatabaseSaysSo) {
  TemporaryFolder out;
  Store(out.path(), Store::Mode::kReadWrite);
  for (const auto mode : {Database::Mode::kReadOnly, Database::Mode::kImmutable})
    EXPECT_THAT(user_error([&] { Database(file_of(out), mode).execute("CREATE TABLE t (x)"); }),
                HasSubstr("it is read-only"));
}

TEST(Sqlite, AFullDiskSaysSoAndKeepsWhatWasCommitted) {
  TemporaryFolder out;
  const Database db(file_of(out), Database::Mode::kReadWrite);
  db.execute("CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('kept'); PRAGMA max_page_count = 4");
  EXPECT_THAT(user_error([&] {
                WriteTransaction transaction(db);
                auto insert = db.prepare("INSERT INTO t VALUES (?)");
                for (int i = 0; i < 100; ++i) insert.run(std::string(1000, 'x'));
                transaction.commit();
              }),
              HasSubstr("the disk is full"));
  EXPECT_EQ(db.integer("SELECT count(*) FROM t"), 1);
}

TEST(NetworkFilesystem, IsKnownByItsMagicNumber) {
  EXPECT_EQ(network_filesystem_name(0x6969), "NFS");
  EXPECT_EQ(network_filesystem_name(0xFF534D42), "CIFS");
  EXPECT_EQ(network_filesystem_name(static_cast<std::int32_t>(0xFE534D42)), "SMB2");  // sign-extended on 32-bit
  EXPECT_EQ(network_filesystem_name(0xEF53), std::nullopt);                           // ext4
}

TEST(Digest, DoesNotDependOnTheOrderOfIngest) {
  TemporaryFolder a, b;
  for (const auto* out : {&a, &b})
    for (int i = 0; i < 3; ++i) RunSpool(out->path(), config(i)).start().metric(1, "m" + std::to_string(i), i);
  Store forwards(a.path(), Store::Mode::kReadWrite), backwards(b.path(), Store::Mode::kReadWrite);
  forwards.ingest();
  for (int i = 2; i >= 0; --i) backwards.ingest({content_hash(to_json(config(i))).substr(0, 12) + ".1"});
  EXPECT_EQ(forwards.digest(), backwards.digest());
}

TEST(Digest, ChangesWithEveryKindOfContent) {
  TemporaryFolder out;
  RunSpool run(out.path(), config(0));
  Store store(out.path(), Store::Mode::kReadWrite);
  std::set<std::string> digests;
  const auto expect_new_digest_after = [&](const char* what) {
    store.ingest();
    EXPECT_TRUE(digests.insert(store.digest()).second) << what;
  };
  expect_new_digest_after("the run itself");
  run.start();
  expect_new_digest_after("an attempt and its environment");
  run.metric(1, "reward", 1);
  expect_new_digest_after("a metric");
  run.metric(1, "reward", 1.0000000000000002);
  expect_new_digest_after("the last bit of a metric");
  run.event({{"type", "spectral"}, {"step", 1}, {"parameter", "w"}, {"head", 0}, {"values", {{"snr", 3}}}});
  expect_new_digest_after("a spectral value");
  run.event({{"type", "evaluation"},
             {"step", 1},
             {"split", "test"},
             {"values", Json::object()},
             {"items", {{{"item", 7}, {"values", {{"correct", 1}}}}}}});
  expect_new_digest_after("an item");
  run.event({{"type", "curve"}, {"name", "pion"}, {"variant", ""}, {"x", {0}}, {"y", {0}}});
  expect_new_digest_after("a curve");
  run.phase(1, "train", 1);
  expect_new_digest_after("a phase");
  run.event({{"type", "artifact"}, {"kind", "weights"}, {"path", "w"}, {"bytes", 3}});
  expect_new_digest_after("an artifact");
  run.finish(1);
  expect_new_digest_after("the end");
  store.record_experiment(experiment({"a"}));
  expect_new_digest_after("an experiment");
}

TEST(Verify, IsSilentOnASoundStore) {
  TemporaryFolder out;
  RunSpool(out.path(), config(0)).start().metric(1, "reward", 0.5).end("done", 0);
  Store store(out.path(), Store::Mode::kReadWrite);
  store.record_experiment(experiment({"a"}));
  store.ingest();
  EXPECT_THAT(store.verify(), IsEmpty());
}

TEST(Verify, NamesAChangedValue) {
  TemporaryFolder out;
  RunSpool(out.path(), config(0)).start().metric(1, "reward", 0.5);
  Store store(out.path(), Store::Mode::kReadWrite);
  store.ingest();
  Database(file_of(out), Database::Mode::kReadWrite).execute("UPDATE metrics SET value = 0.9");
  EXPECT_THAT(store.verify(), ElementsAre(HasSubstr("differs from what its spools give")));
}

TEST(Verify, NamesASpoolThatIsGoneOrLongerThanTheRows) {
  TemporaryFolder out;
  RunSpool gone(out.path(), config(0)), longer(out.path(), config(1));
  gone.start();
  longer.start();
  Store store(out.path(), Store::Mode::kReadWrite);
  store.ingest();
  std::filesystem::remove_all(gone.folder());
  longer.metric(1, "reward", 1);
  const auto problems = store.verify();
  EXPECT_THAT(problems, ::testing::Contains(HasSubstr(gone.run() + "/events.jsonl is gone")));
  EXPECT_THAT(problems, ::testing::Contains(HasSubstr(longer.run() + "/events.jsonl has ")));
}

TEST(OutLock, RefusesASecondHolderAndNamesTheFirst) {
  TemporaryFolder out;
  const OutLock lock(out.path());
  const pid_t child = ::fork();  // a lock belongs to an open file: another process opens its own
  if (child == 0) {
    const std::string message = user_error([&] { OutLock again(out.path()); });
    ::_exit(message.find("process " + std::to_string(::getppid())) != std::string::npos ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(OutLock, IsFreeOnceItsHolderIsGone) {
  TemporaryFolder out;
  { const OutLock lock(out.path()); }
  EXPECT_NO_THROW(OutLock(out.path()));
}

// The lock belongs to the open file, which every fork shares until it execs: an orchestrator killed while it starts a
// worker leaves the lock held for that instant, and the same command again must not be refused.
TEST(OutLock, WaitsForAForkOfADeadHolder) {
  TemporaryFolder out;
  const pid_t holder = ::fork();
  if (holder == 0) {
    const OutLock lock(out.path());
    if (::fork() == 0) ::usleep(200'000);
    ::_exit(0);
  }
  ::waitpid(holder, nullptr, 0);
  EXPECT_EQ(OutLock::holder(out.path()), holder);
  EXPECT_NO_THROW(OutLock(out.path()));
}

}  // namespace
}  // namespace pionbench
