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
  explicit Selection(const std::vector<std::string>& only) : only_(only) {
    std::vector<std::string> known;
    for (const auto& entry : figures()) add(known, entry.name, entry.experiment);
    for (const auto& entry : tables()) add(known, entry.name, entry.experiment);
    for (const auto& name : only)
      if (std::find(known.begin(), known.end(), name) == known.end())
        throw UserError(unknown_name("figure or table", name, known), kUsage);
  }
  bool has(const char* name, const char* experiment) const {
    const auto is_named = [&](const char* text) { return std::find(only_.begin(), only_.end(), text) != only_.end(); };
    return only_.empty() || is_named(name) || is_named(experiment);
  }

 private:
  static void add(std::vector<std::string>& known, const char* name, const char* experiment) {
    for (const char* text : {experiment, name})
      if (std::find(known.begin(), known.end(), text) == known.end()) known.push_back(text);
  }
  const std::vector<std::string>& only_;
};

/// Makes every selected item of one kind, for each scale of its experiment that the store has.
template <typename Entries, typename Take>
void for_each_selected(const Entries& entries, const std::vector<Evidence>& all, const Selection& selection,
                       const Take& take) {
  for (const auto& entry : entries) {
    if (!selection.has(entry.name, entry.experiment)) continue;
    std::vector<const Evidence*> scales;
    for (const auto& evidence : all)
      if (evidence.experiment.name == entry.experiment) scales.push_back(&evidence);
    for (const auto* evidence : scales) {
      ReportItem item;
      item.name = entry.name + (scales.size() > 1 ? "-" + evidence->experiment.scale : std::string());
      item.experiment = evidence->experiment.name;
      item.scale = evidence->experiment.scale;
      item.cells = evidence->cells.size();
      item.missing = evidence->unfinished();
      take(std::move(item), entry.make(*evidence));
    }
  }
}

class Writer {
 public:
  Writer(const Store& store, const ReportOptions& options) : store_(store), options_(options) {}

  ReportSummary write() {
    const Selection selection(options_.only);
    const auto evidence = gather(store_);
    summary_.digest = evidence.empty() ? store_.digest() : evidence[0].digest;
    summary_.index = store_.out() / "report" / "index.html";
    find_failed();
    FolderSwap swap(store_.out() / "report");
    folder_ = swap.fresh();
    std::vector<Table> made_tables;
    for_each_selected(figures(), evidence, selection,
                      [&](ReportItem item, Figure figure) { take_figure(std::move(item), figure); });
    for_each_selected(tables(), evidence, selection, [&](ReportItem item, Table table) {
      take_table(std::move(item), table);
      made_tables.push_back(std::move(table));
    });
    render();
    write_page(made_tables);
    swap.commit();
    write_text(made_tables);
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

  void take_figure(ReportItem item, const Figure& figure) {
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
    summary_.figures.push_back(std::move(item));
  }

  void take_table(ReportItem item, const Table& table) {
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
  }

  void render() {
    std::vector<std::string> names;
    for (const auto& figure : summary_.figures) names.push_back(figure.name);
    const std::string problem =
        render_figures(options_.python, options_.home / "results" / "render.py", folder_ / "figures", names);
    if (!problem.empty())
      summary_.notes.push_back("figures were not rendered: " + problem + "; install what is missing: ci/setup");
    for (auto& figure : summary_.figures)
      for (const char* suffix : {".svg", ".pdf", ".png"})
        if (auto file = fs::path("figures") / (figure.name + suffix); fs::exists(folder_ / file))
          figure.files.push_back(file);
  }

  void write_page(const std::vector<Table>& tables) {
    PageContent content{&store_, &summary_, {}, {}};
    for (const auto& item : summary_.figures) {
      const auto svg = folder_ / "figures" / (item.name + ".svg");
      content.figures.push_back({&item, fs::exists(svg) ? read_file(svg) : ""});
    }
    for (std::size_t i = 0; i < tables.size(); ++i)
      content.tables.push_back({&summary_.tables[i], to_html(tables[i].display)});
    put("index.html", make_page(content));
  }

  void write_text(const std::vector<Table>& tables) {
    std::string& text = summary_.text;
    for (std::size_t i = 0; i < tables.size(); ++i)
      text +=
          summary_.tables[i].title + " (scale " + summary_.tables[i].scale + ")\n" + to_plain(tables[i].display) + "\n";
    for (const auto& figure : summary_.figures)
      text += "figure " + figure.name + " (scale " + figure.scale +
              "): " + std::to_string(figure.cells - figure.missing) + " of " + counted(figure.cells, "cell") + "\n";
    for (const auto& run : summary_.failed)
      text += "failed: " + run.run + (run.reason.empty() ? "" : " (" + run.reason + ")") + "\n";
    for (const auto& note : summary_.notes) text += "note: " + note + "\n";
  }

  const Store& store_;
  const ReportOptions& options_;
  ReportSummary summary_;
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
  Json figures = Json::array(), tables = Json::array(), failed = Json::array();
  for (const auto& item : summary.figures) figures.push_back(to_json(item));
  for (const auto& item : summary.tables) tables.push_back(to_json(item));
  for (const auto& run : summary.failed)
    failed.push_back({{"run", run.run}, {"cell", run.cell}, {"state", to_string(run.state)}, {"reason", run.reason}});
  return {{"index", summary.index.string()},
          {"digest", summary.digest},
          {"figures", figures},
          {"tables", tables},
          {"failed", failed},
          {"notes", summary.notes}};
}

}  // namespace pionbench
