#include "results/report.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "results/evidence.h"
#include "results/registry.h"
#include "results/style.h"
#include "tests/results/everything.h"

namespace pionbench {
namespace {

using namespace pionbench::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

ReportOptions options_without_python() {
  return {.home = "/nowhere", .python = "/nowhere/python3"};
}
ReportOptions options_with_python() {
  return {.home = variable("PIONBENCH_HOME"), .python = variable("PIONBENCH_PYTHON")};
}

std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) out[fs::relative(entry.path(), folder).string()] = read_file(entry.path());
  return out;
}

/// Rows of a CSV without quoted fields, by column name.
std::vector<std::map<std::string, std::string>> rows_of(const Grid& grid) {
  std::vector<std::map<std::string, std::string>> out;
  for (const auto& row : grid.rows) {
    auto& fields = out.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i) fields[grid.columns[i]] = row[i];
  }
  return out;
}

std::map<std::string, std::string> row_of(const Grid& grid, const std::string& auxiliary, const std::string& arm) {
  for (auto& row : rows_of(grid))
    if (row["auxiliary"] == auxiliary && row["arm"] == arm) return row;
  return {};
}

Evidence evidence_of(const Store& store, const std::string& experiment) {
  for (auto& evidence : gather(store))
    if (evidence.experiment.name == experiment) return evidence;
  throw std::logic_error("no such experiment in the test");
}

/// One diverged, one failed and one cell that was not run.
Fig2bOptions with_gaps() {
  Fig2bOptions options;
  options.outcome = [](const std::string& arm, const std::string& auxiliary, int seed) -> std::string {
    if (arm == "Muon, scale 5" && auxiliary == "trained" && seed == 1) return "diverged";
    if (arm == "Muon, scale 0.2" && auxiliary == "frozen" && seed == 2) return "failed";
    if (arm == "Pion per-head" && seed >= 1) return "not run";
    return "done";
  };
  return options;
}

class Report : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  Store store_{folder_.path(), Store::Mode::kReadWrite};
};

TEST_F(Report, TheSameStoreGivesTheSameBytes) {
  if (!fs::exists(options_with_python().python)) GTEST_SKIP() << "no Python at PIONBENCH_PYTHON";
  add_fig2b(store_, with_gaps());
  add_fig3(store_);
  const auto first = write_report(store_, options_with_python());
  ASSERT_THAT(first.notes, IsEmpty());
  const auto before = contents(folder_.path() / "report");
  for (const char* suffix : {".svg", ".pdf", ".png", ".csv", ".vl.json"})
    for (const char* name : {"fig2b", "fig2b-clock", "fig3"})
      EXPECT_TRUE(before.contains("figures/" + std::string(name) + suffix)) << name << suffix;

  write_report(store_, options_with_python());
  const auto again = contents(folder_.path() / "report");
  // And from a store that was made anew from the spools.
  store_ = Store(folder_.path(), Store::Mode::kReadWrite);
  Store::rebuild(folder_.path());
  write_report(Store(folder_.path(), Store::Mode::kReadOnly), options_with_python());
  const auto rebuilt = contents(folder_.path() / "report");
  for (const auto& [name, bytes] : before) {
    EXPECT_TRUE(again.at(name) == bytes) << name;
    EXPECT_TRUE(rebuilt.at(name) == bytes) << name << " after a rebuild";
  }
  EXPECT_EQ(before.size(), rebuilt.size());
}

