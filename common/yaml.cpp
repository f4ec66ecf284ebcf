#include "common/yaml.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "core/error.h"

namespace pionbench {
namespace {

const char* describe(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return "a single value";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
  }
  return "";
}

std::string place(const std::string& file, const YAML::Mark& mark) {
  return file + ":" + std::to_string(mark.line < 0 ? 1 : mark.line + 1);
}

YamlNode convert(const YAML::Node& node, const std::string& file) {
  YamlNode out;
  out.where = place(file, node.Mark());
  if (node.IsScalar()) {
    out.kind = YamlNode::Kind::kScalar;
    out.text = node.Scalar();
    out.quoted = node.Tag() == "!";  // yaml-cpp's mark of a scalar in quotes
  } else if (node.IsSequence()) {
    out.kind = YamlNode::Kind::kList;
    for (const auto& item : node) out.items.push_back(convert(item, file));
  } else if (node.IsMap()) {
    out.kind = YamlNode::Kind::kMap;
    for (const auto& pair : node) {
      const std::string where = place(file, pair.first.Mark());
      if (!pair.first.IsScalar()) throw UserError(where + ": a key must be plain text");
      const std::string key = pair.first.Scalar();
      if (const auto* before = out.find(key))
        throw UserError(where + ": \"" + key + "\" is given twice (first at " + before->where + "); remove one");
      out.entries.push_back({key, where, convert(pair.second, file)});
    }
  }
  return out;
}

}  // namespace

const YamlEntry* YamlNode::find(std::string_view key) const {
  const auto it = std::ranges::find(entries, key, &YamlEntry::key);
  return it == entries.end() ? nullptr : &*it;
}

const std::string& YamlNode::scalar(const std::string& key) const {
  if (kind != Kind::kScalar) throw UserError(where + ": " + key + ": expected text, got " + describe(kind));
  return text;
}

const std::vector<YamlEntry>& YamlNode::map(const std::string& key) const {
  if (kind != Kind::kMap && kind != Kind::kNull)
    throw UserError(where + ": " + key + ": expected a map (name: value), got " + describe(kind));
  return entries;
}

YamlNode parse_yaml(const std::string& text, const std::string& file) {
  try {
    return convert(YAML::Load(text), file);
  } catch (const YAML::Exception& e) {
    throw UserError(place(file, e.mark) + ": not valid YAML: " + e.msg);
  }
}

void require_known_keys(const std::vector<YamlEntry>& entries, const std::string& kind,
                        const std::vector<std::string>& allowed) {
  for (const auto& entry : entries)
    if (std::ranges::find(allowed, entry.key) == allowed.end())
      throw UserError(entry.where + ": " + unknown_name(kind, entry.key, allowed));
}

}  // namespace pionbench
