#include "store/store.h"

#include <unistd.h>

#include "core/error.h"
#include "core/files.h"
#include "store/filesystem.h"
#include "store/impl.h"
#include "store/schema.h"

namespace pionbench {
namespace {

/// The database's path, once nothing stands against opening it.
std::filesystem::path checked_database_file(const std::filesystem::path& out, Store::Mode mode) {
  const auto file = database_file(out);
  if (mode == Store::Mode::kReadWrite) {
    make_directories(out);
    if (::access(out.c_str(), W_OK) != 0)
      throw UserError(
          "cannot write in the folder " + out.string() + "; make it writable or name another one with --out",
          kInternal);
  } else if (!std::filesystem::exists(file)) {
    throw UserError("there is no store at " + file.string() +
                    "; run an experiment first, or name its output folder with --out");
  }
  require_local_filesystem(file.parent_path());
  return file;
}

}  // namespace

std::filesystem::path database_file(const std::filesystem::path& out) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(out / "database", error)) return out / "store.sqlite";
  std::string folder = read_file(out / "database");
  folder.erase(folder.find_last_not_of(" \t\r\n") + 1);
  if (folder.empty() || !std::filesystem::path(folder).is_absolute())
    throw UserError((out / "database").string() + ": expected the absolute path of a folder on a local disk, got \"" +
                    folder + "\"");
  make_directories(folder);
  return std::filesystem::path(folder) / "store.sqlite";
}

Database::Mode reading_mode(const std::filesystem::path& out) {
  // A reader of a WAL database makes shared memory beside it. Where it cannot, nobody can write either; but a log left
  // there would not be seen, so then SQLite is left to refuse.
  const bool cannot_write = ::access(out.c_str(), W_OK) != 0;
  const bool has_log = std::filesystem::exists(database_file(out).string() + "-wal");
  return cannot_write && !has_log ? Database::Mode::kImmutable : Database::Mode::kReadOnly;
}

bool Store::exists(const std::filesystem::path& out) {
  std::error_code error;
  return std::filesystem::exists(database_file(out), error);
}

void prepare_writer(const Database& db) {
  // NORMAL may lose the last transactions when the machine dies, never the database: the spools still have them.
  // Foreign keys are looked at by `store verify`: every id that the ingester writes comes out of the table it names in
  // the same transaction, and two look-ups a row are a sixth of its time.
  db.execute("PRAGMA foreign_keys = OFF; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536");
  migrate(db);
}

Store::Impl::Impl(const std::filesystem::path& out, Mode mode)
    : out(out),
      mode(mode),
      db(checked_database_file(out, mode), mode == Mode::kReadWrite ? Database::Mode::kReadWrite : reading_mode(out)) {
  if (mode == Mode::kReadOnly) {
    require_current_schema(db);
    return;
  }
  if (const auto journal = db.text("PRAGMA journal_mode = WAL"); journal != "wal")
    throw UserError("cannot keep a write-ahead log beside " + db.path().string() + " (journal mode " + journal +
                    "); name a folder on a local disk with --out");
  prepare_writer(db);
  ingester.emplace(db, out);
}

Store::Store(const std::filesystem::path& out, Mode mode) : impl_(std::make_unique<Impl>(out, mode)) {}
Store::~Store() = default;
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;

const std::filesystem::path& Store::out() const {
  return impl_->out;
}

void Store::record_experiment(const ExperimentRecord& experiment) {
  const auto file = experiment_file(impl_->out, experiment.name, experiment.scale);
  const std::string text = to_json(experiment).dump(1) + "\n";
  // The same plan again leaves the file, and so its time, alone: then there is nothing to take either.
  if (!std::filesystem::exists(file) || read_file(file) != text) write_file_atomic(file, text);
  if (!impl_->ingester) throw std::logic_error("record_experiment on a store opened to read");
  impl_->ingester->ingest_experiments();
}

void Store::record_sitting(const Sitting& sitting) {
  if (!impl_->ingester) throw std::logic_error("record_sitting on a store opened to read");
  write_file_atomic(sitting_file(impl_->out, sitting.sitting), to_json(sitting).dump(1) + "\n");
  impl_->ingester->ingest_sittings();
}

IngestReport Store::ingest(const std::vector<std::string>& only) {
  if (!impl_->ingester) throw std::logic_error("ingest on a store opened to read");
  return impl_->ingester->ingest(only);
}

}  // namespace pionbench
