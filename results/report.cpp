#include "results/report.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "results/page.h"
#include "results/registry.h"
#include "results/render.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFilmOrder = ".film.json";

/// A folder beside `target` that takes its place with commit(), or goes away.
class FolderSwap {
 public:
  explicit FolderSwap(const fs::path& target) : target_(target), fresh_(target) {
    fresh_ += ".new-" + std::to_string(::getpid());
    fs::remove_all(fresh_);
    make_directories(fresh_);
  }
  ~FolderSwap() {
    std::error_code ignored;
    fs::remove_all(fresh_, ignored);
  }
  FolderSwap(const FolderSwap&) = delete;
  FolderSwap& operator=(const FolderSwap&) = delete;
  const fs::path& fresh() const { return fresh_; }

  void commit() {
    // An exchange leaves no moment without a report. Old file systems cannot; there a moment is accepted.
    if (fs::exists(target_) && ::renameat2(AT_FDCWD, fresh_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0)
      return;
    auto old = target_;
    old += ".old-" + std::to_string(::getpid());
    std::error_code error;
    if (fs::exists(target_)) fs::rename(target_, old, error);
    if (!error) fs::rename(fresh_, target_, error);
    if (error) throw UserError("cannot replace " + target_.string() + ": " + error.message(), kInternal);
    fs::remove_all(old, error);
  }

 private:
  fs::path target_, fresh_;
};

/// Which names `only` may hold, and whether it picks an entry.
class Selection {
 public:
  Selection(const std::vector<std::string>& only, const std::vector<ExperimentRecord>& experiments) : only_(only) {
    std::vector<std::string> known;
    for (const auto& entry : figures()) add(known, entry.name, entry.experiment);
    for (const auto& entry : tables()) add(known, entry.name, entry.experiment);
    for (const auto& experiment : experiments) add(known, experiment.name, experiment.name);
    for (const auto& name : only)
      if (std::find(known.begin(), known.end(), name) == known.end())
        throw UserError(unknown_name("figure or table", name, known), kUsage);
  }
  bool has(const std::string& name, const std::string& experiment) const {
    const auto is_named = [&](const std::string& text) {
      return std::find(only_.begin(), only_.end(), text) != only_.end();
    };
    return only_.empty() || is_named(name) || is_named(experiment);
  }

 private:
  static void add(std::vector<std::string>& known, const std::string& name, const std::string& experiment) {
    for (const auto& text : {experiment, name})
      if (!text.empty() && std::find(known.begin(), known.end(), text) == known.end()) known.push_back(text);
  }
  const std::vector<std::string>& only_;
};

template <typename Made>
ReportItem report_item(const ResultItem<Made>& item) {
  const auto& evidence = *item.evidence;
  return {.name = item.name,
          .experiment = evidence.experiment.name,
          .scale = evidence.experiment.scale,
          .cells = evidence.cells.size(),
          .missing = evidence.unfinished()};
}

class Writer {
 public:
  Writer(const Store& store, const ReportOptions& options) : store_(store), options_(options) {}

  ReportSummary write() {
    const Selection selection(options_.only, store_.experiments());
    const auto evidence = gather(store_);
    summary_.digest = evidence.empty() ? store_.digest() : evidence[0].digest;
    summary_.index = store_.out() / "report" / "index.html";
    find_failed();
    FolderSwap swap(store_.out() / "report");
    folder_ = swap.fresh();
    for (const auto& item : figure_items(evidence))
      if (selection.has(item.entry->name, item.evidence->experiment.name)) take_figure(report_item(item), item.make());
    for (const auto& item : table_items(evidence))
      if (selection.has(item.entry->name, item.evidence->experiment.name)) take_table(report_item(item), item.make());
    find_absent(figures(), summary_.figures, selection);
    find_absent(tables(), summary_.tables, selection);
    if (options_.only.empty()) judge_claims(evidence);
    render();
    write_page();
    swap.commit();
    write_text();
    return std::move(summary_);
  }

