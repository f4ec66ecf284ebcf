#include "results/page.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "results/base64.h"
#include "results/grid.h"
#include "results/style.h"

namespace pionbench {
namespace {

// The dark rules re-colour what results/style.h draws with; attribute selectors reach into the inline SVG because
// presentation attributes weigh less than any rule.
std::string style_sheet() {
  const std::string text = kTextColor, grid = kGridColor;
  return R"css(
:root { color-scheme: light dark; --text: #1f2328; --soft: #59636e; --line: #d9dee4; --page: #ffffff; --card: #f6f8fa;
  --bad: #b42318; --good: #1a7f37; --link: #0a58a8; }
@media (prefers-color-scheme: dark) { :root { --text: #e3e8ee; --soft: #9aa4af; --line: #333b45; --page: #0f141a;
  --card: #171d25; --bad: #ff8a7a; --good: #57c878; --link: #6cb6ff; }
  figure svg [fill=")css" +
         text + R"css("] { fill: #d3dae2; } figure svg [stroke=")css" + text + R"css("] { stroke: #d3dae2; }
  figure svg [stroke=")css" +
         grid + R"css("] { stroke: #2c343e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1rem 1rem 4rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.6rem; margin: 1rem 0 .25rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
a { color: var(--link); } code { font-size: .9em; }
nav a { margin-right: 1rem; white-space: nowrap; }
.soft, figcaption, .links { color: var(--soft); font-size: .9rem; }
.scale { border: 1px solid var(--line); border-radius: 1rem; padding: .05rem .6rem; font-size: .8rem;
  color: var(--soft); white-space: nowrap; }
figure { margin: 1rem 0 0; } figure svg { display: block; width: 100%; min-width: 34rem; max-width: 58rem;
  height: auto; }
figure svg > rect:first-child { fill: none; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .875rem; width: 100%; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; } .number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.bad { border-left: 4px solid var(--bad); background: var(--card); padding: .25rem 1rem 1rem; margin: 1.5rem 0; }
.bad h2 { color: var(--bad); margin-top: .75rem; } pre { overflow-x: auto; font-size: .8rem; }
details > summary { cursor: pointer; }
.absent { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .5rem; padding: 0;
  list-style: none; } .absent li { border: 1px dashed var(--line); border-radius: .4rem; padding: .4rem .7rem;
  font-size: .85rem; color: var(--soft); } .absent b { color: var(--text); font-weight: 600; }
.film { width: 100%; max-width: 58rem; image-rendering: pixelated; }
td a { text-decoration: none; } td a:hover { text-decoration: underline; }
.verdict { font-size: .8rem; font-weight: 600; white-space: nowrap; }
.REPRODUCED { color: var(--good); } .DIFFERS { color: var(--bad); }
tr:target, li:target { outline: 2px solid var(--link); }
.runs ul { columns: 2; font-size: .85rem; } .runs li { break-inside: avoid; }
)css";
}

std::string tag(const std::string& name, const std::string& text) {
  return "<" + name + ">" + html_escaped(text) + "</" + name + ">\n";
}

std::string links(const ReportItem& item) {
  std::string out = "<p class=\"links\">";
  for (const auto& file : item.files) {
    const std::string path = html_escaped(file.generic_string());
    std::string label = file.filename().string();
    label = label.substr(label.find('.') + 1);
    if (out.ends_with("</a>")) out += " · ";
    out += ("<a href=\"" + path + "\">") + html_escaped(label) + "</a>";
  }
  return out + "</p>\n";
}

std::string heading(const ReportItem& item) {
  return "<h3 id=\"" + html_escaped(item.name) + "\">" + html_escaped(item.title) + " <span class=\"scale\">scale " +
         html_escaped(item.scale) + "</span></h3>\n";
}

std::string failures(const PageContent& content) {
  const auto& failed = content.summary->failed;
  if (failed.empty()) return "";
  std::string out = "<section class=\"bad\" id=\"failed\">\n<h2>" + counted(failed.size(), "run") + " failed</h2>\n";
  for (const auto& run : failed) {
    out += "<p><code>" + html_escaped(run.run) + "</code> " + html_escaped(run.suite) +
           (run.optimizer.empty() ? "" : ", " + html_escaped(run.optimizer)) + ": " +
           html_escaped(to_string(run.state) + (run.reason.empty() ? "" : " (" + run.reason + ")")) + "</p>\n";
    if (!run.stderr_tail.empty())
      out += "<details><summary class=\"soft\">last lines of standard error</summary>" + tag("pre", run.stderr_tail) +
             "</details>\n";
  }
  return out + "</section>\n";
}

std::string notes(const PageContent& content) {
  if (content.summary->notes.empty()) return "";
  std::string out = "<section class=\"bad\" id=\"notes\">\n<h2>Incomplete</h2>\n<ul>\n";
  for (const auto& note : content.summary->notes) out += tag("li", note);
  return out + "</ul>\n</section>\n";
}

std::string run_link(const std::string& run) {
  return "<a href=\"#run-" + html_escaped(run) + "\"><code>" + html_escaped(run) + "</code></a>";
}

/// The lists of runs that marks and cells point at. A group that several figures have is listed under the first.
class RunLists {
 public:
  std::string list(const std::vector<Source>& sources) {
    std::string items;
    std::size_t count = 0;
    std::set<std::string> distinct;
    for (const auto& source : sources) {
      std::string text = source.panel.empty() ? "" : "(" + html_escaped(source.panel) + ") ";
      text += html_escaped(source.label) + ": ";
      for (std::size_t i = 0; i < source.runs.size(); ++i) text += (i ? ", " : "") + run_link(source.runs[i]);
      distinct.insert(source.runs.begin(), source.runs.end());
      items += "<li" + id(source.runs) + ">" + text + "</li>\n";
      ++count;
    }
    if (count == 0) return "";
    return "<details class=\"runs\"><summary class=\"soft\">" + counted(distinct.size(), "run") +
           " behind it</summary>\n<ul>\n" + items + "</ul></details>\n";
  }

 private:
  std::string id(const std::vector<std::string>& runs) {
    const std::string anchor = runs_anchor(runs);
    // One run has its anchor in the table of runs.
    if (runs.size() < 2 || !listed_.insert(anchor).second) return "";
    return " id=\"" + html_escaped(anchor) + "\"";
  }

  std::set<std::string> listed_;
};

/// In a file of its own a picture's links lead to this page; here they stay in it.
std::string with_local_links(std::string svg) {
  const std::string outside = "href=\"../index.html#", inside = "href=\"#";
  for (std::size_t at = 0; (at = svg.find(outside, at)) != svg.npos; at += inside.size())
    svg.replace(at, outside.size(), inside);
  return svg;
}

std::string figure_sections(const PageContent& content, RunLists& runs) {
  std::string out;
  for (const auto& figure : content.figures) {
    out += heading(*figure.item) + "<figure>";
    if (!figure.film.empty())
      out += "<img class=\"film\" alt=\"" + html_escaped(figure.item->caption) + "\" src=\"data:image/png;base64," +
             base64(figure.film) + "\">";
    out += figure.svg.empty() ? "<p class=\"bad\">Not rendered; the data and the chart's source are linked below.</p>"
                              : "<div class=\"scroll\" role=\"img\" aria-label=\"" + html_escaped(figure.item->title) +
                                    "\">" + with_local_links(figure.svg) + "</div>";
    out += "\n" + tag("figcaption", figure.item->caption) + "</figure>\n" + links(*figure.item) +
           runs.list(figure.figure->sources);
  }
  return out;
}

std::string table_sections(const PageContent& content, RunLists& runs) {
  std::string out;
  for (const auto& [item, table] : content.tables) {
    const auto& behind = table->cell_runs;
    std::string html = to_html(table->display, [&](std::size_t row, std::size_t column, const std::string& text) {
      const std::string anchor =
          row < behind.size() && column < behind[row].size() ? runs_anchor(behind[row][column]) : "";
      return anchor.empty() ? html_escaped(text)
                            : "<a href=\"#" + html_escaped(anchor) + "\">" + html_escaped(text) + "</a>";
    });
    out += heading(*item) + html + "<p class=\"soft\">" + html_escaped(item->caption) + "</p>\n" + links(*item) +
           runs.list(table->sources);
  }
  return out;
}

std::string absent_frames(const PageContent& content) {
  if (content.summary->absent.empty()) return "";
  std::string out = "<h2 id=\"absent\">Not run yet</h2>\n<ul class=\"absent\">\n";
  for (const auto& item : content.summary->absent) {
    out += "<li><b>" + html_escaped(item.name) + "</b> " + html_escaped(item.title) + "<br>";
    out += item.command.empty() ? "needs a sweep in the store" : "<code>" + html_escaped(item.command) + "</code>";
    out += "</li>\n";
  }
  return out + "</ul>\n";
}

std::string claims_board(const PageContent& content) {
  const auto& judged = content.summary->claims;
  if (judged.empty()) return "";
  const Grid grid = claims::to_grid(judged);
  std::string out = "<h2 id=\"claims\">Claims of the paper</h2>\n" +
                    tag("p", claims::verdict_counts(judged) +
                                 ". A verdict belongs to the scale that it names; NOT RUN names what lacks.");
  out += to_html(grid, [&](std::size_t row, std::size_t column, const std::string& text) {
    const auto& claim = judged[row];
    if (column == 0) return "<abbr title=\"" + html_escaped(claim.entry->rule) + "\">" + html_escaped(text) + "</abbr>";
    if (column == 1) return "<span class=\"verdict " + text + "\">" + html_escaped(text) + "</span>";
    if (column == 4 && !claim.finding.runs.empty() && text != "–")
      return "<a href=\"#claim-" + std::string(claim.entry->id) + "\">" + html_escaped(text) + "</a>";
    return html_escaped(text);
  });
  std::string lists;
  for (const auto& claim : judged) {
    if (claim.finding.runs.empty()) continue;
    lists += "<li id=\"claim-" + std::string(claim.entry->id) + "\">" + claim.entry->id + ": ";
    for (std::size_t i = 0; i < claim.finding.runs.size(); ++i)
      lists += (i ? ", " : "") + run_link(claim.finding.runs[i]);
    lists += "</li>\n";
  }
  if (lists.empty()) return out;
  return out + "<details class=\"runs\"><summary class=\"soft\">runs behind the verdicts</summary>\n<ul>\n" + lists +
         "</ul></details>\n";
}

/// Failed runs first, then those without an end, then the rest; names keep the order within.
std::string run_table(const std::vector<RunRow>& runs) {
  const auto rank = [](const RunRow& run) {
    if (is_finished(run.state)) return 2;
    return run.state == RunState::kRunning || run.state == RunState::kInterrupted ? 1 : 0;
  };
  auto sorted = runs;
  std::stable_sort(sorted.begin(), sorted.end(), [&](const RunRow& a, const RunRow& b) { return rank(a) < rank(b); });
  Grid grid{{"Run", "Suite", "Optimizer", "State", "Step", "Train time (s)", "Attempts", "Marks", "Reason"}, {}};
  for (const auto& run : sorted)
    grid.rows.push_back({run.run, run.suite, run.optimizer.empty() ? "–" : run.optimizer, to_string(run.state),
                         std::to_string(run.step) + (run.steps ? " of " + std::to_string(run.steps) : ""),
                         significant(run.train_seconds, 3), std::to_string(run.attempts), run_marks(run), run.reason});
  return to_html(grid, [&](std::size_t, std::size_t column, const std::string& text) {
    return column == 0 ? "<span id=\"run-" + html_escaped(text) + "\">" + html_escaped(text) + "</span>"
                       : html_escaped(text);
  });
}

/// One row for each value of each name, with the number of runs that had it: what differs is seen at once.
std::string environment_table(const Store& store, const std::vector<RunRow>& runs) {
  std::map<std::string, std::map<std::string, std::size_t>> seen;
  for (const auto& run : runs)
    for (const auto& [name, value] : store.environment(run.run)) ++seen[name][value];
  Grid grid{{"Name", "Value", "Runs"}, {}};
  for (const auto& [name, values] : seen)
    for (const auto& [value, count] : values) grid.rows.push_back({name, value, std::to_string(count)});
  return grid.rows.empty() ? tag("p", "No run has reported its environment.") : to_html(grid);
}

std::string navigation(const PageContent& content) {
  std::string out = "<nav>";
  const auto link = [&](const std::string& id, const std::string& label) {
    out += "<a href=\"#" + html_escaped(id) + "\">" + html_escaped(label) + "</a> ";
  };
  if (!content.summary->failed.empty()) link("failed", "failed runs");
  for (const auto& figure : content.figures) link(figure.item->name, figure.item->name);
  for (const auto& table : content.tables) link(table.item->name, table.item->name);
  if (!content.summary->claims.empty()) link("claims", "claims");
  if (!content.summary->absent.empty()) link("absent", "not run yet");
  link("runs", "runs");
  link("environment", "environment");
  return out + "</nav>\n";
}

}  // namespace

std::string make_page(const PageContent& content) {
  const auto runs = content.store->runs();
  const auto finished = std::count_if(runs.begin(), runs.end(), [](const auto& run) { return is_finished(run.state); });
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>pionbench report</title>\n"
      "<style>" +
      style_sheet() + "</style>\n</head>\n<body>\n<h1>pionbench report</h1>\n<p class=\"soft\">" +
      counted(runs.size(), "run") + ", " + std::to_string(finished) + " with a result. Store <code>" +
      html_escaped(content.summary->digest.substr(0, 12)) + "</code>.</p>\n" + navigation(content);
  out += failures(content) + notes(content);
  RunLists lists;
  if (!content.figures.empty()) out += tag("h2", "Figures") + figure_sections(content, lists);
  if (!content.tables.empty()) out += tag("h2", "Tables") + table_sections(content, lists);
  if (content.figures.empty() && content.tables.empty())
    out += tag("p", "No experiment in this store has a figure or a table yet.");
  out += claims_board(content) + absent_frames(content);
  out += "<h2 id=\"runs\">Runs</h2>\n" + run_table(runs);
  out += "<h2 id=\"environment\">Environment</h2>\n" + environment_table(*content.store, runs);
  return out + "</body>\n</html>\n";
}

}  // namespace pionbench
