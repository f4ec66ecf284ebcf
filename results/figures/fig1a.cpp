/// Paper Fig 1(a): effective rank of the gradient over training, for vision, language and action, as a heat map.

#include <array>
#include <cmath>
#include <map>

#include "results/chart.h"
#include "results/finals.h"
#include "results/stats/interval.h"

namespace pionbench {
namespace {

constexpr std::array kModules = {"vision", "language", "action"};

struct Cell {
  std::vector<double> values;
  std::vector<std::string> runs;
};

Json heat_map(const Panel& panel, const std::map<std::pair<std::string, std::int64_t>, Cell>& cells) {
  Json rows = Json::array();
  std::vector<std::string> modules, steps;
  std::vector<double> ranks;
  for (const char* module : kModules) modules.push_back(capitalized(module));
  std::map<std::int64_t, bool> seen;
  for (const auto& [place, cell] : cells) {
    seen[place.second] = true;
    ranks.push_back(mean(cell.values));
    rows.push_back({{"module", capitalized(place.first)},
                    {"step", std::to_string(place.second)},
                    {"rank", drawn(mean(cell.values))},
                    {"text", significant(mean(cell.values), 3)},
                    {"n", cell.values.size()},
                    {"href", link_to(cell.runs)}});
  }
  for (const auto& [step, _] : seen) steps.push_back(std::to_string(step));
  const auto domain = wide_domain(ranks, true);
  Json x = ordered("step", "training step", steps), y = ordered("module", "", modules);
  // A label for about every tenth column.
  x["axis"] = {{"labelAngle", 0}, {"labelOverlap", "greedy"}, {"ticks", false}, {"grid", false}};
  y["axis"] = {{"ticks", false}, {"grid", false}};
  Json rect = {{"x", x},
               {"y", y},
               {"color",
                {{"field", "rank"},
                 {"type", "quantitative"},
                 {"scale", {{"type", "log"}, {"domain", {domain.first, domain.second}}, {"scheme", "viridis"}}},
                 {"legend", {{"title", "rank"}, {"format", "~g"}, {"values", log_ticks(domain)}}}}}};
  add_links(rect,
            {{"module", "module", ""}, {"step", "step", ""}, {"rank", "effective rank", ".3~g"}, {"n", "runs", "d"}});
  Json layers = Json::array({{{"mark", {{"type", "rect"}}}, {"encoding", rect}}});
  // Numbers where they fit: a column needs about 30 pixels.
  if (!steps.empty() && steps.size() <= 20)
    layers.push_back({{"mark", {{"type", "text"}, {"fontSize", 10}}},
                      {"encoding",
                       {{"x", x},
                        {"y", y},
                        {"text", {{"field", "text"}, {"type", "nominal"}}},
                        // Viridis is dark below its middle.
                        {"color",
                         {{"condition",
                           {{"test", "datum.rank < " + exact(drawn(std::sqrt(domain.first * domain.second)))},
                            {"value", "#ffffff"}}},
                          {"value", "#1b1f24"}}}}}});
  const bool is_empty = rows.empty();
  Json out = view(panel.title, gap_text(panel.cells), 620, 120, std::move(layers), is_empty);
  out["data"] = {{"values", std::move(rows)}};
  return out;
}

}  // namespace

Figure make_fig1a(const Evidence& evidence) {
  Figure figure{.title = evidence.title(),
                .data = {{"panel", "arm", "module", "seed", "step", "effective_rank", "run"}, {}}};
  // Arms beside the paper's are panels of their own.
  std::vector<Panel> panels;
  for (const auto& arm : evidence.arms())
    for (auto& panel : setting_panels(evidence, {}, {arm})) {
      if (evidence.arms().size() > 1) panel.title = arm + (panel.title == kAllRuns ? "" : ", " + panel.title);
      panels.push_back(std::move(panel));
    }
  Json views = Json::array();
  for (std::size_t i = 0; i < panels.size(); ++i) {
    auto& panel = panels[i];
    panel.id = panels.size() > 1 ? panel_letter(i) : "";
    if (!panel.id.empty()) panel.title = "(" + panel.id + ") " + panel.title;
    std::map<std::pair<std::string, std::int64_t>, Cell> cells;
    for (const char* module : kModules)
      for (const auto* cell : panel.cells) {
        if (!cell->is_finished()) continue;
        for (const auto& point : evidence.store->series(cell->run->run, std::string("grad_effective_rank/") + module)) {
          auto& here = cells[{module, point.step}];
          here.values.push_back(point.value);
          here.runs.push_back(cell->run->run);
          figure.data.rows.push_back({panel.id, cell->cell.arm, module, cell->coordinate("seed"),
                                      std::to_string(point.step), exact(point.value), cell->run->run});
        }
      }
    views.push_back(heat_map(panel, cells));
    auto runs = finished_runs(panel.cells, [](const auto&) { return true; });
    if (!runs.empty()) figure.sources.push_back({panel.id, "all modules", std::move(runs)});
  }
  figure.spec = vega_lite({{"vconcat", views}});
  figure.caption =
      "Effective rank, exp of the entropy of the normalised singular values, of the gradient of each module's "
      "matrices, "
      "mean over matrices and seeds; logarithmic colours. One third-party note gives the paper's values as about 300, "
      "50 and 4 to 6, for models of another size. " +
      caption_end(evidence);
  return figure;
}

}  // namespace pionbench
