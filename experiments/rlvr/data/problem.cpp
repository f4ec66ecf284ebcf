#include "experiments/rlvr/data/problem.h"

#include <functional>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"

namespace pionbench::rlvr {
namespace {

using Json = nlohmann::json;

void for_each_line(const std::filesystem::path& file,
                   const std::function<void(const Json&, const std::string&)>& take) {
  const std::string text = read_file(file);
  std::size_t begin = 0;
  for (int number = 1; begin < text.size(); ++number) {
    auto end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    const std::string_view line(text.data() + begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = file.string() + ":" + std::to_string(number);
    const auto json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) throw UserError(where + ": expected one JSON object in UTF-8 per line");
    take(json, where);
  }
}

std::string text_field(const Json& json, const char* name, const std::string& where) {
  const auto it = json.find(name);
  if (it == json.end()) throw UserError(where + ": field \"" + name + "\" is missing");
  if (!it->is_string()) throw UserError(where + ": field \"" + name + "\" must be text, got " + it->type_name());
  return it->get<std::string>();
}

std::string lines_of(const std::vector<Json>& rows) {
  std::string out;
  for (const auto& row : rows) out += row.dump() + "\n";
  return out;
}

}  // namespace

std::string Problem::label() const {
  const auto mark = answer.rfind("####");
  std::string out;
  if (mark == std::string::npos) return out;
  for (const char c : answer.substr(mark + 4))
    if (c != ' ' && c != ',' && c != '$' && c != '\n' && c != '\r' && c != '\t') out += c;
  return out;
}

std::vector<Problem> read_problems(const std::filesystem::path& file) {
  std::vector<Problem> out;
  for_each_line(file, [&](const Json& json, const std::string& where) {
    Problem problem{text_field(json, "question", where), text_field(json, "answer", where)};
    if (problem.label().empty()) throw UserError(where + ": field \"answer\" has no \"#### <number>\"");
    out.push_back(std::move(problem));
  });
  return out;
}

std::vector<Demonstration> read_demonstrations(const std::filesystem::path& file) {
  std::vector<Demonstration> out;
  for_each_line(file, [&](const Json& json, const std::string& where) {
    out.push_back(
        {text_field(json, "question", where), text_field(json, "completion", where), text_field(json, "style", where)});
  });
  return out;
}

void write_problems(const std::filesystem::path& file, const std::vector<Problem>& problems) {
  std::vector<Json> rows;
  for (const auto& p : problems) rows.push_back({{"question", p.question}, {"answer", p.answer}});
  write_file_atomic(file, lines_of(rows));
}

void write_demonstrations(const std::filesystem::path& file, const std::vector<Demonstration>& demonstrations) {
  std::vector<Json> rows;
  for (const auto& d : demonstrations)
    rows.push_back({{"question", d.question}, {"completion", d.completion}, {"style", d.style}});
  write_file_atomic(file, lines_of(rows));
}

}  // namespace pionbench::rlvr
