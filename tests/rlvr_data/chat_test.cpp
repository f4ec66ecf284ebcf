#include "experiments/rlvr/data/chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/rlvr_data/support.h"

namespace pionbench::rlvr {
namespace {

using testing::HasSubstr;

TEST(Chat, ASingleUserTurnHasNoDefaultSystemTurn) {
  EXPECT_EQ(render_chat({{"user", "Hi"}}, true), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

TEST(Chat, WithoutThinkingTheAnswerBeginsWithAnEmptyThought) {
  EXPECT_EQ(render_chat({{"user", "Hi"}}, false),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n");
}

TEST(Chat, EarlierAssistantTurnsDropTheirThinkingAndTheLastKeepsIt) {
  EXPECT_EQ(
      render_chat({{"system", "S"}, {"user", "1"}, {"assistant", "<think>\nhm\n</think>\n\nyes"}, {"user", "2"}}, true),
      "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\nyes<|im_end|>\n"
      "<|im_start|>user\n2<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(render_chat({{"user", "1"}, {"assistant", "<think>\nhm\n</think>\n\nyes"}}, true, false),
            "<|im_start|>user\n1<|im_end|>\n<|im_start|>assistant\n<think>\nhm\n</think>\n\nyes<|im_end|>\n");
}

TEST(Chat, OtherRolesAreRefused) {
  EXPECT_THAT(message([] { render_chat({{"tool", "x"}}, true); }), HasSubstr("role \"tool\"; allowed: user"));
  EXPECT_THAT(message([] { render_chat({{"user", "x"}, {"system", "y"}}, true); }), HasSubstr("message 2"));
}

}  // namespace
}  // namespace pionbench::rlvr
