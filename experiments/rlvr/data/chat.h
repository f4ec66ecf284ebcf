#pragma once
/// Qwen3's chat format, as its chat template renders it (without tools).
///   <|im_start|>ROLE\nCONTENT<|im_end|>\n  per message, then <|im_start|>assistant\n for the answer

#include <string>
#include <vector>

namespace pionbench::rlvr {

struct ChatMessage {
  std::string role;  ///< system, user or assistant
  std::string content;
};

/// There is no default system turn. Assistant turns before the last user turn drop their <think>...</think>. Without
/// `enable_thinking` the answer is begun with an empty one, so that the model does not think.
/// UserError on another role, or a system turn that is not the first.
std::string render_chat(const std::vector<ChatMessage>& messages, bool enable_thinking,
                        bool add_generation_prompt = true);

}  // namespace pionbench::rlvr