/// Two policies' films of one episode, made by another writer of PNG; false without NumPy.
bool add_film(Store& store) {
  MadeUp m{.name = "film",
           .arms = {{"AdamW"}, {"Muon", "muon"}, {"Pion", "pion"}},
           .metrics = {"evaluation/test/success"},
           .seeds = 1};
  m.value = [](const auto&) { return 0.5; };
  m.is_run = [](const auto& p) { return p.arm != "Muon"; };
  bool is_written = true;
  m.more = [&](RunSpool& run, const std::string& arm, int) {
    fs::create_directories(run.folder() / "artifacts");
    const int frames = arm == "Pion" ? 3 : 5;
    std::string command = variable("PIONBENCH_PYTHON") + " -B " + variable("PIONBENCH_HOME");
    command += "/tests/tools/make_strip.py " + (run.folder() / "artifacts/film_0.png").string() + " 96 " +
               std::to_string(frames);
    is_written = is_written && std::system((command + (arm == "Pion" ? " 200" : " 100")).c_str()) == 0;
    const Json episode = {{"file", "film_0.png"},
                          {"frames", frames},
                          {"task", "put_the_milk_in_the_basket"},
                          {"instruction", "put the milk in the basket"},
                          {"init", 0},
                          {"category", "none"},
                          {"suite", "vla/object-plus"},
                          {"status", arm == "Pion" ? "success" : "failure"},
                          {"steps", frames - 1}};
    write_file_atomic(run.folder() / "artifacts/film.json",
                      Json{{"frame_size", 96}, {"frames_per_second", 20}, {"episodes", {episode}}}.dump());
  };
  add_made_up(store, m);
  return is_written;
}

TEST_F(Report, AFilmStandsOnThePageAndInAFile) {
  if (!fs::exists(options_with_python().python)) GTEST_SKIP() << "no Python at PIONBENCH_PYTHON";
  if (!add_film(store_)) GTEST_SKIP() << "no NumPy at PIONBENCH_PYTHON";
  const auto summary = write_report(store_, options_with_python());
  ASSERT_THAT(summary.notes, IsEmpty());
  ASSERT_EQ(summary.figures.size(), 1u);
  EXPECT_THAT(summary.figures[0].caption, HasSubstr("\"put the milk in the basket\""));
  EXPECT_THAT(summary.figures[0].caption, HasSubstr("Missing: Muon"));
  const auto report = folder_.path() / "report";
  EXPECT_FALSE(fs::exists(report / "figures/video1.film.json"));  // it names this machine's files
  std::string command = variable("PIONBENCH_PYTHON") + " -B " + variable("PIONBENCH_HOME");
  command += "/tests/tools/make_strip.py check " + (report / "figures/video1.film.png").string() + " > " +
             (folder_.path() / "check.json").string();
  ASSERT_EQ(std::system(command.c_str()), 0);
  const Json film = Json::parse(read_file(folder_.path() / "check.json"));
  EXPECT_EQ(film["frames"], 5);
  EXPECT_EQ(film["width"], 3 * (192 + 8) + 8);
  // Frame f of AdamW's strip has 8 f + x in green; it is drawn at twice its size.
  EXPECT_EQ(film["pixels"][4], Json({100, 33, 8}));
  EXPECT_EQ(film["delays"], Json({{1, 20}, {1, 20}, {1, 20}, {1, 20}, {2, 1}}));
  const std::string page = read_file(summary.index);
  EXPECT_THAT(page, HasSubstr("src=\"data:image/png;base64,iVBORw0KGgo"));
}

TEST_F(Report, LinksMarksAndCellsToRunsThatThePageLists) {
  if (!fs::exists(options_with_python().python)) GTEST_SKIP() << "no Python at PIONBENCH_PYTHON";
  add_fig2b(store_, with_gaps());
  add_fig3(store_);
  const std::string page = read_file(write_report(store_, options_with_python()).index);
  std::set<std::string> ids;
  for (std::size_t at = 0; (at = page.find(" id=\"", at)) != page.npos; ++at)
    ids.insert(page.substr(at + 5, page.find('"', at + 5) - at - 5));
  std::size_t links = 0;
  for (std::size_t at = 0; (at = page.find("href=\"#", at)) != page.npos; ++at, ++links) {
    const std::string target = page.substr(at + 7, page.find('"', at + 7) - at - 7);
    EXPECT_TRUE(ids.contains(target)) << target;
  }
  EXPECT_GT(links, 500u);
  EXPECT_THAT(page, Not(HasSubstr("index.html#")));
  EXPECT_THAT(read_file(folder_.path() / "report/figures/fig2b.svg"), HasSubstr("href=\"../index.html#runs-"));
}

