#include "experiments/rlvr/data/chat.h"

#include "core/error.h"

namespace pionbench::rlvr {
namespace {

std::string without_newlines(const std::string& text, bool front, bool back) {
  const auto begin = front ? text.find_first_not_of('\n') : 0;
  if (begin == std::string::npos) return "";
  const auto end = back ? text.find_last_not_of('\n') + 1 : text.size();
  return text.substr(begin, end - begin);
}

/// A turn split at its last "</think>": what was thought, and what was said.
std::pair<std::string, std::string> split_thought(const std::string& content) {
  static const std::string kOpen = "<think>", kClose = "</think>";
  const auto close = content.rfind(kClose);
  if (close == std::string::npos) return {"", content};
  const auto first_close = content.find(kClose);
  std::string thought = without_newlines(content.substr(0, first_close), false, true);
  if (const auto open = thought.rfind(kOpen); open != std::string::npos) thought = thought.substr(open + kOpen.size());
  return {without_newlines(thought, true, false), without_newlines(content.substr(close + kClose.size()), true, false)};
}

}  // namespace

std::string render_chat(const std::vector<ChatMessage>& messages, bool enable_thinking, bool add_generation_prompt) {
  std::size_t last_user = messages.size();
  for (std::size_t i = 0; i < messages.size(); ++i)
    if (messages[i].role == "user") last_user = i;
  std::string out;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& [role, content] = messages[i];
    std::string text = content;
    if (role == "assistant") {
      const auto [thought, said] = split_thought(content);
      const bool last = i + 1 == messages.size();
      text = said;
      if (last_user < i && (last || !thought.empty()))
        text = "<think>\n" + without_newlines(thought, true, true) + "\n</think>\n\n" +
               without_newlines(said, true, false);
    } else if (role == "system" ? i != 0 : role != "user") {
      throw UserError("chat message " + std::to_string(i + 1) + ": role \"" + role +
                      "\"; allowed: user, assistant, and system in the first place");
    }
    out += "<|im_start|>" + role + "\n" + text + "<|im_end|>\n";
  }
  if (add_generation_prompt)
    out += enable_thinking ? "<|im_start|>assistant\n" : "<|im_start|>assistant\n<think>\n\n</think>\n\n";
  return out;
}

}  // namespace pionbench::rlvr
