#include "harness/spec/expression.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "core/error.h"
#include "harness/spec/value_grammar.h"

namespace pionbench {

struct Expression::Node {
  enum class Kind { kAnd, kOr, kNot, kCompare };
  Kind kind;
  std::vector<std::unique_ptr<Node>> children = {};
  std::string key = {};
  std::size_t column = 0;  ///< of the key, from 0
  std::string op = {};
  Value value = false;
};

namespace {

using Node = Expression::Node;
using NodePtr = std::unique_ptr<Node>;

[[noreturn]] void fail(const std::string& text, const std::string& where, std::size_t column, const std::string& why) {
  throw UserError(where + ": column " + std::to_string(column + 1) + ": " + why + "\n  " + text + "\n  " +
                  std::string(column, ' ') + "^");
}

std::optional<double> number(const Value& value) {
  if (const auto* i = std::get_if<std::int64_t>(&value)) return static_cast<double>(*i);
  if (const auto* x = std::get_if<double>(&value)) return *x;
  return std::nullopt;
}

class Parser {
 public:
  Parser(const std::string& text, const std::string& where) : text_(text), where_(where) {}

  NodePtr parse() {
    auto root = either();
    skip_space();
    if (at_ < text_.size()) fail(text_, where_, at_, "expected & or | here");
    return root;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    if ((c == '&' || c == '|') && at_ < text_.size() && text_[at_] == c) ++at_;  // && and || are habits
    return true;
  }
  template <typename Next>
  NodePtr chain(Node::Kind kind, char separator, Next next) {
    auto first = next();
    if (!take(separator)) return first;
    auto node = std::make_unique<Node>(Node{kind});
    node->children.push_back(std::move(first));
    do node->children.push_back(next());
    while (take(separator));
    return node;
  }
  NodePtr either() {
    return chain(Node::Kind::kOr, '|', [this] { return both(); });
  }
  NodePtr both() {
    return chain(Node::Kind::kAnd, '&', [this] { return factor(); });
  }
  NodePtr factor() {
    // Each level of nesting costs stack; nobody writes this many.
    if (++depth_ > 200) fail(text_, where_, at_, "nested too deeply");
    NodePtr out;
    if (take('!')) {
      out = std::make_unique<Node>(Node{Node::Kind::kNot});
      out->children.push_back(factor());
    } else if (take('(')) {
      out = either();
      if (!take(')')) fail(text_, where_, at_, "expected ) here");
    } else {
      out = comparison();
    }
    --depth_;
    return out;
  }
  NodePtr comparison() {
    skip_space();
    auto node = std::make_unique<Node>(Node{Node::Kind::kCompare});
    node->column = at_;
    while (at_ < text_.size() && is_key(text_[at_])) node->key += text_[at_++];
    if (node->key.empty()) fail(text_, where_, at_, "expected a key (arm, optimizer or a setting) here");
    skip_space();
    node->op = operation();
    const std::size_t value_at = at_;
    node->value = value();
    if (node->op[0] == '<' || node->op[0] == '>')
      if (!number(node->value)) fail(text_, where_, value_at, node->op + " needs a number");
    return node;
  }
  std::string operation() {
    static constexpr std::array kOperations = {"!=", "<=", ">=", "==", "=", "<", ">"};
    for (const std::string op : kOperations)
      if (text_.compare(at_, op.size(), op) == 0) {
        at_ += op.size();
        return op == "==" ? "=" : op;
      }
    fail(text_, where_, at_, "expected one of = != < <= > >= here");
  }
  Value value() {
    skip_space();
    const std::size_t begin = at_;
    if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
      const std::size_t end = text_.find(text_[at_], at_ + 1);
      if (end == std::string::npos) fail(text_, where_, begin, "this quote is never closed");
      at_ = end + 1;
      return text_.substr(begin + 1, end - begin - 1);
    }
    at_ = std::min(text_.find_first_of("&|()", at_), text_.size());
    const auto word = trimmed(std::string_view(text_).substr(begin, at_ - begin));
    if (word.empty()) fail(text_, where_, begin, "expected a value here");
    return parse_scalar(word);
  }
  static bool is_key(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-'; }

  const std::string& text_;
  const std::string& where_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

bool compare(const std::string& op, const Value& left, const Value& right) {
  const auto a = number(left), b = number(right);
  const bool equal = a && b ? *a == *b : to_text(left) == to_text(right);
  if (op == "=") return equal;
  if (op == "!=") return !equal;
  if (!a || !b) return false;
  if (op == "<") return *a < *b;
  if (op == "<=") return *a <= *b;
  if (op == ">") return *a > *b;
  return *a >= *b;
}

bool evaluate(const Node& node, const Expression::Lookup& lookup) {
  const auto child = [&](const NodePtr& c) { return evaluate(*c, lookup); };
  switch (node.kind) {
    case Node::Kind::kAnd:
      return std::ranges::all_of(node.children, child);
    case Node::Kind::kOr:
      return std::ranges::any_of(node.children, child);
    case Node::Kind::kNot:
      return !child(node.children[0]);
    case Node::Kind::kCompare: {
      const auto value = lookup(node.key);
      return value && compare(node.op, *value, node.value);
    }
  }
  return false;
}

template <typename Visit>
void visit_comparisons(const Node& node, const Visit& visit) {
  if (node.kind == Node::Kind::kCompare) visit(node);
  for (const auto& child : node.children) visit_comparisons(*child, visit);
}

}  // namespace

Expression::Expression(std::string text, std::string where)
    : text_(std::move(text)), where_(std::move(where)), root_(Parser(text_, where_).parse()) {}
Expression::~Expression() = default;
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;

bool Expression::matches(const Lookup& lookup) const {
  return evaluate(*root_, lookup);
}

void Expression::require_known(const std::vector<std::string>& known) const {
  visit_comparisons(*root_, [&](const Node& node) {
    if (std::ranges::find(known, node.key) == known.end())
      fail(text_, where_, node.column, unknown_name("key", node.key, known));
  });
}

}  // namespace pionbench