TEST_F(Report, NamesInOneLineEachWhatTheStoreHasNot) {
  add_fig3(store_);
  const auto summary = write_report(store_, options_without_python());
  std::set<std::string> absent;
  for (const auto& item : summary.absent) absent.insert(item.name);
  for (const char* name : {"fig1a", "fig2b", "fig6", "table1", "video1", "lr-sensitivity"})
    EXPECT_TRUE(absent.contains(name));
  EXPECT_FALSE(absent.contains("fig3"));
  EXPECT_EQ(absent.size() + 1, figures().size() + tables().size());
  const std::string page = read_file(summary.index);
  EXPECT_THAT(page, HasSubstr("<b>fig6</b>"));
  EXPECT_THAT(page, HasSubstr("<code>pionbench reproduce --only fig6</code>"));
}

TEST_F(Report, HasTheClaimsWithTheirVerdicts) {
  add_fig3(store_);
  const auto summary = write_report(store_, options_without_python());
  EXPECT_EQ(summary.claims.size(), 29u);
  const std::string page = read_file(summary.index);
  EXPECT_THAT(page, HasSubstr("<h2 id=\"claims\">"));
  EXPECT_THAT(page, HasSubstr("<span class=\"verdict REPRODUCED\">REPRODUCED</span>"));
  EXPECT_THAT(page, HasSubstr("<li id=\"claim-C3\">C3: "));
  EXPECT_EQ(to_json(summary).at("claims").size(), 29u);
}

TEST_F(Report, MarksRunsThatDidNotGoStraightThrough) {
  add_fig2b(store_);
  auto all = gather(store_);
  auto& run = *all[0].cells[0].run;
  EXPECT_EQ(run_marks(run), "");
  run.attempts = 3;
  run.accumulation = 4;
  run.disturbance = "foreign process 4121 on GPU 0";
  EXPECT_EQ(run_marks(run),
            "4 micro-batches after running out of memory, 3 attempts, disturbed: foreign process 4121 on GPU 0");
  EXPECT_THAT(caption_end(all[0]),
              HasSubstr("Marked: 1 run in smaller micro-batches after running out of memory, 1 run of "
                        "several attempts, 1 run disturbed by other work on the machine."));
  const auto table = make_fig2b_final(all[0]);
  EXPECT_EQ(table.display.rows[0].back(), "all done; 1 in micro-batches, 1 resumed, 1 disturbed");
}

TEST_F(Report, DrawsEveryFigureThereIsAndTheSameBytesEachTime) {
  if (!fs::exists(options_with_python().python)) GTEST_SKIP() << "no Python at PIONBENCH_PYTHON";
  add_everything(store_);
  const bool has_film = add_film(store_);
  const auto first = write_report(store_, options_with_python());
  ASSERT_THAT(first.notes, IsEmpty());
  EXPECT_THAT(first.absent, IsEmpty());
  std::size_t films = 0;
  for (const auto& figure : first.figures) {
    std::set<std::string> suffixes;
    for (const auto& file : figure.files)
      suffixes.insert(file.filename().string().substr(file.filename().string().find('.')));
    for (const char* suffix : {".svg", ".pdf", ".png", ".csv", ".vl.json"})
      EXPECT_TRUE(suffixes.contains(suffix)) << figure.name << suffix;
    films += suffixes.contains(".film.png");
  }
  EXPECT_EQ(films, has_film ? 1u : 0u);
  const auto before = contents(folder_.path() / "report");
  Store::rebuild(folder_.path());
  write_report(Store(folder_.path(), Store::Mode::kReadOnly), options_with_python());
  const auto again = contents(folder_.path() / "report");
  EXPECT_EQ(before.size(), again.size());
  for (const auto& [name, bytes] : before) EXPECT_TRUE(again.at(name) == bytes) << name;
}

