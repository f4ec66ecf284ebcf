#pragma once
/// The grammar of values, the same in experiment files and on the command line:
///
///   text, 3, 1e-4, true        one value
///   a, b  or  [a, b]           several
///   0..4                       the integers 0, 1, 2, 3, 4
///   log:1e-5..1e-3:5           5 points, both ends included, even in the logarithm
///   lin:0..1:5                 5 points, both ends included, even
///   'a, b'                     quotes: text, whatever is inside
///
/// Points of log: and lin: are rounded to 6 significant digits, so that a cell's identity does not hang on the last
/// bits of pow().

#include <string>
#include <string_view>
#include <vector>

#include "core/setting.h"

namespace pionbench {

/// One unquoted value: true and false, integers without leading zeros, reals; anything else is text.
Value parse_scalar(std::string_view text);

/// All values that `text` stands for; at least one. UserError("WHERE: ...") for a malformed range or an empty item.
std::vector<Value> parse_values(std::string_view text, const std::string& where);

/// `text` without surrounding white space.
std::string_view trimmed(std::string_view text);

}  // namespace pionbench
