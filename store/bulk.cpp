#include "store/bulk.h"

#include <sys/stat.h>

#include "store/impl.h"

namespace pionbench {
struct BulkReader::Impl {
  explicit Impl(const Store& store)
      : db(database_file(store.out()), reading_mode(store.out())),
        series(db.prepare("SELECT n.name, m.step, m.value FROM metrics m JOIN names n ON n.id = m.name_id "
                          "WHERE m.run_id = (SELECT id FROM runs WHERE run = ?) ORDER BY m.name_id, m.step")) {}

  Database db;
  Statement series;
};

BulkReader::BulkReader(const Store& store) : impl_(std::make_unique<Impl>(store)) {}
BulkReader::~BulkReader() = default;

std::map<std::string, std::vector<SeriesPoint>> BulkReader::all_series(const std::string& run) const {
  std::map<std::string, std::vector<SeriesPoint>> out;
  auto& rows = impl_->series;
  for (rows.query(run); rows.step();) out[rows.text(0)].push_back({rows.integer(1), rows.real(2)});
  return out;
}

void BulkReader::for_each_last_value(
    const std::function<void(const std::string& run, const std::string& name, const SeriesPoint&)>& take) const {
  const Database& db = impl_->db;
  const ReadSnapshot snapshot(db);
  std::map<std::int64_t, std::string> names;
  auto named = db.prepare("SELECT id, name FROM names");
  while (named.step()) names[named.integer(0)] = named.text(1);
  auto runs = db.prepare("SELECT id, run FROM runs ORDER BY run");
  // From one name of a run to its next, and for each to the end of its series: a GROUP BY would read every value.
  auto next = db.prepare("SELECT name_id FROM metrics WHERE run_id = ? AND name_id > ? ORDER BY name_id LIMIT 1");
  auto last = db.prepare("SELECT step, value FROM metrics WHERE run_id = ? AND name_id = ? ORDER BY step DESC LIMIT 1");
  while (runs.step()) {
    const std::int64_t id = runs.integer(0);
    std::map<std::string, SeriesPoint> values;
    for (std::int64_t name = -1; next.query(id, name).step();) {
      name = next.integer(0);
      if (last.query(id, name).step()) values[names.at(name)] = {last.integer(0), last.real(1)};
    }
    const std::string run = runs.text(1);
    for (const auto& [name, point] : values) take(run, name, point);
  }
}

std::string store_stamp(const std::filesystem::path& out) {
  const auto file = database_file(out);
  std::string text;
  // Commits go to the log first, and to the database when the log is taken in.
  for (const auto& path : {file, std::filesystem::path(file.string() + "-wal")}) {
    struct stat status {};
    const bool is_there = ::stat(path.c_str(), &status) == 0;
    if (!is_there && text.empty()) return "";
    if (text.empty()) text = std::to_string(status.st_ino);
    text += ":" + std::to_string(is_there ? status.st_size : 0) + "." +
            std::to_string(is_there ? status.st_mtim.tv_sec : 0) + "." +
            std::to_string(is_there ? status.st_mtim.tv_nsec : 0);
  }
  return text;
}

}  // namespace pionbench
