#include "experiments/vla/sim/task_file.h"

#include <cctype>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/files.h"

namespace pionbench::vla {
namespace {

/// An S-expression: a word, or a list.
struct Form {
  std::string word;  ///< "" for a list
  std::vector<Form> items;
  int line = 0;

  bool is_list() const { return word.empty(); }
  const std::string& head() const {
    static const std::string kNone;
    return !items.empty() ? items.front().word : kNone;
  }
};

class Reader {
 public:
  Reader(const std::string& text, const std::string& path) : text_(text), path_(path) {}

  Form read() {
    skip_blank();
    Form form = read_form();
    skip_blank();
    if (at_ < text_.size()) fail(line_, "text after the closing parenthesis of (define ...)");
    return form;
  }

  [[noreturn]] void fail(int line, const std::string& what) const {
    throw UserError(path_ + ":" + std::to_string(line) + ": " + what);
  }

 private:
  void skip_blank() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == ';') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (std::isspace(static_cast<unsigned char>(c))) {
        line_ += c == '\n';
        ++at_;
      } else {
        return;
      }
    }
  }

  Form read_form() {
    if (at_ >= text_.size()) fail(line_, "the file ends inside a form; a closing parenthesis is missing");
    Form form;
    form.line = line_;
    if (text_[at_] == ')') fail(line_, "a closing parenthesis without its opening one");
    if (text_[at_] != '(') {
      const std::size_t begin = at_;
      while (at_ < text_.size() && !std::isspace(static_cast<unsigned char>(text_[at_])) && text_[at_] != '(' &&
             text_[at_] != ')' && text_[at_] != ';')
        ++at_;
      form.word = text_.substr(begin, at_ - begin);
      return form;
    }
    ++at_;
    if (++depth_ > 32) fail(line_, "parentheses nested more than 32 deep");
    for (skip_blank(); at_ < text_.size() && text_[at_] != ')'; skip_blank()) form.items.push_back(read_form());
    if (at_ >= text_.size()) fail(form.line, "this parenthesis is never closed");
    ++at_;
    --depth_;
    return form;
  }

  const std::string& text_;
  const std::string& path_;
  std::size_t at_ = 0;
  int line_ = 1;
  int depth_ = 0;
};

const std::vector<std::string> kSections = {":domain",  ":language",        ":regions", ":fixtures",
                                            ":objects", ":obj_of_interest", ":init",    ":goal"};

class Builder {
 public:
  Builder(const Reader& reader, TaskFile& task) : reader_(reader), task_(task) {}

  void build(const Form& root) {
    if (root.head() != "define") reader_.fail(root.line, "expected (define (problem NAME) ...)");
    for (std::size_t i = 1; i < root.items.size(); ++i) {
      const Form& form = root.items[i];
      if (!form.is_list() || form.items.empty()) reader_.fail(form.line, "expected (:section ...)");
      section(form);
    }
    if (task_.problem.empty()) reader_.fail(root.line, "(problem NAME) is missing");
    if (task_.goal.empty()) reader_.fail(root.line, "(:goal (And ...)) is missing or empty");
  }

 private:
  void section(const Form& form) {
    const std::string& head = form.head();
    if (head == "problem") {
      if (form.items.size() != 2) reader_.fail(form.line, "expected (problem NAME)");
      task_.problem = form.items[1].word;
    } else if (head == ":domain") {
    } else if (head == ":language") {
      for (std::size_t i = 1; i < form.items.size(); ++i) task_.language += (i > 1 ? " " : "") + form.items[i].word;
    } else if (head == ":regions") {
      for (std::size_t i = 1; i < form.items.size(); ++i) task_.regions.push_back(region(form.items[i]));
    } else if (head == ":fixtures") {
      task_.fixtures = instances(form);
    } else if (head == ":objects") {
      task_.objects = instances(form);
    } else if (head == ":obj_of_interest") {
      for (std::size_t i = 1; i < form.items.size(); ++i) task_.objects_of_interest.push_back(form.items[i].word);
    } else if (head == ":init") {
      for (std::size_t i = 1; i < form.items.size(); ++i) task_.init.push_back(atom(form.items[i]));
    } else if (head == ":goal") {
      if (form.items.size() != 2) reader_.fail(form.line, "expected one (And ...) or one atom in (:goal ...)");
      const Form& goal = form.items[1];
      if (goal.head() == "And")
        for (std::size_t i = 1; i < goal.items.size(); ++i) task_.goal.push_back(atom(goal.items[i]));
      else
        task_.goal.push_back(atom(goal));
    } else {
      reader_.fail(form.line, unknown_name("section", head, kSections));
    }
  }

  double number(const Form& form) const {
    double value = 0;
    const auto* end = form.word.data() + form.word.size();
    const auto [stop, error] = std::from_chars(form.word.data(), end, value);
    if (form.is_list() || error != std::errc() || stop != end || !std::isfinite(value))
      reader_.fail(form.line, "expected a number, got \"" + form.word + "\"");
    return value;
  }

