#include "results/grid.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <map>

namespace pionbench {
namespace {

/// Characters on a terminal, taking every code point for one column.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// A number with its interval and unit is shorter; a sentence that begins with one is longer.
constexpr std::size_t kLongestNumber = 48;

/// Columns that a reader compares down the page.
std::vector<bool> numeric_columns(const Grid& grid) {
  std::vector<bool> numeric(grid.columns.size(), !grid.rows.empty());
  for (const auto& row : grid.rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string& cell = row[i];
      const bool is_sign = cell.starts_with('-') || cell.starts_with('+');
      const bool is_number = cell.size() > is_sign && std::isdigit(static_cast<unsigned char>(cell[is_sign]));
      if ((!is_number || width(cell) > kLongestNumber) && !cell.empty() && cell != "–") numeric[i] = false;
    }
  return numeric;
}

std::string replaced(std::string_view text, const std::map<std::string_view, std::string_view>& by) {
  std::string out;
  while (!text.empty()) {
    const auto hit = std::find_if(by.begin(), by.end(), [&](const auto& pair) { return text.starts_with(pair.first); });
    if (hit == by.end()) {
      out += text.front();
      text.remove_prefix(1);
    } else {
      out += hit->second;
      text.remove_prefix(hit->first.size());
    }
  }
  return out;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  return "\"" + replaced(text, {{"\"", "\"\""}}) + "\"";
}

std::string latex_escaped(const std::string& text) {
  return replaced(text, {{"\\", "\\textbackslash{}"},
                         {"&", "\\&"},
                         {"%", "\\%"},
                         {"$", "\\$"},
                         {"#", "\\#"},
                         {"_", "\\_"},
                         {"{", "\\{"},
                         {"}", "\\}"},
                         {"~", "\\textasciitilde{}"},
                         {"^", "\\textasciicircum{}"},
                         {"≈", "$\\approx$"},
                         {"–", "--"},
                         {"−", "$-$"}});
}

template <typename Escape>
std::string joined(const std::vector<std::string>& cells, const char* separator, const Escape& escape) {
  std::string out;
  for (std::size_t i = 0; i < cells.size(); ++i) (out += i ? separator : "") += escape(cells[i]);
  return out;
}

}  // namespace

std::string csv_line(const std::vector<std::string>& fields) {
  return joined(fields, ",", csv_field) + "\n";
}

std::string to_csv(const Grid& grid) {
  std::string out = csv_line(grid.columns);
  for (const auto& row : grid.rows) out += csv_line(row);
  return out;
}

std::string to_markdown(const Grid& grid) {
  const auto escape = [](const std::string& cell) { return replaced(cell, {{"|", "\\|"}, {"\n", " "}}); };
  std::string out = "| " + joined(grid.columns, " | ", escape) + " |\n|";
  for (const bool numeric : numeric_columns(grid)) out += numeric ? "---:|" : "---|";
  out += "\n";
  for (const auto& row : grid.rows) out += "| " + joined(row, " | ", escape) + " |\n";
  return out;
}

std::string to_latex(const Grid& grid, std::string_view caption) {
  std::string out = "% " + replaced(caption, {{"\n", "\n% "}}) + "\n\\begin{tabular}{";
  for (const bool numeric : numeric_columns(grid)) out += numeric ? 'r' : 'l';
  out += "}\n\\hline\n" + joined(grid.columns, " & ", latex_escaped) + " \\\\\n\\hline\n";
  for (const auto& row : grid.rows) out += joined(row, " & ", latex_escaped) + " \\\\\n";
  return out + "\\hline\n\\end{tabular}\n";
}

std::string to_html(const Grid& grid, const CellWriter& decorated) {
  const auto numeric = numeric_columns(grid);
  const auto line = [&](const std::vector<std::string>& cells, const std::string& tag, auto&& inside) {
    std::string out = "<tr>";
    for (std::size_t i = 0; i < cells.size(); ++i)
      out += "<" + tag + (numeric[i] ? " class=\"number\">" : ">") + inside(i, cells[i]) + "</" + tag + ">";
    return out + "</tr>\n";
  };
  const auto plain = [](std::size_t, const std::string& text) { return html_escaped(text); };
  std::string out = "<div class=\"scroll\"><table>\n<thead>" + line(grid.columns, "th", plain) + "</thead>\n<tbody>\n";
  for (std::size_t row = 0; row < grid.rows.size(); ++row)
    out += line(grid.rows[row], "td", [&](std::size_t column, const std::string& text) {
      return decorated ? decorated(row, column, text) : html_escaped(text);
    });
  return out + "</tbody>\n</table></div>\n";
}

std::string to_plain(const Grid& grid) {
  const auto numeric = numeric_columns(grid);
  std::vector<std::size_t> widths;
  for (const auto& column : grid.columns) widths.push_back(width(column));
  for (const auto& row : grid.rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(widths[i] - width(cells[i]), ' ');
      text += (i ? "  " : "") + (numeric[i] ? padding + cells[i] : cells[i] + padding);
    }
    out += text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  };
  line(grid.columns);
  for (const auto& row : grid.rows) line(row);
  return out;
}

std::string html_escaped(std::string_view text) {
  return replaced(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string fixed(double value, int decimals) {
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, "%.*f", decimals, value);
  // "-0.000" would claim a sign that rounding took away.
  const std::string text = buffer;
  return text.find_first_not_of("-0.") == text.npos && text.starts_with('-') ? text.substr(1) : text;
}

std::string significant(double value, int digits) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*g", digits, value);
  return buffer;
}

std::string exact(double value) {
  char buffer[64];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

std::string capitalized(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

std::string counted(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace pionbench