TEST_F(Report, IsWrittenWithoutPythonAndSaysWhatIsLacking) {
  add_fig3(store_);
  const auto summary = write_report(store_, options_without_python());
  EXPECT_THAT(summary.notes, ElementsAre(::testing::AllOf(HasSubstr("not rendered"), HasSubstr("ci/setup"))));
  const auto files = contents(folder_.path() / "report");
  EXPECT_TRUE(files.contains("figures/fig3.csv"));
  EXPECT_TRUE(files.contains("figures/fig3.vl.json"));
  EXPECT_THAT(files.at("index.html"), HasSubstr("ci/setup"));
}

TEST_F(Report, PageNeedsNoOtherFileAndItsIdsAreUnique) {
  if (!fs::exists(options_with_python().python)) GTEST_SKIP() << "no Python at PIONBENCH_PYTHON";
  add_fig2b(store_, with_gaps());
  add_fig3(store_);
  const auto summary = write_report(store_, options_with_python());
  const std::string page = read_file(summary.index);
  for (const char* outside : {"<script", "<link", "<img", "src=", "@import", "url(http", "href=\"http"})
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  std::set<std::string> ids;
  for (std::size_t at = 0; (at = page.find(" id=\"", at)) != page.npos; ++at) {
    const std::string id = page.substr(at + 5, page.find('"', at + 5) - at - 5);
    EXPECT_TRUE(ids.insert(id).second) << id;
  }
  EXPECT_THAT(page, Not(HasSubstr(folder_.path().string())));  // nothing of this machine
}

TEST_F(Report, FailedRunsComeFirstAndAreEscaped) {
  add_fig2b(store_, with_gaps());
  RunSpool run(store_.out(), config(77));
  run.start().end("failed", 70, "<script>alert(1)</script>");
  store_.ingest();
  const auto summary = write_report(store_, options_without_python());
  EXPECT_EQ(summary.failed.size(), 2u);
  const std::string page = read_file(summary.index);
  EXPECT_THAT(page, Not(HasSubstr("<script>")));
  EXPECT_LT(page.find("2 runs failed"), page.find("<h2>Figures</h2>"));
}

TEST_F(Report, AFailureMadeGoodByAnotherRunIsNoFailure) {
  RunSpool(store_.out(), config(0), 1).start().end("failed", 70);
  RunSpool(store_.out(), config(0), 2).start().finish(1).end("done", 0);
  store_.ingest();
  EXPECT_THAT(write_report(store_, options_without_python()).failed, IsEmpty());
}

TEST_F(Report, OnlyWritesWhatIsNamed) {
  add_fig2b(store_);
  add_fig3(store_);
  auto options = options_without_python();
  options.only = {"fig3"};
  const auto summary = write_report(store_, options);
  ASSERT_EQ(summary.figures.size(), 1u);
  EXPECT_EQ(summary.figures[0].name, "fig3");
  EXPECT_THAT(summary.tables, IsEmpty());
  options.only = {"fig2b"};  // an experiment's name picks all that is made of it
  EXPECT_EQ(write_report(store_, options).tables.size(), 1u);
}

TEST_F(Report, AnUnknownNameLeavesTheReportBefore) {
  add_fig3(store_);
  write_report(store_, options_without_python());
  const auto before = contents(folder_.path() / "report");
  auto options = options_without_python();
  options.only = {"fig2c"};
  try {
    write_report(store_, options);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("did you mean \"fig2a\""));
    EXPECT_EQ(error.exit_code(), kUsage);
  }
  EXPECT_EQ(contents(folder_.path() / "report"), before);
}

TEST_F(Report, LeavesNoTemporaryFolders) {
  add_fig3(store_);
  for (int i = 0; i < 2; ++i) write_report(store_, options_without_python());
  for (const auto& entry : fs::directory_iterator(folder_.path()))
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("report.")));
}

