#include "experiments/rlvr/data/problem.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "experiments/rlvr/data/json_text.h"
#include "experiments/rlvr/data/reward.h"

namespace pionbench::rlvr {
namespace {

using Json = nlohmann::json;

void for_each_line(std::string_view text, const std::string& name,
                   const std::function<void(const Json&, const std::string&)>& take) {
  std::size_t begin = 0;
  for (int number = 1; begin < text.size(); ++number) {
    auto end = text.find('\n', begin);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = name + ":" + std::to_string(number);
    const auto json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) throw UserError(where + ": expected one JSON object in UTF-8 per line");
    take(json, where);
  }
}

const Json& field(const Json& json, const char* name, const std::string& where) {
  const auto it = json.find(name);
  if (it == json.end()) throw UserError(where + ": field \"" + name + "\" is missing");
  return *it;
}

std::string text_field(const Json& json, const char* name, const std::string& where) {
  const auto& value = field(json, name, where);
  if (!value.is_string()) throw UserError(where + ": field \"" + name + "\" must be text, got " + value.type_name());
  return value.get<std::string>();
}

Schema schema_of(const Json& json, const std::string& where) {
  if (json.contains("question")) return Schema::kGsm8k;
  if (json.contains("problem")) return Schema::kMath;
  if (json.contains("prompt")) return Schema::kVerl;
  throw UserError(where +
                  ": no field \"question\" (GSM8K), \"problem\" (MATH) or \"prompt\" (verl): the format is "
                  "not known");
}

/// 3 or "Level 3"; MATH has a few "Level ?", which read as no level.
int level_of(const Json& json, const std::string& where) {
  const auto it = json.find("level");
  if (it == json.end() || it->is_null()) return 0;
  const auto fail = [&] {
    return UserError(where + ": field \"level\" must be 1 to 5 or \"Level 1\" to \"Level 5\", got " + shown(*it));
  };
  if (it->is_number_integer()) {
    const auto level = it->get<std::int64_t>();
    if (level < 0 || level > 5) throw fail();
    return static_cast<int>(level);
  }
  if (!it->is_string()) throw fail();
  const auto text = it->get<std::string>();
  if (text == "Level ?") return 0;
  const auto digit = text.starts_with("Level ") ? text.substr(6) : text;
  if (digit.size() != 1 || digit[0] < '1' || digit[0] > '5') throw fail();
  return digit[0] - '0';
}

/// "18", "-3", "2.5": what every answer of GSM8K is once blanks, commas and "$" are gone.
bool is_plain_number(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto digits = [&] {
    const auto end = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(end);
    return end > 0;
  };
  if (!digits()) return false;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (!digits()) return false;
  }
  return text.empty();
}

Problem gsm8k_row(const Json& json, const std::string& where) {
  Problem out{text_field(json, "question", where), text_field(json, "answer", where), {}};
  out.label = gsm8k_label(out.answer);
  if (out.label.empty()) throw UserError(where + ": field \"answer\" has no \"#### <number>\"");
  if (!is_plain_number(out.label))
    throw UserError(where + ": field \"answer\" must end in \"#### <number>\", got " + shown(Json(out.label)));
  return out;
}

Problem math_row(const Json& json, const std::string& where) {
  Problem out{text_field(json, "problem", where), text_field(json, "solution", where), {}};
  auto label = last_boxed(out.answer);
  if (!label) throw UserError(where + ": field \"solution\" has no \\boxed{...} whose braces close");
  out.label = std::move(*label);
  out.level = level_of(json, where);
  for (const char* name : {"type", "subject"})
    if (json.contains(name)) out.subject = text_field(json, name, where);
  return out;
}

Problem verl_row(const Json& json, const std::string& where) {
  const auto& prompt = field(json, "prompt", where);
  if (!prompt.is_array()) throw UserError(where + ": field \"prompt\" must be a list of {role, content}");
  Problem out;
  for (const auto& message : prompt) {
    if (!message.is_object()) throw UserError(where + ": field \"prompt\" must be a list of {role, content}");
    if (text_field(message, "role", where) == "user") out.question = text_field(message, "content", where);
  }
  if (out.question.empty()) throw UserError(where + ": field \"prompt\" has no user message");
  const auto& reward = field(json, "reward_model", where);
  if (!reward.is_object()) throw UserError(where + ": field \"reward_model\" must be an object");
  out.label = text_field(reward, "ground_truth", where);
  if (out.label.empty()) throw UserError(where + ": field \"ground_truth\" is empty");
  return out;
}

