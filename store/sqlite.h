#pragma once
/// A thin owner of SQLite handles: what fails becomes one UserError that names the file and what mends it, what can
/// only be our own mistake (a wrong statement, a wrong bind) a std::logic_error.

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace pionbench {

/// A prepared statement. Arguments are bound from 1 upwards; columns are read from 0 upwards.
/// Not thread-safe; must not outlive its Database.
class Statement {
 public:
  enum class Type { kNull, kInteger, kReal, kText };

  /// Executes a statement that returns no rows.
  template <typename... Args>
  void run(const Args&... args) {
    bind_all(args...);
    finish();
  }
  /// Begins a query; then `while (statement.step())`. Values are copied, temporaries may be passed.
  template <typename... Args>
  Statement& query(const Args&... args) {
    bind_all(args...);
    return *this;
  }
  /// True while there is a row; resets itself after the last one.
  bool step();

  int columns() const;
  Type type(int column) const;
  bool is_null(int column) const { return type(column) == Type::kNull; }
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* db, sqlite3_stmt* statement, const std::filesystem::path& path);

  template <typename... Args>
  void bind_all(const Args&... args) {
    reset();
    int index = 0;
    (bind(++index, args), ...);
  }
  template <std::integral T>
  void bind(int index, T value) {
    bind_integer(index, static_cast<std::int64_t>(value));
  }
  void bind(int index, double value);
  void bind(int index, std::string_view value);
  void bind(int index, std::nullptr_t);
  template <typename T>
  void bind(int index, const std::optional<T>& value) {
    value ? bind(index, *value) : bind(index, nullptr);
  }
  void bind_integer(int index, std::int64_t value);
  void reset();
  void finish();

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  sqlite3* db_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  std::filesystem::path path_;
};

class Database {
 public:
  enum class Mode { kReadOnly, kImmutable, kReadWrite, kMemory };

  /// kReadWrite creates the file. kImmutable reads a file that nobody can be writing (a read-only folder), without
  /// the shared memory that WAL needs beside it. kMemory ignores `path`, except in messages.
  Database(const std::filesystem::path& path, Mode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Statement prepare(std::string_view sql) const;
  /// Executes statements separated by ';'.
  void execute(const std::string& sql) const;
  std::int64_t integer(std::string_view sql) const;  ///< the first column of the first row; 0 without rows
  std::string text(std::string_view sql) const;      ///< the same as text; "" without rows
  std::int64_t last_row_id() const;
  bool in_transaction() const;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  bool checkpoint_on_close_;
  sqlite3* db_ = nullptr;
};

/// BEGIN IMMEDIATE, so that a writer never upgrades a read lock (which fails at once, whatever the timeout);
/// rolled back unless committed.
class WriteTransaction {
 public:
  explicit WriteTransaction(const Database& db);
  ~WriteTransaction();
  WriteTransaction(const WriteTransaction&) = delete;
  WriteTransaction& operator=(const WriteTransaction&) = delete;
  void commit();

 private:
  const Database& db_;
  bool open_ = true;
};

/// Several queries on one snapshot. Nested ones, and ones inside a WriteTransaction, do nothing.
class ReadSnapshot {
 public:
  explicit ReadSnapshot(const Database& db);
  ~ReadSnapshot();
  ReadSnapshot(const ReadSnapshot&) = delete;
  ReadSnapshot& operator=(const ReadSnapshot&) = delete;

 private:
  const Database& db_;
  bool owner_;
};

}  // namespace pionbench
