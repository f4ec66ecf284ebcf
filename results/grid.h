#pragma once
/// A rectangle of text and the forms it is written in.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace pionbench {

struct Grid {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  ///< each as long as `columns`
};

std::string csv_line(const std::vector<std::string>& fields);  ///< RFC 4180 quoting, with its '\n'
std::string to_csv(const Grid& grid);                          ///< a csv_line for the columns and for each row
std::string to_markdown(const Grid& grid);                     ///< a pipe table
/// A tabular that needs no package; `caption` becomes a comment above it.
std::string to_latex(const Grid& grid, std::string_view caption);
/// <table>; columns whose cells all begin like numbers are right-aligned. `decorated` writes a cell's inside; by
/// default the escaped text.
using CellWriter = std::function<std::string(std::size_t row, std::size_t column, const std::string& text)>;
std::string to_html(const Grid& grid, const CellWriter& decorated = {});
std::string to_plain(const Grid& grid);  ///< aligned columns for a terminal

std::string html_escaped(std::string_view text);

std::string fixed(double value, int decimals);      ///< "0.612"
std::string significant(double value, int digits);  ///< "3.1e-05", "812"
std::string exact(double value);                    ///< shortest text that reads back as the same double
std::string capitalized(std::string text);          ///< first letter, ASCII only

/// "1 seed", "3 seeds"
std::string counted(std::size_t count, const std::string& noun);

}  // namespace pionbench
