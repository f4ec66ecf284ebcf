#include "harness/spec/command_suite.h"

#include <algorithm>
#include <limits>

#include "common/hash.h"
#include "core/catalog.h"
#include "core/error.h"
#include "core/files.h"
#include "harness/spec/placeholders.h"
#include "harness/spec/value_grammar.h"

namespace pionbench {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuite = "command";
/// Raised when the contract between pionbench and such programs changes in a way that alters results.
constexpr int kVersion = 1;
const std::vector<std::string> kKeys = {"argv",       "env",    "working_dir",     "files",
                                        "parameters", "metric", "higher_is_better"};
/// Words that mean something else where a parameter could stand.
const std::vector<std::string> kReserved = {"arm", "arms", "command", "python", "run_folder", "suite"};

std::vector<std::string> texts_of(const YamlNode& node, const std::string& key) {
  if (node.kind == YamlNode::Kind::kScalar) return {node.text};
  if (node.kind != YamlNode::Kind::kList) throw UserError(node.where + ": " + key + ": expected a list of texts");
  std::vector<std::string> out;
  for (const auto& item : node.items) out.push_back(item.scalar(key));
  return out;
}

Setting parameter_of(const YamlEntry& entry) {
  const std::string help = "a parameter of the program";
  if (std::ranges::find(kReserved, entry.key) != kReserved.end())
    throw UserError(entry.where + ": parameters: \"" + entry.key + "\" is reserved; choose another name");
  const std::string& text = entry.value.scalar(entry.key);
  const Value value = entry.value.quoted ? Value(text) : parse_scalar(text);
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min(), kMost = std::numeric_limits<std::int64_t>::max();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (std::holds_alternative<bool>(value)) return bool_setting(entry.key, std::get<bool>(value), help);
  if (const auto* n = std::get_if<std::int64_t>(&value)) return int_setting(entry.key, *n, kLeast, kMost, help);
  if (const auto* x = std::get_if<double>(&value)) return real_setting(entry.key, *x, -kInfinity, kInfinity, help);
  return text_setting(entry.key, text, help);
}

/// Every file that `name` stands for (a folder: all below it but hidden ones), relative to `base`, with its content.
void take_file(const fs::path& base, const std::string& name, const std::string& where, Json& files) {
  std::error_code error;
  const fs::path path = base / name;
  if (fs::is_regular_file(path, error)) {
    files[name] = sha256(read_file(path));
    return;
  }
  if (!fs::is_directory(path, error))
    throw UserError(where + ": files: there is no file \"" + name + "\" in " + base.string());
  for (fs::recursive_directory_iterator it(path), end; it != end; ++it) {
    const std::string part = it->path().filename().string();
    if (part.starts_with('.') || part == "__pycache__") {
      if (it->is_directory()) it.disable_recursion_pending();
    } else if (it->is_regular_file()) {
      files[fs::relative(it->path(), base).generic_string()] = sha256(read_file(it->path()));
    }
  }
}

void check_placeholders(const std::vector<std::string>& texts, const SettingTable& table, const std::string& where) {
  auto known = table.names();
  known.insert(known.end(), {"python", "run_folder"});
  for (const auto& text : texts)
    for (const auto& name : placeholders_of(text))
      if (std::ranges::find(known, name) == known.end())
        throw UserError(where + ": " + unknown_name("parameter", name, known) + "  in \"" + text +
                        "\" (write {{ for a brace)");
}

void require_suite_name(const std::string& suite, const std::string& where) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  if (suite == kSuite) return;
  const std::string name = suite.substr(kSuite.size() + 1);
  if (name.empty() || name.find_first_not_of(kAllowed) != std::string::npos)
    throw UserError(where + ": suite \"" + suite +
                    "\": after command/ stands a name of letters, digits, \".\", \"_\" and \"-\"");
}

}  // namespace

CommandSuite read_command_suite(const std::string& suite, const std::string& suite_where, const YamlNode& node,
                                const fs::path& file) {
  require_suite_name(suite, suite_where);
  require_known_keys(node.map("command"), "key of command", kKeys);
  CommandSuite out;
  out.info.name = suite;
  out.info.title = suite;
  out.info.help = "a program of the experiment's own";
  out.info.version = kVersion;
  out.info.takes_optimizer = false;
  out.working_dir = fs::absolute(file).parent_path();
  if (const auto* entry = node.find("working_dir")) {
    out.working_dir = (out.working_dir / entry->value.scalar("working_dir")).lexically_normal();
    std::error_code error;
    if (!fs::is_directory(out.working_dir, error))
      throw UserError(entry->where + ": working_dir: there is no folder " + out.working_dir.string());
  }
  Json env = Json::object(), files = Json::object();
  std::vector<std::string> argv, texts;
  for (const auto& [key, where, value] : node.entries) {
    if (key == "argv") {
      argv = texts_of(value, key);
    } else if (key == "env") {
      for (const auto& variable : value.map(key)) env[variable.key] = variable.value.scalar(variable.key);
    } else if (key == "files") {
      for (const auto& name : texts_of(value, key)) take_file(out.working_dir, name, where, files);
    } else if (key == "parameters") {
      for (const auto& entry : value.map(key)) out.info.table.settings.push_back(parameter_of(entry));
    } else if (key == "metric") {
      out.info.primary_metric = value.scalar(key);
    } else if (key == "higher_is_better") {
      const Value parsed = parse_scalar(value.scalar(key));
      if (!std::holds_alternative<bool>(parsed))
        throw UserError(where + ": higher_is_better: got \"" + value.text + "\", allowed: true, false");
      out.info.higher_is_better = std::get<bool>(parsed);
    }
  }
  if (argv.empty() || argv[0].empty())
    throw UserError(node.where + ": command: argv is missing; e.g. argv: [python3, train.py]");
  texts = argv;
  for (const auto& [name, value] : env.items()) texts.push_back(value.get<std::string>());
  check_placeholders(texts, out.info.table, node.where);
  out.command = canonical({{"argv", argv}, {"env", env}, {"files", files}});
  return out;
}

}  // namespace pionbench
