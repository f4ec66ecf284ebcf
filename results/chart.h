#pragma once
/// Pieces of Vega-Lite that figures share, so that one figure reads like the next.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "results/panels.h"
#include "results/style.h"

namespace pionbench {

struct Axis {
  std::string field, title;  ///< title "": none
  std::optional<std::pair<double, double>> domain = {};
  bool is_log = false;
  bool is_share = false;  ///< 0..1 shown as per cent
  bool has_grid = true;
  std::optional<double> linear_to = {};  ///< symlog: linear between − and + this, logarithmic beyond
};
/// A quantitative channel.
Json quantitative(const Axis& axis);

/// 1, 2, 5, 10, ... within a domain, which must be above 0; powers of ten alone where there are many, more where there
/// are few.
std::vector<double> log_ticks(const std::pair<double, double>& domain);

/// Whole numbers from `first` to `last`, about ten at most: the values of an axis that counts.
std::vector<int> count_ticks(int first, int last);

/// Where values of noise around 0 (the least is below it) share an axis with values 20 times as large: the size of the
/// noise, rounded up to 1, 2 or 5 of a decade, as the `linear_to` of their axis. Nothing otherwise: a linear axis shows
/// them well.
std::optional<double> symlog_constant(const std::vector<double>& values);
/// 0, and −/+ `linear_to` times powers of ten within the domain.
std::vector<double> symlog_ticks(const std::pair<double, double>& domain, double linear_to);

/// An ordinal or nominal channel whose values stand in the order of `domain`.
Json ordered(const std::string& field, const std::string& title, const std::vector<std::string>& domain);

/// {"color", "strokeDash"}... of one channel by arm is in style.h; this is the pair of interaction channels:
/// `href` and `tooltip`. `shown`: {field, title, format} of the tooltip, format "" for text.
struct Shown {
  const char *field, *title, *format;
};
void add_links(Json& encoding, const std::vector<Shown>& shown);
/// The link of a mark, "#" + runs_anchor(runs): the value of its field "href"; null for none.
Json link_to(const std::vector<std::string>& runs);

/// {"title": ..., "width", "height", "layer"}; `gap` stands under the title, and in the middle of a view without data.
Json view(const std::string& title, const std::string& gap, int width, int height, Json layers, bool is_empty = false);

/// Steps outward to tenths so that panels of one row compare and no line lies on the frame; {0, 1} for no values.
std::pair<double, double> share_domain(const std::vector<double>& values);
/// A little room on both sides, in logarithms where asked, and then of the values above 0; {0.1, 1} or {0, 1} for none.
std::pair<double, double> wide_domain(const std::vector<double>& values, bool is_log);

/// Five significant digits: enough for a drawn mark, and shorter files; the CSV has every digit.
double drawn(double value);

}  // namespace pionbench
