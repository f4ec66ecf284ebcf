#pragma once
/// YAML as a plain tree that remembers where everything stood, so that every later message can name file and line.
/// The parser's own types stay out of this header.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/catalog.h"

namespace pionbench {

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string where;  ///< "fig2b.yaml:12"
  std::string text;   ///< kScalar
  bool quoted = false;
  std::vector<YamlNode> items;     ///< kList
  std::vector<YamlEntry> entries;  ///< kMap, in file order; keys are unique

  const YamlEntry* find(std::string_view key) const;
  /// The scalar's text, or UserError "WHERE: KEY: expected text, got a list".
  const std::string& scalar(const std::string& key) const;
  /// The entries of a map (none for an empty value), or UserError.
  const std::vector<YamlEntry>& map(const std::string& key) const;
};

struct YamlEntry {
  std::string key;
  std::string where;
  YamlNode value;
};

/// Parses one document. UserError("FILE:LINE: ...") on a syntax error, a key that is given twice, and keys that are
/// not plain text. `file` is only used in messages.
YamlNode parse_yaml(const std::string& text, const std::string& file);

/// UserError("WHERE: unknown KIND ...") for the first entry whose key is not in `allowed`.
void require_known_keys(const std::vector<YamlEntry>& entries, const std::string& kind,
                        const std::vector<std::string>& allowed);

}  // namespace pionbench
