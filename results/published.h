#pragma once
/// Published numbers: results/reference/*.yaml, as they were when this program was built.

#include <optional>
#include <string>
#include <vector>

#include "common/yaml.h"

namespace pionbench {

struct PublishedValue {
  std::string text;             ///< as printed: "97.0", "4 to 6"
  std::optional<double> value;  ///< where the text is a number
  std::string source, trust;    ///< of the value, else of its file
};

/// One table or figure of the paper: rows of named values.
struct PublishedTable {
  struct Row {
    std::string name;
    std::vector<std::pair<std::string, PublishedValue>> values;
  };
  std::string title, unit, source, trust, note;
  std::vector<Row> rows;

  /// Null where nothing is published.
  const PublishedValue* find(const std::string& row, const std::string& column) const;
};

/// The document of a reference file, by its stem; std::logic_error when there is none. UserError as parse_yaml.
const YamlNode& reference_document(const std::string& stem);
/// The same as a table; the files are listed in results/reference/README.md.
PublishedTable published_table(const std::string& stem);

}  // namespace pionbench
