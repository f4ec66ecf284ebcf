/// Paper Video 1: one episode side by side, the same initial state under each optimizer. An animated PNG; a
/// chart of the episodes' lengths and ends for print.

#include "core/files.h"
#include "results/chart.h"
#include "results/panels.h"
#include "results/style.h"

namespace pionbench {
namespace {

constexpr const char* kFilm = "artifacts/film.json";

struct Episode {
  std::string file, task, instruction, category, status;
  int frames = 0, steps = 0, init = 0;
};

struct Take {
  std::vector<Episode> episodes;
  int frame_size = 0;
  double frames_per_second = 20;
};

/// What a run filmed; nothing when it has no film, or one that cannot be read.
std::optional<Take> take_of(const Evidence& evidence, const CellEvidence& cell) {
  if (!cell.is_finished()) return std::nullopt;
  const auto file = evidence.store->out() / "runs" / cell.run->run / kFilm;
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return std::nullopt;
  const Json json = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("episodes") || !json["episodes"].is_array()) return std::nullopt;
  Take take{.frame_size = json.value("frame_size", 0), .frames_per_second = json.value("frames_per_second", 20.0)};
  for (const auto& e : json["episodes"])
    take.episodes.push_back({e.value("file", ""), e.value("task", ""), e.value("instruction", ""),
                             e.value("category", ""), e.value("status", ""), e.value("frames", 0), e.value("steps", 0),
                             e.value("init", 0)});
  if (take.episodes.empty() || take.frame_size <= 0) return std::nullopt;
  return take;
}

/// The filmed moment that tells most: the first episode that the arms do not all end alike; else the first.
std::size_t telling_episode(const std::vector<std::optional<Take>>& takes) {
  std::size_t count = 0;
  for (const auto& take : takes)
    if (take) count = count ? std::min(count, take->episodes.size()) : take->episodes.size();
  for (std::size_t i = 0; i < count; ++i) {
    std::string first;
    for (const auto& take : takes) {
      if (!take) continue;
      if (first.empty()) first = take->episodes[i].status;
      if (take->episodes[i].status != first) return i;
    }
  }
  return 0;
}

std::string note_of(const Episode& episode) {
  return episode.status + " after " + counted(static_cast<std::size_t>(episode.steps), "action");
}

}  // namespace

Figure make_video1(const Evidence& evidence) {
  Figure figure{
      .title = evidence.title(),
      .data = {{"arm", "seed", "task", "init", "category", "status", "actions", "frames", "file", "run"}, {}}};
  const auto styles = arm_styles(evidence.experiment);
  // One run an arm: the first that has a film, in display order, so that all have the first seed where all ran.
  std::vector<const CellEvidence*> cells;
  std::vector<std::optional<Take>> takes;
  for (const auto& style : styles) {
    const CellEvidence* chosen = nullptr;
    std::optional<Take> take;
    for (const auto& cell : evidence.cells)
      if (cell.cell.arm == style.arm && !take && (take = take_of(evidence, cell))) chosen = &cell;
    cells.push_back(chosen);
    takes.push_back(std::move(take));
  }
  const std::size_t which = telling_episode(takes);
  Film film;
  std::string moment;
  Json rows = Json::array();
  std::vector<std::string> arms;
  for (std::size_t i = 0; i < styles.size(); ++i) {
    Film::Column column{.label = styles[i].arm, .color = styles[i].color, .note = "no film"};
    arms.push_back(styles[i].arm);
    if (takes[i]) {
      const auto& episode = takes[i]->episodes[which];
      const std::string run = cells[i]->run->run;
      column.note = note_of(episode);
      column.strip = "runs/" + run + "/artifacts/" + episode.file;
      column.frames = episode.frames;
      film.frame_size = takes[i]->frame_size;
      film.frames_per_second = takes[i]->frames_per_second;
      if (moment.empty())
        moment = "\"" + episode.instruction + "\", task " + episode.task + ", initial state " +
                 std::to_string(episode.init) + (episode.category == "none" ? "" : ", perturbed: " + episode.category);
      figure.data.rows.push_back({styles[i].arm, cells[i]->coordinate("seed"), episode.task,
                                  std::to_string(episode.init), episode.category, episode.status,
                                  std::to_string(episode.steps), std::to_string(episode.frames), episode.file, run});
      figure.sources.push_back({"", styles[i].arm, {run}});
      rows.push_back(
          {{"arm", styles[i].arm}, {"frames", episode.frames}, {"text", column.note}, {"href", link_to({run})}});
    } else {
      rows.push_back({{"arm", styles[i].arm}, {"frames", 0}, {"text", "no film"}, {"href", nullptr}});
    }
    film.columns.push_back(std::move(column));
  }
  // How long each episode took: what a still can say; the pictures are in the film.
  int longest = 1;
  for (const auto& column : film.columns) longest = std::max(longest, column.frames);
  const Json x = quantitative({"frames", "frames", std::pair(0.0, longest * 1.35), false, false, false});
  Json y = ordered("arm", "", arms);
  y["axis"] = {{"ticks", false}, {"grid", false}};
  Json color = arm_color_encoding(styles);
  color["legend"] = nullptr;
  Json bars = {{"x", x}, {"y", y}, {"color", color}};
  add_links(bars, {{"arm", "arm", ""}, {"text", "end", ""}, {"frames", "frames", "d"}});
  Json layers = Json::array({{{"mark", {{"type", "bar"}, {"opacity", 0.85}}}, {"encoding", bars}},
                             {{"mark", {{"type", "text"}, {"align", "left"}, {"dx", 5}, {"color", kTextColor}}},
                              {"encoding", {{"x", x}, {"y", y}, {"text", {{"field", "text"}, {"type", "nominal"}}}}}}});
  std::vector<const CellEvidence*> all;
  for (const auto& cell : evidence.cells) all.push_back(&cell);
  Json one = view("", gap_text(all), 480, static_cast<int>(30 * std::max<std::size_t>(arms.size(), 1)),
                  std::move(layers), styles.empty());
  one["data"] = {{"values", std::move(rows)}};
  figure.spec = vega_lite({{"vconcat", {one}}});
  if (film.frame_size > 0) figure.film = std::move(film);
  figure.caption =
      (moment.empty() ? std::string("No run has left a film yet")
                      : "One episode under each optimizer's policy: " + moment) +
      ". From the same initial state; a shorter film stands still at its end. The episode shown is the first of those "
      "filmed that the arms end differently, so it shows how they can differ and not how often: that is in the "
      "tables. " +
      caption_end(evidence);
  return figure;
}

}  // namespace pionbench
