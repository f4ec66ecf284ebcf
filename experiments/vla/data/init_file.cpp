#include "experiments/vla/data/init_file.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/files.h"

namespace pionbench::vla {
namespace {

static_assert(std::endian::native == std::endian::little, "the formats' byte order is read as this machine's");

/// What is wrong; the file's name is added where it is caught.
struct Malformed {
  std::string what;
};
[[noreturn]] void fail(const std::string& what) {
  throw Malformed{what};
}

/// Bytes read from the front; nothing is read past the end.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
  std::string_view take(std::uint64_t n) {
    if (n > bytes_.size()) fail("it ends in the middle of its data");
    const auto out = bytes_.substr(0, n);
    bytes_.remove_prefix(n);
    return out;
  }
  template <typename T>
  T number() {
    T out;
    std::memcpy(&out, take(sizeof out).data(), sizeof out);
    return out;
  }
  std::string_view line() {
    const auto end = bytes_.find('\n');
    if (end == std::string_view::npos) fail("it ends in the middle of its data");
    const auto out = take(end);
    take(1);
    return out;
  }

 private:
  std::string_view bytes_;
};

/// The entry of a zip archive whose name ends in `suffix`, found through the central directory.
std::string_view zip_entry(std::string_view file, std::string_view suffix) {
  constexpr std::uint32_t kEnd = 0x06054b50, kDirectory = 0x02014b50, kLocal = 0x04034b50;
  constexpr std::size_t kEndSize = 22, kLongestComment = 65535;
  const auto at = [&](std::size_t offset) { return Bytes(file.substr(std::min(offset, file.size()))); };
  const std::size_t first = file.size() > kEndSize + kLongestComment ? file.size() - kEndSize - kLongestComment : 0;
  std::size_t end = file.size() < kEndSize ? 0 : file.size() - kEndSize + 1;
  do {
    if (end <= first) fail("it is no zip archive, which torch.save would have written");
    --end;
  } while (at(end).number<std::uint32_t>() != kEnd);
  Bytes record = at(end + 10);
  const auto entries = record.number<std::uint16_t>();
  record.take(4);
  std::size_t next = record.number<std::uint32_t>();
  for (int i = 0; i < entries; ++i) {
    Bytes entry = at(next);
    if (entry.number<std::uint32_t>() != kDirectory) fail("its zip directory is damaged");
    entry.take(6);
    const auto method = entry.number<std::uint16_t>();
    entry.take(8);
    const auto stored = entry.number<std::uint32_t>();
    entry.take(4);
    const auto name = entry.number<std::uint16_t>(), extra = entry.number<std::uint16_t>(),
               comment = entry.number<std::uint16_t>();
    entry.take(8);
    const auto offset = entry.number<std::uint32_t>();
    const auto text = entry.take(name);
    next += 46U + name + extra + comment;
    if (!text.ends_with(suffix)) continue;
    if (method != 0) fail("its data are compressed, as torch.save never writes them");
    Bytes local = at(offset);
    if (local.number<std::uint32_t>() != kLocal) fail("its zip directory is damaged");
    local.take(22);
    const auto local_name = local.number<std::uint16_t>(), local_extra = local.number<std::uint16_t>();
    local.take(std::uint64_t{local_name} + local_extra);
    return local.take(stored);
  }
  fail("its zip archive has no entry \"" + std::string(suffix) + "\"");
}

/// A value on the pickle machine's stack.
struct Value {
  enum Kind { kNothing, kMark, kInteger, kBool, kText, kTuple, kGlobal, kDtype, kArray } kind = kNothing;
  std::int64_t integer = 0;
  std::string text;  // of kText bytes and strings alike; of kGlobal "module.name"; of kDtype "f8"
  std::vector<std::shared_ptr<Value>> items;
};
using Reference = std::shared_ptr<Value>;

/// "Ã©" back to the bytes that pickle's protocol 2 wrote as a latin-1 string in UTF-8.
std::string latin1_bytes(const std::string& utf8) {
  std::string out;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    if (c < 0x80) {
      out += static_cast<char>(c);
      continue;
    }
    if ((c != 0xC2 && c != 0xC3) || i + 1 == utf8.size()) fail("its array is not stored as latin-1 text");
    out += static_cast<char>((c & 3) << 6 | (static_cast<unsigned char>(utf8[++i]) & 0x3F));
  }
  return out;
}