TEST_F(Report, OfAnEmptyStoreIsAPage) {
  const auto summary = write_report(store_, options_without_python());
  EXPECT_THAT(read_file(summary.index), HasSubstr("No experiment in this store"));
  EXPECT_THAT(summary.notes, IsEmpty());
}

TEST_F(Report, TwoScalesOfAnExperimentAreTwoFigures) {
  add_fig3(store_);
  auto desk = store_.experiments().at(0);
  desk.scale = "desk";
  store_.record_experiment(desk);
  const auto summary = write_report(store_, options_without_python());
  ASSERT_EQ(summary.figures.size(), 2u);
  EXPECT_EQ(summary.figures[0].name, "fig3-quick");
  EXPECT_EQ(summary.figures[1].name, "fig3-desk");
}

TEST_F(Report, JsonNamesEveryFile) {
  add_fig3(store_);
  const Json json = to_json(write_report(store_, options_without_python()));
  EXPECT_EQ(json.at("digest"), store_.digest());
  for (const auto& file : json.at("figures").at(0).at("files"))
    EXPECT_TRUE(fs::exists(folder_.path() / "report" / file.get<std::string>())) << file;
}

TEST_F(Report, CaptionsNameScaleProtocolSeedsGapsAndStore) {
  add_fig2b(store_, with_gaps());
  const auto caption = make_fig2b(evidence_of(store_, "fig2b")).caption;
  EXPECT_THAT(caption, HasSubstr("Experiment fig2b (paper figure 2(b)), scale quick."));
  EXPECT_THAT(caption, HasSubstr("Protocol paper: equal learning rate 0.0003."));
  EXPECT_THAT(caption, HasSubstr("n = 1 to 3 seeds"));
  EXPECT_THAT(caption,
              HasSubstr("Counted as a miss: Muon, scale 5, auxiliary trained, seed 1 (diverged: loss is NaN)."));
  EXPECT_THAT(caption, HasSubstr("Missing: Muon, scale 0.2, auxiliary frozen, seed 2 (failed: exit 70); "
                                 "Pion per-head, auxiliary frozen, seeds 1, 2 (not run); "
                                 "Pion per-head, auxiliary trained, seeds 1, 2 (not run)."));
  EXPECT_THAT(caption, HasSubstr("Store " + store_.digest().substr(0, 12)));
}

TEST_F(Report, FiguresOfAnExperimentThatNeverRanAreDrawnEmpty) {
  Fig2bOptions options;
  options.outcome = [](const auto&, const auto&, int) { return "not run"; };
  add_fig2b(store_, options);
  const auto figure = make_fig2b(evidence_of(store_, "fig2b"));
  EXPECT_THAT(figure.caption, HasSubstr("AdamW, auxiliary frozen, seeds 0, 1, 2 (not run)"));
  EXPECT_EQ(figure.spec.at("vconcat").size(), 2u);
  EXPECT_THAT(figure.data.rows, IsEmpty());
  EXPECT_EQ(make_fig2b_final(evidence_of(store_, "fig2b")).display.rows.size(), 11u);
  if (!fs::exists(options_with_python().python)) GTEST_SKIP() << "no Python at PIONBENCH_PYTHON";
  EXPECT_THAT(write_report(store_, options_with_python()).notes, IsEmpty());
}

TEST_F(Report, AnArmHasOneColorAndAWayToTellItWithoutColor) {
  add_fig2b(store_);
  const auto styles = arm_styles(evidence_of(store_, "fig2b").experiment);
  std::set<std::string> colors;
  for (const auto& style : styles) EXPECT_TRUE(colors.insert(style.color).second) << style.arm;
  EXPECT_EQ(styles[0].color, "#009E73");  // AdamW: green
  EXPECT_EQ(styles[1].color, "#D55E00");  // Muon: red
  EXPECT_EQ(styles[3].color, "#0072B2");  // Pion: blue
  EXPECT_NE(styles[1].dash, styles[2].dash);
  EXPECT_NE(styles[3].dash, styles[4].dash);
}

