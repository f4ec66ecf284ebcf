#include "harness/schedule/queue_file.h"

#include <unistd.h>

#include "core/files.h"
#include "harness/schedule/process.h"

namespace pionbench {
namespace {

std::filesystem::path file_of(const std::filesystem::path& out) {
  return out / "queue.json";
}

}  // namespace

void write_queue(const std::filesystem::path& out, const QueueView& queue) {
  Json groups = Json::array();
  for (const auto& g : queue.waiting) groups.push_back({{"reason", g.reason}, {"label", g.label}, {"cells", g.cells}});
  const Json json = {{"schema", 1},
                     {"owner", to_json(identify_process(::getpid()))},
                     {"eta_s", queue.eta_s ? Json(*queue.eta_s) : Json()},
                     {"waiting", groups}};
  write_file_atomic(file_of(out), json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::optional<QueueView> read_queue(const std::filesystem::path& out) {
  std::error_code error;
  if (!std::filesystem::exists(file_of(out), error)) return std::nullopt;
  try {
    const Json json = Json::parse(read_file(file_of(out)));
    if (!is_alive(attempt_start_from_json(json.at("owner")))) return std::nullopt;
    QueueView queue;
    if (!json.at("eta_s").is_null()) queue.eta_s = json.at("eta_s").get<double>();
    for (const auto& g : json.at("waiting")) queue.waiting.push_back({g.at("reason"), g.at("label"), g.at("cells")});
    return queue;
  } catch (const std::exception&) {
    return std::nullopt;  // another version's, or gone between two calls
  }
}

void remove_queue(const std::filesystem::path& out) {
  std::error_code ignored;
  std::filesystem::remove(file_of(out), ignored);
}

}  // namespace pionbench
