#include "core/optimizer_docs.h"

#include <algorithm>
#include <set>

namespace pionbench {
namespace {

/// Text in a cell of a table: a bar would end the cell, an angle bracket would begin HTML.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '<' ? "&lt;" : std::string(1, c);
  }
  return out;
}

std::string code(const std::string& text) {
  return text.empty() ? "" : "`" + text + "`";
}

/// Addresses and arXiv numbers as links.
std::string linked(const std::string& source) {
  if (source.starts_with("http")) return "<" + source + ">";
  constexpr std::string_view kArxiv = "arXiv ";
  const auto at = source.find(kArxiv);
  if (at == std::string::npos) return cell(source);
  const auto begin = at + kArxiv.size();
  const auto end = std::min(source.find_first_not_of("0123456789.", begin), source.size());
  const auto number = source.substr(begin, end - begin);
  return cell(source.substr(0, at)) + "[arXiv " + number + "](https://arxiv.org/abs/" + number + ")" +
         cell(source.substr(end));
}

/// "arXiv 2605.19282; OPTML-Group/Pion": each part on its own.
std::string sources(const std::string& text) {
  std::string out;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find("; ", begin), text.size());
    out += (out.empty() ? "" : "; ") + linked(text.substr(begin, end - begin));
    begin = end + 2;
  }
  return out;
}

std::string settings_table(const SettingTable& table) {
  std::string out = "| hyperparameter | default | allowed | what it is |\n|---|---|---|---|\n";
  for (const auto& s : table.settings)
    out += "| " + code(s.name) + " | " + code(to_text(s.default_value)) + " | " + cell(allowed_text(s)) + " | " +
           cell(s.help) + " |\n";
  return out;
}

/// Settings in which bundles differ are columns; what all of them set alike stands above.
std::string bundle_table(const BundleSet& set, const SettingTable& table) {
  std::string alike;
  std::vector<std::string> columns;
  for (const auto& setting : table.settings) {
    std::set<std::string> values;
    bool everywhere = true;
    for (const auto& bundle : set.bundles) {
      const auto it = bundle.values.find(setting.name);
      everywhere = everywhere && it != bundle.values.end();
      if (it != bundle.values.end()) values.insert(to_text(it->second));
    }
    if (values.empty()) continue;
    if (everywhere && values.size() == 1)
      alike += (alike.empty() ? "" : ", ") + code(setting.name + " = " + *values.begin());
    else
      columns.push_back(setting.name);
  }
  std::string out = code(set.key) + ": " + set.help +
                    (set.default_bundle.empty() ? "" : "; " + code(set.default_bundle) + " when none is named") + ".";
  if (!alike.empty()) out += (set.bundles.size() == 1 ? " It sets " : " All set ") + alike + ".";
  out += "\n\n| " + code(set.key) + " |";
  for (const auto& column : columns) out += " " + code(column) + " |";
  out += " source |\n|---|";
  for (std::size_t i = 0; i <= columns.size(); ++i) out += "---|";
  out += "\n";
  for (const auto& bundle : set.bundles) {
    out += "| " + code(bundle.name) + " |";
    for (const auto& column : columns) {
      const auto it = bundle.values.find(column);
      out += " " + (it == bundle.values.end() ? "" : cell(to_text(it->second))) + " |";
    }
    out += " " + sources(bundle.help) + " |\n";
  }
  return out;
}

}  // namespace

std::string optimizers_markdown(std::span<const OptimizerInfo> optimizers) {
  std::string out =
      "<!-- Generated from the registry. Do not edit; write it again by:\n     " + std::string(kWriteOptimizerDocs) +
      " -->\n\n# Optimizers\n\n"
      "What the registry says; `pionbench list optimizers NAME` prints the same. Notation: W weight, G gradient, M "
      "momentum,\nη learning rate, λ decay, m × n the shape of a weight (of a head's block with `heads: per-head`), "
      "r ≤ c its sides,\n‖·‖ the Frobenius norm. Matrices go to the optimizer named; embeddings, the output layer and "
      "vectors to the AdamW that\nthe `aux_` rows set, unless the equation says otherwise.\n"
      "[optimizer-conventions.md](optimizer-conventions.md) says where released codes and papers differ, and which "
      "preset is\nwhich.\n\n| optimizer | name in experiments | presets |\n|---|---|---|\n";
  for (const auto& o : optimizers) {
    std::string presets;
    for (const auto& set : o.table.bundle_sets)
      for (const auto& bundle : set.bundles) presets += (presets.empty() ? "" : ", ") + bundle.name;
    out += "| [" + o.title + "](#" + o.name + ") | " + code(o.name) + " | " + presets + " |\n";
  }
  for (const auto& o : optimizers) {
    out += "\n## " + o.name + "\n\n" + o.title + ", version " + std::to_string(o.version) + ".\n\n```\n";
    for (std::size_t begin = 0; begin < o.equation.size();) {  // one statement a line
      const auto end = std::min(o.equation.find(";  ", begin), o.equation.size());
      out += o.equation.substr(begin, end - begin) + "\n";
      begin = end + 3;
    }
    out += "```\n\n| | |\n|---|---|\n| source | " + sources(o.source) + " |\n";
    if (!o.state.empty()) out += "| state | " + cell(o.state) + " |\n";
    if (!o.cost.empty()) out += "| cost of a step | " + cell(o.cost) + " |\n";
    out += "\n" + settings_table(o.table);
    for (const auto& set : o.table.bundle_sets) out += "\n" + bundle_table(set, o.table);
  }
  return out;
}

}  // namespace pionbench
