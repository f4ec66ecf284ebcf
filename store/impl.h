#pragma once
/// What a Store is made of. For the files of this folder only.

#include <optional>

#include "store/ingest.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace pionbench {

struct Store::Impl {
  Impl(const std::filesystem::path& out, Mode mode);

  std::filesystem::path out;
  Mode mode;
  Database db;
  std::optional<Ingester> ingester;  ///< kReadWrite only
};

/// <out>/store.sqlite, or store.sqlite in the folder that the file <out>/database names: an output folder on a
/// cluster's shared disk keeps its database on a local one.
std::filesystem::path database_file(const std::filesystem::path& out);

/// How those who only read open it.
Database::Mode reading_mode(const std::filesystem::path& out);

/// Adopts the settings of a writer: WAL and the current schema.
void prepare_writer(const Database& db);

/// Store::digest of any database with the schema.
std::string content_digest(const Database& db);

}  // namespace pionbench
