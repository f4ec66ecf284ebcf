#include "store/sqlite.h"

#include <sqlite3.h>

#include <cstring>
#include <stdexcept>

#include "core/error.h"

namespace pionbench {
namespace {

[[noreturn]] void fail(sqlite3* db, int code, const std::filesystem::path& path) {
  const std::string file = path.string();
  const std::string said = db ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  const int system_error = db ? sqlite3_system_errno(db) : 0;
  const std::string reason = system_error ? std::strerror(system_error) : said;
  switch (code & 0xff) {
    case SQLITE_NOTADB:
      throw UserError(file + " is not an SQLite database; move it away, then: pionbench store rebuild");
    case SQLITE_CORRUPT:
      throw UserError(file + " is damaged (" + said + "); the spools have everything: pionbench store rebuild",
                      kInternal);
    case SQLITE_FULL:
      throw UserError("cannot write " + file + ": the disk is full; free space and run the same command again",
                      kInternal);
    case SQLITE_READONLY:
      throw UserError("cannot write " + file + ": it is read-only; make it writable or name another folder with --out",
                      kInternal);
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      throw UserError("cannot open " + file + ": " + reason + "; make it accessible or name another folder with --out",
                      kInternal);
    case SQLITE_IOERR:
      throw UserError("cannot read or write " + file + ": " + reason + " (" + said + ")", kInternal);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw UserError(file + " is held by another process; wait for it, then run the same command again", kInterrupted);
    case SQLITE_NOMEM:
      throw std::bad_alloc();
    default:
      throw std::logic_error(file + ": SQLite says \"" + said + "\" (code " + std::to_string(code) + ")");
  }
}

std::string uri(const std::filesystem::path& path) {
  // Percent-encoding of what an SQLite URI gives a meaning to.
  std::string out = "file:";
  for (const char c : std::filesystem::absolute(path).string()) {
    if (c == '?' || c == '#' || c == '%') {
      static constexpr char kHex[] = "0123456789ABCDEF";
      out += '%';
      out += kHex[(c >> 4) & 15];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  return out + "?immutable=1";
}

}  // namespace

Statement::Statement(sqlite3* db, sqlite3_stmt* statement, const std::filesystem::path& path)
    : db_(db), statement_(statement), path_(path) {}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) {
    // The message is lost with the reset; the reset is needed, or the connection stays in its transaction.
    try {
      fail(db_, code, path_);
    } catch (...) {
      reset();
      throw;
    }
  }
  reset();
  return false;
}

void Statement::finish() {
  if (step()) throw std::logic_error("a statement without rows gave one");
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
}

int Statement::columns() const {
  return sqlite3_column_count(statement_.get());
}

Statement::Type Statement::type(int column) const {
  switch (sqlite3_column_type(statement_.get(), column)) {
    case SQLITE_INTEGER:
      return Type::kInteger;
    case SQLITE_FLOAT:
      return Type::kReal;
    case SQLITE_NULL:
      return Type::kNull;
    default:
      return Type::kText;
  }
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}
double Statement::real(int column) const {
  return sqlite3_column_double(statement_.get(), column);
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  return bytes ? std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))) : "";
}

void Statement::bind(int index, double value) {
  if (const int code = sqlite3_bind_double(statement_.get(), index, value)) fail(db_, code, path_);
}
void Statement::bind(int index, std::string_view value) {
  // A null pointer would bind NULL, and a default string_view has one.
  const char* data = value.data() ? value.data() : "";
  if (const int code = sqlite3_bind_text64(statement_.get(), index, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8))
    fail(db_, code, path_);
}
void Statement::bind(int index, std::nullptr_t) {
  if (const int code = sqlite3_bind_null(statement_.get(), index)) fail(db_, code, path_);
}
void Statement::bind_integer(int index, std::int64_t value) {
  if (const int code = sqlite3_bind_int64(statement_.get(), index, value)) fail(db_, code, path_);
}

Database::Database(const std::filesystem::path& path, Mode mode)
    : path_(path), checkpoint_on_close_(mode == Mode::kReadWrite) {
  std::string name = path.string();
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  switch (mode) {
    case Mode::kReadOnly:
      flags |= SQLITE_OPEN_READONLY;
      break;
    case Mode::kImmutable:
      name = uri(path);
      flags |= SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
      break;
    case Mode::kReadWrite:
      flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
      break;
    case Mode::kMemory:
      name = ":memory:";
      flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
      break;
  }
  const int code = sqlite3_open_v2(name.c_str(), &db_, flags, nullptr);
  if (code != SQLITE_OK) {
    try {
      fail(db_, code, path_);
    } catch (...) {
      sqlite3_close_v2(db_);
      throw;
    }
  }
  sqlite3_busy_timeout(db_, 5000);
}

Database::~Database() {
  // Folds the log into the one file, so that a plain copy of a store at rest is whole. A reader in the way, or a full
  // disk, leaves the log, which the next opener takes up.
  if (checkpoint_on_close_) sqlite3_exec(db_, "PRAGMA wal_checkpoint(TRUNCATE)", nullptr, nullptr, nullptr);
  sqlite3_close_v2(db_);
}

Statement Database::prepare(std::string_view sql) const {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) fail(db_, code, path_);
  return Statement(db_, statement, path_);
}

void Database::execute(const std::string& sql) const {
  if (const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr)) fail(db_, code, path_);
}

std::int64_t Database::integer(std::string_view sql) const {
  auto statement = prepare(sql);
  return statement.step() ? statement.integer(0) : 0;
}

std::string Database::text(std::string_view sql) const {
  auto statement = prepare(sql);
  return statement.step() ? statement.text(0) : "";
}

std::int64_t Database::last_row_id() const {
  return sqlite3_last_insert_rowid(db_);
}
bool Database::in_transaction() const {
  return sqlite3_get_autocommit(db_) == 0;
}

WriteTransaction::WriteTransaction(const Database& db) : db_(db) {
  db_.execute("BEGIN IMMEDIATE");
}

WriteTransaction::~WriteTransaction() {
  if (!open_ || !db_.in_transaction()) return;  // some errors, a full disk among them, have rolled back already
  try {
    db_.execute("ROLLBACK");
  } catch (...) {
    // The connection is beyond use; the error that led here is already on its way.
  }
}

void WriteTransaction::commit() {
  db_.execute("COMMIT");
  open_ = false;
}

ReadSnapshot::ReadSnapshot(const Database& db) : db_(db), owner_(!db.in_transaction()) {
  if (owner_) db_.execute("BEGIN");
}

ReadSnapshot::~ReadSnapshot() {
  if (!owner_ || !db_.in_transaction()) return;
  try {
    db_.execute("COMMIT");
  } catch (...) {
    // Only reads were made: there is nothing to lose.
  }
}

}  // namespace pionbench