class Unpickler {
 public:
  explicit Unpickler(std::string_view bytes) : in_(bytes) {}

  InitStates array() {
    while (step()) {
    }
    const Reference top = pop();
    if (top->kind != Value::kArray || top->items.size() != 5) fail("it holds no numpy array");
    const Value &shape = *top->items[1], &dtype = *top->items[2], &order = *top->items[3], &data = *top->items[4];
    if (dtype.kind != Value::kDtype || dtype.text != "f8") fail("its array is not of float64 (\"f8\")");
    if (shape.kind != Value::kTuple || shape.items.empty() || shape.items.size() > 2)
      fail("its array has not one or two dimensions");
    if (order.kind != Value::kBool || order.integer) fail("its array is stored by columns");
    InitStates out;
    const bool one_row = shape.items.size() == 1;  // as LIBERO-Plus stores a changed layout's only state
    const std::int64_t rows = one_row ? 1 : shape.items[0]->integer, columns = shape.items.back()->integer;
    constexpr std::int64_t kMost = 1 << 20;
    if (rows < 1 || columns < 1 || rows > kMost || columns > kMost || data.kind != Value::kText ||
        data.text.size() != static_cast<std::uint64_t>(rows) * static_cast<std::uint64_t>(columns) * sizeof(double))
      fail("its array's shape (" + std::to_string(rows) + ", " + std::to_string(columns) + ") does not fit its " +
           std::to_string(data.text.size()) + " bytes");
    out.states = static_cast<int>(rows);
    out.width = static_cast<int>(columns);
    out.values.resize(data.text.size() / sizeof(double));
    std::memcpy(out.values.data(), data.text.data(), data.text.size());
    return out;
  }

 private:
  Reference pop() {
    if (stack_.empty()) fail("its pickle is damaged");
    Reference out = std::move(stack_.back());
    stack_.pop_back();
    return out;
  }
  void push(Value value) { stack_.push_back(std::make_shared<Value>(std::move(value))); }
  void push_text(std::string_view text) { push({Value::kText, 0, std::string(text), {}}); }
  void push_integer(std::int64_t value) { push({Value::kInteger, value, {}, {}}); }
  /// The topmost n values, or those above the mark.
  void tuple(int n) {
    Value out{Value::kTuple, 0, {}, {}};
    if (n >= 0) {
      for (int i = 0; i < n; ++i) out.items.insert(out.items.begin(), pop());
    } else {
      for (Reference top = pop(); top->kind != Value::kMark; top = pop()) out.items.insert(out.items.begin(), top);
    }
    push(std::move(out));
  }
  void remember(std::uint32_t slot) {
    if (stack_.empty()) fail("its pickle is damaged");
    memo_[slot] = stack_.back();
  }
  void recall(std::uint32_t slot) {
    if (!memo_.contains(slot)) fail("its pickle is damaged");
    stack_.push_back(memo_[slot]);
  }
  void global(const std::string& module, const std::string& name) {
    const std::string full = module + "." + name;
    for (const char* known : {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
                              "numpy.ndarray", "numpy.dtype", "_codecs.encode"})
      if (full == known) return push({Value::kGlobal, 0, full, {}});
    fail("it would call " + full + "; only what builds a numpy array is allowed");
  }
  /// function(arguments): the three calls that a pickled array makes.
  void reduce() {
    const Reference arguments = pop(), function = pop();
    if (function->kind != Value::kGlobal || arguments->kind != Value::kTuple) fail("its pickle is damaged");
    const auto text_of = [&](std::size_t i) -> const std::string& {
      if (i >= arguments->items.size() || arguments->items[i]->kind != Value::kText) fail("its pickle is damaged");
      return arguments->items[i]->text;
    };
    if (function->text == "_codecs.encode") {
      if (text_of(1) != "latin1") fail("its array is not stored as latin-1 text");
      push_text(latin1_bytes(text_of(0)));
    } else if (function->text == "numpy.dtype") {
      push({Value::kDtype, 0, text_of(0), {}});
    } else if (function->text.ends_with("_reconstruct")) {
      push({Value::kArray, 0, {}, {}});
    } else {
      fail("it would call " + function->text + "; only what builds a numpy array is allowed");
    }
  }
  /// __setstate__: of an array (version, shape, dtype, by columns?, bytes), of a dtype its byte order.
  void build() {
    const Reference state = pop();
    if (stack_.empty() || state->kind != Value::kTuple) fail("its pickle is damaged");
    Value& object = *stack_.back();
    if (object.kind == Value::kArray) {
      object.items = state->items;
    } else if (object.kind != Value::kDtype || state->items.size() < 2 || state->items[1]->text == ">") {
      fail("its numbers are not of this machine's byte order");
    }
  }

