#include "harness/spec/identity.h"

#include <algorithm>

#include "common/hash.h"

namespace pionbench {
namespace {

void append_text(std::string& out, const std::string& text) {
  const auto is_plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
  if (std::ranges::all_of(text, is_plain)) {
    out += '"';
    out += text;
    out += '"';
  } else {
    out += Json(text).dump();
  }
}

void append_value(std::string& out, const Value& value) {
  if (const auto* b = std::get_if<bool>(&value))
    out += *b ? "true" : "false";
  else if (const auto* i = std::get_if<std::int64_t>(&value))
    out += std::to_string(*i);
  else if (const auto* text = std::get_if<std::string>(&value))
    append_text(out, *text);
  else
    out += canonical(Json(std::get<double>(value)));
}

}  // namespace

std::string canonical_text(const Values& values) {
  std::string out = "{";
  for (const auto& [key, value] : values) {
    if (out.size() > 1) out += ',';
    append_text(out, key);
    out += ':';
    append_value(out, value);
  }
  return out += '}';
}

std::string cell_identity(const CellConfig& c, const std::string& settings, const std::string& hyper) {
  std::string text;
  text.reserve(settings.size() + hyper.size() + 256);
  // Keys in the order of their bytes; a test holds this to content_hash(to_json(config)).
  text += "{\"hyper\":";
  text += hyper;
  text += ",\"inputs\":";
  Values inputs;
  for (const auto& [suite, id] : c.inputs) inputs[suite] = id;
  text += canonical_text(inputs);
  text += ",\"optimizer\":";
  append_text(text, c.optimizer);
  text += ",\"optimizer_version\":" + std::to_string(c.optimizer_version) + ",\"schema\":1,\"settings\":";
  text += settings;
  text += ",\"suite\":";
  append_text(text, c.suite);
  text += ",\"suite_version\":" + std::to_string(c.suite_version) + "}";
  return sha256(text);
}

}  // namespace pionbench
