#include "harness/spec/placeholders.h"

#include "core/error.h"

namespace pionbench {

std::string filled(const std::string& text, const std::function<std::string(const std::string&)>& value_of) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c == '{' || c == '}') && i + 1 < text.size() && text[i + 1] == c) {
      out += c;
      ++i;
    } else if (c == '{') {
      const std::size_t end = text.find('}', i);
      if (end == std::string::npos)
        throw UserError("\"" + text + "\": the brace at character " + std::to_string(i + 1) +
                        " is not closed; write {{ for a brace");
      out += value_of(text.substr(i + 1, end - i - 1));
      i = end;
    } else {
      out += c;
    }
  }
  return out;
}

std::vector<std::string> placeholders_of(const std::string& text) {
  std::vector<std::string> names;
  filled(text, [&](const std::string& name) {
    names.push_back(name);
    return std::string();
  });
  return names;
}

}  // namespace pionbench