  Region region(const Form& form) const {
    if (!form.is_list() || form.head().empty()) reader_.fail(form.line, "expected (region_name (:target ...) ...)");
    Region out;
    out.line = form.line;
    for (std::size_t i = 1; i < form.items.size(); ++i) {
      const Form& part = form.items[i];
      if (part.head() == ":target" && part.items.size() == 2) {
        out.target = part.items[1].word;
      } else if (part.head() == ":ranges" && part.items.size() == 2) {
        for (const Form& range : part.items[1].items) {
          if (range.items.size() != 4)
            reader_.fail(range.line,
                         "a range is (x0 y0 x1 y1), got " + std::to_string(range.items.size()) + " numbers");
          const Rectangle r{number(range.items[0]), number(range.items[1]), number(range.items[2]),
                            number(range.items[3])};
          if (r.x0 > r.x1 || r.y0 > r.y1) reader_.fail(range.line, "a range needs x0 <= x1 and y0 <= y1");
          out.ranges.push_back(r);
        }
      } else if (part.head() == ":yaw_rotation" && part.items.size() == 2 && part.items[1].items.size() == 1 &&
                 part.items[1].items[0].items.size() == 2) {
        out.yaw_min = number(part.items[1].items[0].items[0]);
        out.yaw_max = number(part.items[1].items[0].items[1]);
      } else {
        reader_.fail(part.line, "in region \"" + form.head() +
                                    "\": allowed are (:target NAME), (:ranges ((x0 y0 x1 y1) ...)), "
                                    "(:yaw_rotation ((min max)))");
      }
    }
    if (out.target.empty()) reader_.fail(form.line, "region \"" + form.head() + "\" has no (:target NAME)");
    out.name = out.target + "_" + form.head();
    if (task_.find_region(out.name)) reader_.fail(form.line, "region \"" + out.name + "\" is declared twice");
    return out;
  }

  /// "a b - kind c - other"
  std::vector<Instance> instances(const Form& form) const {
    std::vector<Instance> out;
    std::size_t open = 0;  // the first instance that still waits for its kind
    for (std::size_t i = 1; i < form.items.size(); ++i) {
      const Form& item = form.items[i];
      if (item.is_list()) reader_.fail(item.line, "expected NAME ... - KIND");
      if (item.word != "-") {
        for (const auto& other : out)
          if (other.name == item.word) reader_.fail(item.line, "\"" + item.word + "\" is declared twice");
        out.push_back({item.word, "", item.line});
        continue;
      }
      if (++i >= form.items.size() || open == out.size()) reader_.fail(item.line, "expected NAME ... - KIND");
      for (; open < out.size(); ++open) out[open].kind = form.items[i].word;
    }
    if (open < out.size()) reader_.fail(out[open].line, "\"" + out[open].name + "\" has no kind; write NAME - KIND");
    return out;
  }

  Atom atom(const Form& form) const {
    if (!form.is_list() || form.items.size() < 2) reader_.fail(form.line, "expected an atom: (Predicate argument ...)");
    Atom out{form.head(), {}, form.line};
    for (std::size_t i = 1; i < form.items.size(); ++i) {
      if (form.items[i].is_list()) reader_.fail(form.items[i].line, "atoms do not nest: expected a name");
      out.arguments.push_back(form.items[i].word);
    }
    return out;
  }

  const Reader& reader_;
  TaskFile& task_;
};

}  // namespace

const Region* TaskFile::find_region(const std::string& full_name) const {
  for (const auto& region : regions)
    if (region.name == full_name) return &region;
  return nullptr;
}

TaskFile parse_task(const std::string& text, const std::string& path) {
  TaskFile task;
  task.path = path;
  task.name = std::filesystem::path(path).stem().string();
  Reader reader(text, path);
  Builder(reader, task).build(reader.read());
  return task;
}

TaskFile read_task(const std::filesystem::path& path) {
  return parse_task(read_file(path), path.string());
}

std::string instruction_of(const std::string& task_name) {
  std::string name = task_name;
  if (!name.empty() && std::isupper(static_cast<unsigned char>(name.front()))) {
    // LIBERO's rule: "KITCHEN_SCENE3_turn ..." is cut behind the scene's number and its "_".
    if (const auto at = name.find("SCENE"); at != std::string::npos) {
      std::size_t end = at + 5;
      while (end < name.size() && std::isdigit(static_cast<unsigned char>(name[end]))) ++end;
      name = end < name.size() && name[end] == '_' ? name.substr(end + 1) : name.substr(end);
    }
  }
  for (char& c : name)
    if (c == '_') c = ' ';
  return name;
}

}  // namespace pionbench::vla