 private:
  void put(const fs::path& relative, std::string_view text) { write_file_atomic(folder_ / relative, text); }

  void find_failed() {
    const auto finished = store_.finished_by_cell();
    std::set<std::string> cells_on_their_way;
    const auto runs = store_.runs();
    for (const auto& run : runs)
      if (run.state == RunState::kRunning) cells_on_their_way.insert(run.cell);
    for (const auto& run : runs) {
      const bool has_failed =
          run.state == RunState::kFailed || run.state == RunState::kOutOfMemory || run.state == RunState::kLost;
      if (has_failed && !finished.contains(run.cell) && !cells_on_their_way.contains(run.cell))
        summary_.failed.push_back(run);
    }
  }

  /// Entries that nothing was made of: their frames stand empty, with the command that fills them.
  template <typename Entries>
  void find_absent(const Entries& entries, const std::vector<ReportItem>& made, const Selection& selection) {
    for (const auto& entry : entries) {
      const auto is_of_entry = [&](const ReportItem& item) {
        const std::string name = entry.name;
        return item.name == name || item.name.starts_with(name + "-" + item.scale) ||
               (!*entry.experiment && item.name.starts_with(name + "-" + item.experiment));
      };
      if (!selection.has(entry.name, entry.experiment) || std::any_of(made.begin(), made.end(), is_of_entry)) continue;
      summary_.absent.push_back(
          {entry.name, entry.title,
           *entry.experiment ? "pionbench reproduce --only " + std::string(entry.experiment) : std::string()});
    }
  }

  void judge_claims(const std::vector<Evidence>& evidence) {
    if (evidence.empty()) return;
    summary_.claims = claims::judge(claims::Board(evidence, store_.sittings(), ""), claims::published_claims());
  }

  void take_figure(ReportItem item, Figure figure) {
    item.title = figure.title;
    item.caption = figure.caption;
    Json spec = figure.spec;
    spec["description"] = figure.title + ". " + figure.caption;
    const fs::path stem = fs::path("figures") / item.name;
    for (const auto& [suffix, text] : {std::pair{".csv", to_csv(figure.data)}, {".vl.json", spec.dump() + "\n"}}) {
      auto file = stem;
      file += suffix;
      put(file, text);
      item.files.push_back(file);
    }
    if (figure.film) put("figures/" + item.name + kFilmOrder, film_order(*figure.film));
    summary_.figures.push_back(std::move(item));
    made_figures_.push_back(std::move(figure));
  }

  /// What render.py makes an animation of. It names files of this machine, so it is no part of the report.
  std::string film_order(const Film& film) const {
    Json columns = Json::array();
    for (const auto& column : film.columns)
      columns.push_back({{"label", column.label},
                         {"color", column.color},
                         {"note", column.note},
                         {"strip", column.strip.empty() ? "" : fs::absolute(store_.out() / column.strip).string()},
                         {"frames", column.frames}});
    return Json{{"columns", columns}, {"frame_size", film.frame_size}, {"frames_per_second", film.frames_per_second}}
        .dump();
  }

  void take_table(ReportItem item, Table table) {
    item.title = table.title;
    item.caption = table.caption;
    const fs::path stem = fs::path("tables") / item.name;
    const std::pair<const char*, std::string> forms[] = {
        {".csv", to_csv(table.data)},
        {".md", "**" + table.title + "**\n\n" + to_markdown(table.display) + "\n" + table.caption + "\n"},
        {".tex", to_latex(table.display, table.title + ". " + table.caption)},
    };
    for (const auto& [suffix, text] : forms) {
      auto file = stem;
      file += suffix;
      put(file, text);
      item.files.push_back(file);
    }
    summary_.tables.push_back(std::move(item));
    made_tables_.push_back(std::move(table));
  }

