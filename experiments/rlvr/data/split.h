#pragma once
/// Pre-tokenizers: where a text is cut before byte-pair merges. A piece runs from where the last one ended to the end
/// of the next match of a regular expression (Hugging Face's Split with behavior Isolated).

#include <memory>
#include <string>
#include <string_view>

namespace pionbench::rlvr {

class Splitter {
 public:
  virtual ~Splitter() = default;
  /// The end of the piece that begins at `at` < text.size(). `text` is valid UTF-8.
  virtual std::size_t piece_end(std::string_view text, std::size_t at) const = 0;
};

/// The pattern of Qwen2, Qwen2.5 and Qwen3.
extern const std::string_view kQwenPattern;

/// kQwenPattern by a hand-written scanner, any other pattern by PCRE2. In the scanner \s is Unicode's White_Space, as
/// in Oniguruma, which Python's tokenizers uses; PCRE2's \s has U+180E (Mongolian vowel separator) as well. UserError
/// beginning with `where` on a pattern that does not compile, and on patterns or builds for which a library is missing.
std::unique_ptr<Splitter> make_splitter(const std::string& pattern, const std::string& where);

/// Any pattern by PCRE2 (just-in-time compiled). UserError in a build without it.
std::unique_ptr<Splitter> make_pcre2_splitter(const std::string& pattern, const std::string& where);

/// Unicode normalisation form C of valid UTF-8, by utf8proc's tables (2.8: Unicode 15; Python's tokenizers carries
/// older ones, which do not reorder combining marks that are newer). UserError in a build without utf8proc. Text of
/// code points that are their own normal form and combine with nothing is returned without a copy.
class NormalFormC {
 public:
  NormalFormC();
  /// `text` itself, or `buffer` holding its normal form.
  std::string_view operator()(std::string_view text, std::string& buffer) const;
};

/// Is this build able to load byte-level BPE tokenizers (utf8proc), and patterns other than Qwen's (PCRE2)?
bool has_utf8proc();
bool has_pcre2();

}  // namespace pionbench::rlvr