  /// One instruction; false at the last.
  bool step() {
    switch (static_cast<unsigned char>(in_.take(1)[0])) {
      case 0x80:  // PROTO
        in_.take(1);
        break;
      case 0x95:  // FRAME
        in_.take(8);
        break;
      case '.':  // STOP
        return false;
      case '(':
        push({Value::kMark, 0, {}, {}});
        break;
      case 'N':
        push({});
        break;
      case 0x88:  // NEWTRUE
        push({Value::kBool, 1, {}, {}});
        break;
      case 0x89:  // NEWFALSE
        push({Value::kBool, 0, {}, {}});
        break;
      case 'J':
        push_integer(in_.number<std::int32_t>());
        break;
      case 'K':
        push_integer(in_.number<std::uint8_t>());
        break;
      case 'M':
        push_integer(in_.number<std::uint16_t>());
        break;
      case 'X':  // BINUNICODE
      case 'B':  // BINBYTES
        push_text(in_.take(in_.number<std::uint32_t>()));
        break;
      case 0x8c:  // SHORT_BINUNICODE
      case 'C':   // SHORT_BINBYTES
        push_text(in_.take(in_.number<std::uint8_t>()));
        break;
      case 0x8d:  // BINUNICODE8
      case 0x8e:  // BINBYTES8
        push_text(in_.take(in_.number<std::uint64_t>()));
        break;
      case 't':
        tuple(-1);
        break;
      case ')':
        tuple(0);
        break;
      case 0x85:
        tuple(1);
        break;
      case 0x86:
        tuple(2);
        break;
      case 0x87:
        tuple(3);
        break;
      case 'q':
        remember(in_.number<std::uint8_t>());
        break;
      case 'r':
        remember(in_.number<std::uint32_t>());
        break;
      case 0x94:  // MEMOIZE
        remember(static_cast<std::uint32_t>(memo_.size()));
        break;
      case 'h':
        recall(in_.number<std::uint8_t>());
        break;
      case 'j':
        recall(in_.number<std::uint32_t>());
        break;
      case 'c': {
        const std::string module(in_.line()), name(in_.line());
        global(module, name);
        break;
      }
      case 0x93: {  // STACK_GLOBAL
        const Reference name = pop(), module = pop();
        global(module->text, name->text);
        break;
      }
      case 'R':
        reduce();
        break;
      case 'b':
        build();
        break;
      default:
        fail("its pickle holds an instruction that no array needs");
    }
    return true;
  }

  Bytes in_;
  std::vector<Reference> stack_;
  std::map<std::uint32_t, Reference> memo_;
};

}  // namespace

InitStates load_init_states(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) throw UserError(path.string() + ": no such file");
  const std::string file = read_file(path);
  try {
    InitStates out = Unpickler(zip_entry(file, "/data.pkl")).array();
    for (const double v : out.values)
      if (!std::isfinite(v)) fail("it holds numbers that are not finite");
    return out;
  } catch (const Malformed& e) {
    throw UserError(path.string() + ": no file of initial states (torch.save of a float64 array): " + e.what);
  }
}

}  // namespace pionbench::vla
