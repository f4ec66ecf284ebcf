#include "harness/schedule/progress_view.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace pionbench {
namespace {

constexpr int kTotalBar = 24, kRunBar = 10, kSparkline = 12;
constexpr int kLeastLabel = 12;

std::string repeated(const char* text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

/// Byte offsets at which characters begin, and the end.
std::vector<std::size_t> character_starts(const std::string& text) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < text.size(); ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) out.push_back(i);
  out.push_back(text.size());
  return out;
}

std::string total_line(const Totals& t, const BlockStyle& style) {
  const double part = t.total ? static_cast<double>(t.ended) / t.total : 1;
  std::string line = progress_bar(part, kTotalBar, style.unicode) + " " + std::to_string(t.ended) + "/" +
                     std::to_string(t.total) + "  " + duration_text(t.elapsed_s) + ", " +
                     (t.eta_s ? "about " + duration_text(*t.eta_s) + " left" : "time left not known yet");
  if (t.failed) line += "  " + std::to_string(t.failed) + " failed";
  return line;
}

std::string run_line(const ActiveView& run, std::optional<double> remaining, const BlockStyle& style) {
  std::string head = "  ", tail = "  " + duration_text(run.elapsed_s);
  if (run.steps > 0)
    head += progress_bar(static_cast<double>(run.step) / static_cast<double>(run.steps), kRunBar, style.unicode) + " " +
            std::to_string(run.step) + "/" + std::to_string(run.steps) + "  ";
  else
    head += "step " + std::to_string(run.step) + "  ";
  if (remaining) tail += ", " + duration_text(*remaining) + " left";
  if (!run.metric.empty()) tail += "  " + run.metric;
  const std::string line = sparkline(run.history, kSparkline, style.unicode);
  if (!line.empty() && columns(head) + columns(tail) + 1 + columns(line) + kLeastLabel <= style.width)
    tail += " " + line;
  const int room = std::max(kLeastLabel, style.width - columns(head) - columns(tail));
  return head + shortened(run.label, room, style.unicode) + tail;
}

}  // namespace

std::string waiting_line(const Totals& totals) {
  if (totals.waiting == 0) return "";
  std::string reason = totals.waits;
  if (constexpr std::string_view kSaid = "waits: "; reason.starts_with(kSaid)) reason.erase(0, kSaid.size());
  std::string line = std::to_string(totals.waiting) + (totals.waiting == 1 ? " waits" : " wait");
  if (!reason.empty()) line += ": " + reason;
  return line;
}

int columns(const std::string& text) {
  return static_cast<int>(character_starts(text).size()) - 1;
}

std::string sparkline(const std::vector<double>& values, int width, bool unicode) {
  static constexpr const char* kBars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static constexpr const char* kAscii[] = {"_", ".", "-", "~", "=", "+", "*", "#"};
  std::vector<double> shown;
  for (const double x : values)
    if (std::isfinite(x)) shown.push_back(x);
  if (shown.size() < 2) return "";
  if (shown.size() > static_cast<std::size_t>(width)) shown.erase(shown.begin(), shown.end() - width);
  const auto [low, high] = std::ranges::minmax(shown);
  std::string out;
  for (const double x : shown) {
    const double part = high > low ? (x - low) / (high - low) : 0.5;
    const auto level = static_cast<std::size_t>(std::lround(part * 7));
    out += unicode ? kBars[level] : kAscii[level];
  }
  return out;
}

std::string progress_bar(double part, int width, bool unicode) {
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  part = std::clamp(part, 0.0, 1.0);
  if (!unicode) {
    const int full = static_cast<int>(part * width);
    return repeated("#", full) + repeated("-", width - full);
  }
  const int eighths = static_cast<int>(std::lround(part * width * 8));
  const int used = eighths / 8 + (eighths % 8 ? 1 : 0);
  return repeated("█", eighths / 8) + kEighths[eighths % 8] + repeated(" ", width - used);
}

std::string shortened(const std::string& text, int width, bool unicode) {
  const auto starts = character_starts(text);
  const int length = static_cast<int>(starts.size()) - 1;
  if (length <= width) return text;
  const std::string gap = unicode ? "…" : "..";
  const int kept = std::max(0, width - columns(gap)), front = (kept + 1) / 2, back = kept / 2;
  return text.substr(0, starts[static_cast<std::size_t>(front)]) + gap +
         text.substr(starts[static_cast<std::size_t>(length - back)]);
}

std::optional<double> RunClock::remaining(const ActiveView& run) {
  RunPace& pace = paces_[run.label];
  pace.saw(run.elapsed_s, run.step, run.steps);
  return pace.remaining(run.elapsed_s);
}

void RunClock::keep_only(const std::vector<ActiveView>& runs) {
  std::erase_if(paces_, [&](const auto& entry) {
    return std::ranges::find(runs, entry.first, &ActiveView::label) == runs.end();
  });
}

std::vector<std::string> progress_block(const std::vector<ActiveView>& active, const Totals& totals, RunClock& clock,
                                        const BlockStyle& style) {
  clock.keep_only(active);
  std::vector<std::string> lines = {total_line(totals, style)};
  const std::size_t room = static_cast<std::size_t>(std::max(3, style.height - 2));
  const std::string waiting = waiting_line(totals);
  const std::size_t room_for_runs = room - (waiting.empty() ? 0 : 1);
  for (const auto& run : active) {
    const auto remaining = clock.remaining(run);
    if (lines.size() + 1 == room_for_runs && active.size() > room_for_runs - 1) {
      lines.push_back("  and " + std::to_string(active.size() - (lines.size() - 1)) + " more");
      break;
    }
    lines.push_back(run_line(run, remaining, style));
  }
  if (!waiting.empty()) lines.push_back("  " + waiting);
  for (auto& line : lines) line = shortened(line, style.width, style.unicode);
  return lines;
}

bool environment_has_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (!value || !*value) continue;
    std::string text = value;
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text.find("utf-8") != text.npos || text.find("utf8") != text.npos;
  }
  return false;
}

}  // namespace pionbench
