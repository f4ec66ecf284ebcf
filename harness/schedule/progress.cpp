#include "harness/schedule/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "harness/schedule/progress_view.h"

namespace pionbench {
namespace {

std::string formatted(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

bool is_failure(const std::string& outcome) {
  return outcome != "done" && outcome != "diverged" && outcome != "interrupted" && outcome != "preempted";
}

std::string end_line(const EndView& run, const Totals& totals) {
  std::string line = "[" + std::to_string(totals.ended) + "/" + std::to_string(totals.total) + "] " + run.outcome +
                     "  " + run.label + "  " + duration_text(run.seconds);
  if (!run.metric.empty()) line += "  " + run.metric;
  if (!run.reason.empty()) line += "  (" + run.reason + ")";
  return line;
}

std::string failure_text(const EndView& run, const Totals& totals) {
  std::string text = end_line(run, totals) + "\n";
  std::size_t begin = 0;
  while (begin < run.stderr_tail.size()) {
    const std::size_t end = std::min(run.stderr_tail.find('\n', begin), run.stderr_tail.size());
    text += "    " + run.stderr_tail.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return text + "    files: " + run.folder + "\n";
}

void write_stderr(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

class QuietDisplay : public Display {
 public:
  void message(const std::string&) override {}
  void ended(const EndView& run, const Totals& totals) override {
    if (is_failure(run.outcome)) write_stderr(failure_text(run, totals));
  }
  void tick(const std::vector<ActiveView>&, const Totals&) override {}
  void close() override {}
};

class PlainDisplay : public Display {
 public:
  void message(const std::string& line) override { write_stderr(line + "\n"); }
  void ended(const EndView& run, const Totals& totals) override {
    write_stderr(is_failure(run.outcome) ? failure_text(run, totals) : end_line(run, totals) + "\n");
  }
  /// A log that stays silent for long looks like a program that hangs.
  void tick(const std::vector<ActiveView>& active, const Totals& totals) override {
    if (totals.elapsed_s - last_word_s_ < kSecondsBetweenWords) return;
    last_word_s_ = totals.elapsed_s;
    write_stderr("[" + std::to_string(totals.ended) + "/" + std::to_string(totals.total) + "] " +
                 std::to_string(active.size()) + " running, " + duration_text(totals.elapsed_s) + ", " +
                 (totals.eta_s ? "about " + duration_text(*totals.eta_s) + " left" : "time left not known yet") +
                 (totals.waiting ? "; " + waiting_line(totals) : "") + "\n");
  }
  void close() override {}

 private:
  static constexpr double kSecondsBetweenWords = 60;
  double last_word_s_ = 0;
};

class LiveDisplay : public Display {
 public:
  ~LiveDisplay() override { close(); }
  void message(const std::string& line) override { above(line + "\n"); }
  void ended(const EndView& run, const Totals& totals) override {
    above(is_failure(run.outcome) ? "\033[31m" + failure_text(run, totals) + "\033[0m" : end_line(run, totals) + "\n");
  }
  void tick(const std::vector<ActiveView>& active, const Totals& totals) override {
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) size = {.ws_row = 24, .ws_col = 80};
    const BlockStyle style{size.ws_col - 1, size.ws_row, unicode_};
    const auto lines = progress_block(active, totals, clock_, style);
    block_.clear();
    for (const auto& line : lines) block_ += line + "\n";
    block_lines_ = lines.size();
    above("");
  }
  void close() override {
    block_.clear();
    block_lines_ = 0;
    above("");
  }

 private:
  /// Prints `text` above the block: takes the drawn block away, writes, draws the block anew, all in one write.
  void above(const std::string& text) {
    std::string out;
    if (drawn_lines_) out = "\r\033[" + std::to_string(drawn_lines_) + "A\033[J";
    write_stderr(out + text + block_);
    drawn_lines_ = block_lines_;
  }

  const bool unicode_ = environment_has_utf8();
  RunClock clock_;
  std::string block_;
  std::size_t block_lines_ = 0;
  std::size_t drawn_lines_ = 0;
};

}  // namespace

std::string duration_text(double seconds) {
  if (seconds < 60) return formatted("%.1f s", seconds);
  const long whole = std::lround(seconds);
  char buffer[64];
  if (whole < 3600)
    std::snprintf(buffer, sizeof buffer, "%ld min %02ld s", whole / 60, whole % 60);
  else
    std::snprintf(buffer, sizeof buffer, "%ld h %02ld min", whole / 3600, whole / 60 % 60);
  return buffer;
}

std::unique_ptr<Display> make_display(bool quiet) {
  if (quiet) return std::make_unique<QuietDisplay>();
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool plain = !::isatty(STDERR_FILENO) || (no_color && *no_color) || !term || !std::strcmp(term, "dumb");
  if (plain) return std::make_unique<PlainDisplay>();
  return std::make_unique<LiveDisplay>();
}

}  // namespace pionbench