  void render() {
    std::vector<std::string> names;
    for (const auto& figure : summary_.figures) names.push_back(figure.name);
    const std::string problem =
        render_figures(options_.python, options_.home / "results" / "render.py", folder_ / "figures", names);
    if (!problem.empty())
      summary_.notes.push_back("figures were not rendered: " + problem + "; install what is missing: ci/setup");
    for (const auto& figure : summary_.figures) {
      std::error_code ignored;
      fs::remove(folder_ / "figures" / (figure.name + kFilmOrder), ignored);
    }
    for (auto& figure : summary_.figures)
      for (const char* suffix : {".svg", ".pdf", ".png", ".film.png"})
        if (auto file = fs::path("figures") / (figure.name + suffix); fs::exists(folder_ / file))
          figure.files.push_back(file);
  }

  void write_page() {
    PageContent content{&store_, &summary_, {}, {}};
    for (std::size_t i = 0; i < made_figures_.size(); ++i) {
      const auto& item = summary_.figures[i];
      const auto svg = folder_ / "figures" / (item.name + ".svg"),
                 film = folder_ / "figures" / (item.name + ".film.png");
      content.figures.push_back(
          {&item, &made_figures_[i], fs::exists(svg) ? read_file(svg) : "", fs::exists(film) ? read_file(film) : ""});
    }
    for (std::size_t i = 0; i < made_tables_.size(); ++i)
      content.tables.push_back({&summary_.tables[i], &made_tables_[i]});
    put("index.html", make_page(content));
  }

  void write_text() {
    std::string& text = summary_.text;
    for (std::size_t i = 0; i < made_tables_.size(); ++i)
      text += summary_.tables[i].title + " (scale " + summary_.tables[i].scale + ")\n" +
              to_plain(made_tables_[i].display) + "\n";
    for (const auto& figure : summary_.figures)
      text += "figure " + figure.name + " (scale " + figure.scale +
              "): " + std::to_string(figure.cells - figure.missing) + " of " + counted(figure.cells, "cell") + "\n";
    if (!summary_.absent.empty()) {
      std::vector<std::string> names;
      for (const auto& item : summary_.absent) names.push_back(item.name);
      text += "not run yet: " + join(names, ", ") + "\n";
    }
    if (!summary_.claims.empty()) text += "claims: " + claims::verdict_counts(summary_.claims) + "\n";
    for (const auto& run : summary_.failed)
      text += "failed: " + run.run + (run.reason.empty() ? "" : " (" + run.reason + ")") + "\n";
    for (const auto& note : summary_.notes) text += "note: " + note + "\n";
  }

  const Store& store_;
  const ReportOptions& options_;
  ReportSummary summary_;
  std::vector<Figure> made_figures_;  // as summary_.figures
  std::vector<Table> made_tables_;    // as summary_.tables
  fs::path folder_;
};

Json to_json(const ReportItem& item) {
  Json files = Json::array();
  for (const auto& file : item.files) files.push_back(file.generic_string());
  return {{"name", item.name},   {"title", item.title},     {"experiment", item.experiment}, {"scale", item.scale},
          {"cells", item.cells}, {"missing", item.missing}, {"caption", item.caption},       {"files", files}};
}

}  // namespace

ReportSummary write_report(const Store& store, const ReportOptions& options) {
  return Writer(store, options).write();
}

Json to_json(const ReportSummary& summary) {
  Json figures = Json::array(), tables = Json::array(), failed = Json::array(), absent = Json::array();
  for (const auto& item : summary.figures) figures.push_back(to_json(item));
  for (const auto& item : summary.tables) tables.push_back(to_json(item));
  for (const auto& item : summary.absent)
    absent.push_back({{"name", item.name}, {"title", item.title}, {"command", item.command}});
  for (const auto& run : summary.failed)
    failed.push_back({{"run", run.run}, {"cell", run.cell}, {"state", to_string(run.state)}, {"reason", run.reason}});
  return {{"index", summary.index.string()},
          {"digest", summary.digest},
          {"figures", figures},
          {"tables", tables},
          {"absent", absent},
          {"claims", claims::to_json(summary.claims)},
          {"failed", failed},
          {"notes", summary.notes}};
}

}  // namespace pionbench
