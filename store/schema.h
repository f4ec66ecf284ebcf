#pragma once
/// The shape of the store, as a list of migrations. One more version is one more row; rows are never edited once
/// released, because stores out there were made by them.

#include <span>

#include "core/error.h"
#include "store/sqlite.h"

namespace pionbench {

/// "PION", in the header of every store: tells one from another program's database.
inline constexpr std::int64_t kApplicationId = 0x50494F4E;

/// A database without tables: its first writer is at work on it.
class NoStoreYet : public UserError {
 public:
  using UserError::UserError;
};

struct Migration {
  int version;       ///< PRAGMA user_version after it; rises by one from row to row
  const char* what;  ///< one line, for people
  const char* sql;
};

std::span<const Migration> migrations();

/// What `user_version` is now.
std::int64_t schema_version(const Database& db);

/// Brings `db` to the last of `steps`: all of them or none, in one transaction. Does nothing when it is there.
/// UserError when the database is newer than this program, or another program's.
void migrate(const Database& db, std::span<const Migration> steps = migrations());

/// For readers, which must not write: NoStoreYet while the first writer has not made the tables, UserError unless `db`
/// has exactly the last version.
void require_current_schema(const Database& db, std::span<const Migration> steps = migrations());

}  // namespace pionbench
