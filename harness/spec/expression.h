#pragma once
/// Conditions over cells: `optimizer=muon & lr>1e-3`, `!(arm=Control | seed>=2)`.
///
///   condition   key OP value, OP one of = != < <= > >=
///   combined    !a   a & b   a | b   (a), in this order of strength
///   value       up to the next & | ( ) ; quotes keep those and commas
///
/// Numbers compare as numbers, anything else as text; < and its kin need numbers. A cell that has no such key (another
/// arm's hyperparameter) meets no condition on it.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/setting.h"

namespace pionbench {

class Expression {
 public:
  using Lookup = std::function<std::optional<Value>(const std::string& key)>;

  /// UserError("WHERE: ...") that shows the text with a mark under the column.
  Expression(std::string text, std::string where);
  ~Expression();
  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;

  bool matches(const Lookup& lookup) const;
  /// UserError pointing at the first key that is not in `known`.
  void require_known(const std::vector<std::string>& known) const;
  const std::string& text() const { return text_; }

  struct Node;

 private:
  std::string text_;
  std::string where_;
  std::unique_ptr<Node> root_;
};

}  // namespace pionbench