TEST_F(Report, Fig3HasAPanelForEachFamilyOfCurves) {
  add_fig3(store_);
  const auto figure = make_fig3(evidence_of(store_, "fig3"));
  ASSERT_EQ(figure.spec.at("concat").size(), 4u);
  const std::vector<std::size_t> lines = {5, 5, 5, 6};
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_EQ(figure.spec["concat"][i]["layer"][1]["data"]["values"].size(), lines[i]);
  EXPECT_EQ(figure.data.rows.size(), 21u * 501u);
}

TEST_F(Report, ADivergedRunIsAMissFromItsEndOn) {
  add_fig2b(store_, with_gaps());
  const auto figure = make_fig2b(evidence_of(store_, "fig2b"));
  std::map<int, double> sampled;
  for (auto& row : rows_of(figure.data))
    if (row["metric"] == "evaluation/validation/sampled" && row["arm"] == "Muon, scale 5" &&
        row["auxiliary"] == "trained" && row["seed"] == "1")
      sampled[std::stoi(row["step"])] = std::stod(row["value"]);
  EXPECT_EQ(sampled.at(20), 0.4);  // it ran to step 20 of 40
  EXPECT_EQ(sampled.at(25), 0.0);
  EXPECT_EQ(sampled.at(40), 0.0);

  const auto table = make_fig2b_final(evidence_of(store_, "fig2b"));
  const auto row = row_of(table.data, "trained", "Muon, scale 5");
  EXPECT_NEAR(std::stod(row.at("sampled")), (0.4 + 0 + 0.4) / 3, 1e-12);
  EXPECT_EQ(row.at("sampled_n"), "3");
  EXPECT_EQ(row.at("diverged"), "1");
  EXPECT_EQ(row.at("train_seconds"), "20");  // 40 steps of 0.5 s, of the seeds that did not diverge
  EXPECT_EQ(row.at("train_seconds_n"), "2");
}

TEST_F(Report, FinalTableMatchesAComputationByHand) {
  Fig2bOptions options;
  options.accuracy = [](const std::string& arm, const std::string&, int seed, int step) {
    if (step < 40) return 0.1;
    if (arm == "Control") return 0.3 + 0.1 * seed;    // 0.3, 0.4, 0.5
    return arm == "AdamW" ? 0.4 + 0.1 * seed : 0.35;  // 0.4, 0.5, 0.6: always 0.1 above
  };
  add_fig2b(store_, options);
  const auto table = make_fig2b_final(evidence_of(store_, "fig2b"));
  const auto row = row_of(table.data, "trained", "AdamW");
  EXPECT_NEAR(std::stod(row.at("sampled")), 0.5, 1e-12);
  // t(0.975, 2)·0.1/√3 = 4.302652729911275 · 0.05773502691896258
  EXPECT_NEAR(std::stod(row.at("sampled_low")), 0.5 - 0.24841377117503, 1e-12);
  EXPECT_NEAR(std::stod(row.at("sampled_high")), 0.5 + 0.24841377117503, 1e-12);
  EXPECT_NEAR(std::stod(row.at("greedy")), 0.55, 1e-12);
  EXPECT_NEAR(std::stod(row.at("initial_sampled")), 0.1, 1e-12);
  // Paired by seed the difference has no spread, though both means have.
  EXPECT_NEAR(std::stod(row.at("sampled_minus_control")), 0.1, 1e-12);
  EXPECT_NEAR(std::stod(row.at("sampled_minus_control_low")), 0.1, 1e-9);
  EXPECT_NEAR(std::stod(row.at("update_rms_over_lr")), 0.2, 1e-12);
  EXPECT_EQ(row_of(table.data, "frozen", "AdamW").at("sampled_minus_control"), "");  // no control there
  EXPECT_THAT(table.display.rows.at(5).at(4), ::testing::EndsWith("≈"));
}

}  // namespace
}  // namespace pionbench
