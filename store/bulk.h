#pragma once
/// Reading many runs' values at once, on a connection of its own, and hearing of changes.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "store/store.h"

namespace pionbench {

/// What Store asks one run at a time, with statements that are prepared once. Each call is one consistent snapshot, but
/// not that of `store`.
class BulkReader {
 public:
  explicit BulkReader(const Store& store);
  ~BulkReader();
  BulkReader(const BulkReader&) = delete;
  BulkReader& operator=(const BulkReader&) = delete;

  /// Every metric of a run; ascending steps.
  std::map<std::string, std::vector<SeriesPoint>> all_series(const std::string& run) const;

  /// The last value of every metric of every run, by run, then name. Cost: two index probes each, however long the
  /// series are.
  void for_each_last_value(
      const std::function<void(const std::string& run, const std::string& name, const SeriesPoint&)>& take) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A text that is another one after any program has written to the store of this folder; "" while there is none. What
/// stands before the first ':' changes only when the database was made anew (`store rebuild`), which a Store opened
/// before does not see. Cost: two stats.
std::string store_stamp(const std::filesystem::path& out);

}  // namespace pionbench
