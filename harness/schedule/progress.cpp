#include "harness/schedule/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

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
  void tick(const std::vector<ActiveView>&, const Totals&) override {}
  void close() override {}
};

std::string bar(double part, int width) {
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(std::lround(std::clamp(part, 0.0, 1.0) * width * 8));
  std::string out;
  for (int i = 0; i < eighths / 8; ++i) out += "█";
  out += kEighths[eighths % 8];
  const int used = eighths / 8 + (eighths % 8 ? 1 : 0);
  return out + std::string(static_cast<std::size_t>(width - used), ' ');
}

/// At most `width` characters of UTF-8 text without escapes.
std::string cut(const std::string& text, int width) {
  int characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((text[i] & 0xC0) == 0x80) continue;
    if (++characters > width) return text.substr(0, i);
  }
  return text;
}

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
    const int width = size.ws_col - 1;
    std::vector<std::string> lines = {overall(totals)};
    const std::size_t room = std::max<std::size_t>(3, size.ws_row) - 2;
    for (const auto& run : active) {
      if (lines.size() >= room && active.size() > room) {
        lines.push_back("  … and " + std::to_string(active.size() - (lines.size() - 1)) + " more");
        break;
      }
      lines.push_back(one_run(run));
    }
    block_.clear();
    for (const auto& line : lines) block_ += cut(line, width) + "\n";
    block_lines_ = lines.size();
    above("");
  }
  void close() override {
    block_.clear();
    block_lines_ = 0;
    above("");
  }

 private:
  static std::string overall(const Totals& t) {
    const double part = t.total ? static_cast<double>(t.ended) / t.total : 1;
    std::string line = bar(part, 24) + " " + std::to_string(t.ended) + "/" + std::to_string(t.total) + "  " +
                       duration_text(t.elapsed_s) + ", " +
                       (t.eta_s ? "about " + duration_text(*t.eta_s) + " left" : "time left not known yet");
    if (t.failed) line += "  " + std::to_string(t.failed) + " failed";
    return line;
  }
  static std::string one_run(const ActiveView& run) {
    std::string line = "  ";
    if (run.steps > 0)
      line += bar(static_cast<double>(run.step) / static_cast<double>(run.steps), 10) + " " + std::to_string(run.step) +
              "/" + std::to_string(run.steps);
    else
      line += "step " + std::to_string(run.step);
    line += "  " + run.label + "  " + duration_text(run.elapsed_s);
    return run.metric.empty() ? line : line + "  " + run.metric;
  }
  /// Prints `text` above the block: takes the drawn block away, writes, draws the block anew, all in one write.
  void above(const std::string& text) {
    std::string out;
    if (drawn_lines_) out = "\r\033[" + std::to_string(drawn_lines_) + "A\033[J";
    write_stderr(out + text + block_);
    drawn_lines_ = block_lines_;
  }

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
