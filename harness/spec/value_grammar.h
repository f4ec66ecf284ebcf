#pragma once
/// The grammar of values, the same in experiment files and on the command line:
///
///   text, 3, 1e-4, true        one value
///   a, b  or  [a, b]           several
///   0..4                       the integers 0, 1, 2, 3, 4
///   log:1e-5..1e-3:5           5 points, both ends included, even in the logarithm
///   lin:0..1:5                 5 points, both ends included, even
///   log:1e-5..1e-3  lin:0..1   every number in between: what a search draws from (harness/spec/search.h)
///   'a, b'                     quotes: text, whatever is inside
///
/// Points of log: and lin: are rounded to 6 significant digits, so that a cell's identity does not hang on the last
/// bits of pow().

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/setting.h"

namespace pionbench {

/// log:min..max or lin:min..max without a number of points.
struct Range {
  double min = 0;
  double max = 1;
  bool logarithmic = false;
};

/// What a key may be: some values, or a range to draw from (then `values` is empty).
struct Domain {
  std::vector<Value> values;
  std::optional<Range> range = {};
};

/// One unquoted value: true and false, integers without leading zeros, reals; anything else is text.
Value parse_scalar(std::string_view text);

/// All that `text` stands for. UserError("WHERE: ...") for a malformed range, an empty item, and a range without a
/// number of points beside other values.
Domain parse_domain(std::string_view text, const std::string& where);

/// The same where only values will do; at least one.
std::vector<Value> parse_values(std::string_view text, const std::string& where);

/// `x` with 6 significant digits: what points of log:, lin: and searches are rounded to.
double rounded(double x);

/// "log:1e-5..0.001"
std::string to_text(const Range& range);

/// `text` without surrounding white space.
std::string_view trimmed(std::string_view text);

}  // namespace pionbench
