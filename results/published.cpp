#include "results/published.h"

#include <cstdlib>
#include <map>
#include <stdexcept>

#include "results/claims/claim.h"
#include "results/reference_files.h"

namespace pionbench {
namespace {

std::string optional_text(const YamlNode& node, const char* key) {
  const auto* entry = node.find(key);
  return entry ? entry->value.scalar(key) : "";
}

PublishedValue value_of(const YamlEntry& entry, const PublishedTable& table) {
  PublishedValue out{.source = table.source, .trust = table.trust};
  if (entry.value.kind == YamlNode::Kind::kMap) {
    require_known_keys(entry.value.entries, "field of a published value", {"value", "source", "trust"});
    out.text = optional_text(entry.value, "value");
    if (const auto source = optional_text(entry.value, "source"); !source.empty()) out.source = source;
    if (const auto trust = optional_text(entry.value, "trust"); !trust.empty()) out.trust = trust;
  } else {
    out.text = entry.value.scalar(entry.key);
  }
  char* end = nullptr;
  const double number = std::strtod(out.text.c_str(), &end);
  if (!out.text.empty() && *end == '\0') out.value = number;
  return out;
}

}  // namespace

const PublishedValue* PublishedTable::find(const std::string& row, const std::string& column) const {
  for (const auto& r : rows)
    if (r.name == row)
      for (const auto& [name, value] : r.values)
        if (name == column) return &value;
  return nullptr;
}

const YamlNode& reference_document(const std::string& stem) {
  static const auto kDocuments = [] {
    std::map<std::string, YamlNode> out;
    for (const auto& file : reference_files())
      out.emplace(file.stem, parse_yaml(file.text, "results/reference/" + std::string(file.stem) + ".yaml"));
    return out;
  }();
  const auto found = kDocuments.find(stem);
  if (found == kDocuments.end()) throw std::logic_error("no reference file " + stem);
  return found->second;
}

PublishedTable published_table(const std::string& stem) {
  const YamlNode& root = reference_document(stem);
  PublishedTable table{.title = optional_text(root, "title"),
                       .unit = optional_text(root, "unit"),
                       .source = optional_text(root, "source"),
                       .trust = optional_text(root, "trust"),
                       .note = optional_text(root, "note")};
  if (const auto* values = root.find("values"))
    for (const auto& row : values->value.map("values")) {
      auto& out = table.rows.emplace_back();
      out.name = row.key;
      for (const auto& entry : row.value.map(row.key)) out.values.emplace_back(entry.key, value_of(entry, table));
    }
  return table;
}

namespace claims {

const Reference& published_claims() {
  static const Reference kClaims = [] {
    Reference out;
    const auto* entries = reference_document("claims").find("claims");
    if (!entries) throw std::logic_error("results/reference/claims.yaml has no claims");
    for (const auto& entry : entries->value.map("claims")) {
      const auto text = [&](const char* key) {
        const auto* found = entry.value.find(key);
        if (!found) throw std::logic_error(entry.where + ": claim " + entry.key + " has no \"" + key + "\"");
        return found->value.scalar(key);
      };
      require_known_keys(entry.value.map(entry.key), "field of a claim", {"sentence", "paper", "source", "trust"});
      out[entry.key] = {text("sentence"), text("paper"), text("source"), text("trust")};
    }
    return out;
  }();
  return kClaims;
}

}  // namespace claims
}  // namespace pionbench