std::string lines_of(const std::vector<Json>& rows) {
  std::string out;
  for (const auto& row : rows) out += row.dump() + "\n";
  return out;
}

/// Lower case (ASCII) with every run of white space as one blank.
std::string folded(std::string_view text) {
  std::string out;
  bool blank = false;
  for (const char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      blank = !out.empty();
      continue;
    }
    if (blank) out += ' ';
    blank = false;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

}  // namespace

std::string gsm8k_label(std::string_view answer) {
  const auto mark = answer.rfind("####");
  std::string out;
  if (mark == std::string_view::npos) return out;
  for (const char c : answer.substr(mark + 4))
    if (c != ' ' && c != ',' && c != '$' && c != '\n' && c != '\r' && c != '\t') out += c;
  return out;
}

std::vector<Problem> parse_problems(std::string_view text, const std::string& name) {
  if (text.starts_with("PAR1"))
    throw UserError(name +
                    ": is a parquet file; JSON Lines are read. Convert it with: python3 -c \"import pandas, sys; "
                    "pandas.read_parquet(sys.argv[1]).to_json(sys.argv[2], orient='records', lines=True)\" IN OUT");
  std::vector<Problem> out;
  std::optional<Schema> schema;
  for_each_line(text, name, [&](const Json& json, const std::string& where) {
    if (!schema) schema = schema_of(json, where);
    out.push_back(*schema == Schema::kGsm8k  ? gsm8k_row(json, where)
                  : *schema == Schema::kMath ? math_row(json, where)
                                             : verl_row(json, where));
  });
  if (out.empty()) throw UserError(name + ": holds no problems");
  return out;
}

std::vector<Problem> read_problems(const std::filesystem::path& file) {
  return parse_problems(read_file(file), file.string());
}

std::vector<Demonstration> read_demonstrations(const std::filesystem::path& file) {
  std::vector<Demonstration> out;
  for_each_line(read_file(file), file.string(), [&](const Json& json, const std::string& where) {
    out.push_back(
        {text_field(json, "question", where), text_field(json, "completion", where), text_field(json, "style", where)});
  });
  return out;
}

void write_problems(const std::filesystem::path& file, const std::vector<Problem>& problems, Schema schema) {
  std::vector<Json> rows;
  for (const auto& p : problems)
    rows.push_back(schema == Schema::kGsm8k ? Json{{"question", p.question}, {"answer", p.answer}}
                                            : Json{{"problem", p.question},
                                                   {"solution", p.answer},
                                                   {"level", "Level " + std::to_string(p.level)},
                                                   {"type", p.subject}});
  write_file_atomic(file, lines_of(rows));
}

void write_demonstrations(const std::filesystem::path& file, const std::vector<Demonstration>& demonstrations) {
  std::vector<Json> rows;
  for (const auto& d : demonstrations)
    rows.push_back({{"question", d.question}, {"completion", d.completion}, {"style", d.style}});
  write_file_atomic(file, lines_of(rows));
}

std::string content_split(std::string_view question) {
  std::uint64_t hash = 14695981039346656037ull;  // FNV-1a, 64 bits
  for (const char c : question) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  hash ^= hash >> 32;  // FNV's low bits alone are weak
  const auto bucket = hash % 10;
  return bucket == 0 ? "validation" : bucket == 1 ? "test" : "train";
}

std::vector<std::string> shared_questions(const std::vector<Problem>& a, const std::vector<Problem>& b) {
  std::set<std::string> known;
  for (const auto& problem : a) known.insert(folded(problem.question));
  std::vector<std::string> out;
  for (const auto& problem : b)
    if (known.count(folded(problem.question))) out.push_back(problem.question);
  return out;
}

std::string user_message(PromptStyle style, const std::string& question) {
  switch (style) {
    case PromptStyle::kGsm8k:
      return question + " Let's think step by step and output the final answer after \"####\".";
    case PromptStyle::kMath:
      return question + " Let's think step by step and output the final answer within \\boxed{}.";
    case PromptStyle::kPlain:
      break;
  }
  return question;
}

}  // namespace pionbench::rlvr
