#include "results/dashboard/document.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "results/base64.h"
#include "results/dashboard/assets.h"
#include "results/dashboard/pack.h"

namespace pionbench::dashboard {
namespace {

// Blocks of runs are unpacked whole when one of theirs is looked at.
constexpr std::size_t kBlockBytes = 256 * 1024;
// What "blocks" and "thinned" add to the main document.
constexpr std::size_t kBlocksAndThinned = 4096;
// Runs that a level's size is guessed from.
constexpr std::size_t kSampledRuns = 40;

struct Level {
  Detail detail;
  const char* says;
};
// From everything to the least that still shows how a run went.
constexpr std::array kLevels = {
    Level{{}, ""},
    Level{{.points = 400, .log_bytes = 4000, .digits = 6}, "curves to 400 points of six digits"},
    Level{{.points = 120, .curve_points = 300, .with_heads = false, .parameters = 40, .log_bytes = 4000, .digits = 6},
          "curves to 120 points of six digits, spectra to 40 whole matrices"},
    Level{{.points = 50, .curve_points = 100, .with_heads = false, .parameters = 12, .log_bytes = 1500, .digits = 5},
          "curves to 50 points of five digits, spectra to 12 whole matrices"},
    Level{{.points = 36, .curve_points = 80, .with_heads = false, .parameters = 8, .log_bytes = 1000, .digits = 4},
          "curves to 36 points of four digits, spectra to 8 whole matrices"},
    Level{{.points = 24, .curve_points = 50, .with_heads = false, .parameters = 4, .log_bytes = 600, .digits = 4},
          "curves to 24 points of four digits, spectra to 4 whole matrices"},
    Level{{.points = 10, .curve_points = 10, .with_heads = false, .parameters = 0, .log_bytes = 200, .digits = 4},
          "curves to 10 points of four digits, spectra left out"},
};

/// Bytes that are not UTF-8 are replaced, never fatal.
std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// A block of the page: base64 holds no character that could end it.
std::string block(const std::string& name, std::string_view bytes) {
  return "<script type=\"application/x-deflate\" data-name=\"" + name + "\">" + base64(deflated(bytes)) + "</script>\n";
}

std::string filled(std::string_view page, const std::vector<std::pair<std::string_view, std::string>>& values) {
  std::string out;
  while (true) {
    const auto open = page.find("{{");
    out += page.substr(0, open);
    if (open == page.npos) return out;
    const auto close = page.find("}}", open);
    const auto name = page.substr(open + 2, close - open - 2);
    const auto value = std::ranges::find(values, name, &std::pair<std::string_view, std::string>::first);
    if (value == values.end()) throw std::logic_error("page.html: unknown place " + std::string(name));
    out += value->second;
    page.remove_prefix(close + 2);
  }
}

std::string page_with(const std::string& blocks, bool is_live) {
  return filled(assets::page_html(), {{"policy", content_security_policy(is_live)},
                                      {"mode", is_live ? "live" : "file"},
                                      {"style", std::string(assets::style_css())},
                                      {"script", std::string(assets::script_js())},
                                      {"blocks", blocks}});
}

/// The runs in blocks, and where each block begins.
struct RunBlocks {
  std::string html;
  Json first = Json::array();
  bool is_thinned = false;
};

RunBlocks pack_runs(const Store& store, const BulkReader& bulk, const std::vector<RunRow>& runs, const Detail& detail) {
  RunBlocks out;
  std::string text;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Json run = run_document(store, bulk, runs[i], detail);
    out.is_thinned = out.is_thinned || run.contains("thinned");
    if (text.empty()) out.first.push_back(i);
    text += (text.empty() ? "[" : ",") + text_of(run);
    if (text.size() < kBlockBytes && i + 1 < runs.size()) continue;
    out.html += block("runs/" + std::to_string(out.first.size() - 1), text + "]");
    text.clear();
  }
  return out;
}

std::size_t guessed_bytes(const Store& store, const BulkReader& bulk, const std::vector<RunRow>& runs,
                          const Detail& detail) {
  if (runs.size() <= kSampledRuns) return 0;
  std::string text;
  for (std::size_t i = 0; i < kSampledRuns; ++i)
    text += text_of(run_document(store, bulk, runs[i * runs.size() / kSampledRuns], detail));
  return deflated(text).size() * 4 / 3 * runs.size() / kSampledRuns;
}

}  // namespace

std::string content_security_policy(bool is_live) {
  // 'unsafe-eval': Vega compiles its expressions. Scripts in the page are named by their hash, so that none can be
  // slipped in by data.
  return "default-src 'none'; script-src " + script_hash(assets::script_js()) +
         " 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; connect-src " +
         (is_live ? "'self'" : "'none'") + "; base-uri 'none'; form-action 'none'";
}

std::string live_page() {
  return page_with("", true);
}

Page static_page(const Store& store, const PageOptions& options) {
  Page page;
  const auto runs = store.runs();
  const auto evidence = gather(store);
  Json main = main_document(store, options.data);
  main["digest"] = evidence.empty() ? store.digest() : evidence[0].digest;
  page.runs = runs.size();
  page.series = main["measured"]["series"].size();
  for (const auto& series : main["measured"].at("series")) page.changed += series["urgent"].get<bool>();
  page.has_charts = !assets::vega_js().empty();

  std::string rest = block("vega", assets::vega_js());
  rest += block("claims", text_of(claims_document(store, evidence)));
  Json summaries = Json::array();
  for (const auto& exhibit : exhibits(evidence)) {
    rest += block("exhibit/" + exhibit.summary["name"].get<std::string>(), text_of(exhibit.content));
    summaries.push_back(exhibit.summary);
  }
  page.exhibits = summaries.size();
  rest += block("exhibits", text_of({{"exhibits", summaries}}));

  const std::size_t others =
      page_with("", false).size() + rest.size() + block("main", text_of(main)).size() + kBlocksAndThinned;
  const std::size_t room = options.most_bytes > others ? options.most_bytes - others : 0;
  const BulkReader bulk(store);
  RunBlocks packed;
  for (std::size_t i = 0; i < kLevels.size(); ++i) {
    const bool is_last = i + 1 == kLevels.size();
    if (!is_last && guessed_bytes(store, bulk, runs, kLevels[i].detail) > room) continue;
    packed = pack_runs(store, bulk, runs, kLevels[i].detail);
    if (!is_last && packed.html.size() > room) continue;
    if (packed.is_thinned && *kLevels[i].says)
      page.thinned = "To stay below " + std::to_string(options.most_bytes / 1'000'000) + " MB this file thins " +
                     kLevels[i].says + "; pionbench serve shows all.";
    break;
  }
  main["blocks"] = packed.first;
  main["thinned"] = page.thinned;
  page.html = page_with(block("main", text_of(main)) + rest + packed.html, false);
  return page;
}

}  // namespace pionbench::dashboard
