#include "harness/spec/sweep_options.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"

namespace pionbench {
namespace {

// More trials than anybody would run; a slip such as budget: 1e9 must not eat the memory.
constexpr double kMostPoints = 100000;

const Value& single(const Assignment& a) {
  if (a.values.size() != 1) throw UserError(a.where + ": " + a.key + ": expected one value");
  return a.values[0];
}

std::int64_t whole(const Assignment& a, double least, double most) {
  Setting setting = int_setting(a.key, 0, 0, 0, "");
  setting.min = least;
  setting.max = most;
  try {
    return std::get<std::int64_t>(checked(setting, single(a)));
  } catch (const UserError& e) {
    throw UserError(a.where + ": " + e.what());
  }
}

std::string text(const Assignment& a) {
  return to_text(single(a));
}

std::string one_of(const Assignment& a, const std::vector<std::string>& allowed) {
  const std::string value = text(a);
  if (std::ranges::find(allowed, value) == allowed.end())
    throw UserError(a.where + ": " + a.key + ": " + unknown_name("value", value, allowed));
  return value;
}

void read_search(const Assignment& a, SearchOptions& out) {
  constexpr std::string_view kSpace = "search.space.";
  if (a.key.starts_with(kSpace)) {
    Assignment dimension = a;
    dimension.key = a.key.substr(kSpace.size());
    out.space.push_back(std::move(dimension));
  } else if (a.key == "search.space") {
    out.file = text(a);
  } else if (a.key == "search.method") {
    out.method = search_method_from_string(text(a), a.where);
  } else if (a.key == "search.budget") {
    out.budget = static_cast<std::size_t>(whole(a, 1, kMostPoints));
  } else if (a.key == "search.seed") {
    out.seed = static_cast<std::uint64_t>(whole(a, 0, 9e15));
  } else if (a.key == "search.ignore") {
    for (const auto& value : a.values) out.ignore.push_back(to_text(value));
  } else {
    throw UserError(
        a.where + ": " +
        unknown_name("key", a.key, {"search.method", "search.budget", "search.seed", "search.space", "search.ignore"}));
  }
  out.where = a.where;
}

void read_halving(const Assignment& a, HalvingOptions& out) {
  if (a.key == "halving.resource")
    out.resource = text(a);
  else if (a.key == "halving.from")
    out.from = whole(a, 1, 9e15);
  else if (a.key == "halving.eta")
    out.eta = whole(a, 2, 1000);
  else if (a.key == "halving.among")
    out.among_arms = one_of(a, {"points", "arms"}) == "arms";
  else
    throw UserError(a.where + ": " +
                    unknown_name("key", a.key, {"halving.resource", "halving.from", "halving.eta", "halving.among"}));
  out.where = a.where;
}

void read_until(const Assignment& a, UntilOptions& out) {
  out.where = a.where;
  out.text = text(a);
  std::string_view rest = out.text;
  const auto skip = [&](std::string_view word) {
    rest = trimmed(rest);
    if (!rest.starts_with(word)) return false;
    rest.remove_prefix(word.size());
    return true;
  };
  const bool begins = skip("ci") && (skip("<=") || skip("<"));
  rest = trimmed(rest);
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), out.half_width);
  const std::string_view unit = trimmed(rest.substr(static_cast<std::size_t>(end - rest.data())));
  if (!begins || error != std::errc() || !(out.half_width > 0) || !(unit.empty() || unit == "%"))
    throw UserError(a.where + ": until: got \"" + out.text +
                    "\"; the form is ci<=0.02 (half the width of the 95 % interval, in the metric's unit) or ci<=5% "
                    "(of the mean)");
  out.relative = unit == "%";
  if (out.relative) out.half_width /= 100;
}

}  // namespace

SweepOptions read_sweep_options(const std::vector<Assignment>& assignments) {
  SweepOptions out;
  const Assignment* max_seeds = nullptr;
  for (const auto& a : assignments) {
    if (a.key.starts_with("search"))
      read_search(a, out.search ? *out.search : out.search.emplace());
    else if (a.key.starts_with("halving"))
      read_halving(a, out.halving ? *out.halving : out.halving.emplace());
    else if (a.key == "until")
      read_until(a, out.until ? *out.until : out.until.emplace());
    else if (a.key == "max_seeds")
      max_seeds = &a;
    else
      throw UserError(a.where + ": " + unknown_name("key", a.key, {"until", "max_seeds"}));
  }
  if (max_seeds) {
    const auto most = static_cast<int>(whole(*max_seeds, 2, 100000));
    if (!out.until) throw UserError(max_seeds->where + ": max_seeds is the cap of until, which is not given");
    out.until->max_seeds = most;
  }
  if (out.halving && out.halving->from == 0)
    throw UserError(out.halving->where + ": halving needs halving.from, the " +
                    (out.halving->resource == "seed" ? std::string("number of seeds") : out.halving->resource) +
                    " of the first rung");
  return out;
}

}  // namespace pionbench
