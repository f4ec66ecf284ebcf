#include "experiments/vla/policy/words.h"

#include <cctype>
#include <set>

#include "experiments/vla/perturb/perturbation.h"
#include "experiments/vla/sim/suites.h"

namespace pionbench::vla {

// perturb_instruction repeats itself after 12 frames × 4 styles.
constexpr int kParaphrases = 48;

std::vector<std::string> words_of(const std::string& instruction) {
  std::vector<std::string> out(1);
  for (const char c : instruction) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte))
      out.back() += static_cast<char>(std::tolower(byte));
    else if (!out.back().empty())
      out.emplace_back();
  }
  if (out.back().empty()) out.pop_back();
  return out;
}

Vocabulary::Vocabulary(const std::vector<std::string>& words) : words_(words) {
  for (const auto& word : words_) numbers_.emplace(word, static_cast<std::int64_t>(numbers_.size()) + 2);
}

Vocabulary Vocabulary::of_all_suites() {
  std::set<std::string> words;
  for (const auto& suite : task_suites())
    for (const auto& task : load_tasks(suite))
      for (int k = 0; k < kParaphrases; ++k) {
        Perturbation paraphrase;
        paraphrase.category = k == 0 ? Category::kNone : Category::kLanguage;
        paraphrase.number = k;
        for (auto& word : words_of(perturb_instruction(task, paraphrase))) words.insert(std::move(word));
      }
  return Vocabulary(std::vector(words.begin(), words.end()));
}

std::vector<std::int64_t> Vocabulary::encode(const std::string& instruction, std::size_t most) const {
  std::vector<std::int64_t> out;
  for (const auto& word : words_of(instruction)) {
    if (out.size() == most) break;
    const auto it = numbers_.find(word);
    out.push_back(it == numbers_.end() ? kUnknown : it->second);
  }
  return out;
}

}  // namespace pionbench::vla
