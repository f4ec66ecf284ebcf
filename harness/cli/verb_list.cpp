#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/error.h"
#include "core/files.h"
#include "core/optimizer_docs.h"
#include "harness/cli/verbs.h"
#include "harness/spec/experiment.h"
#include "harness/spec/plan.h"
#include "results/claims/claim.h"
#include "results/registry.h"

namespace pionbench {
namespace {

const std::vector<std::string> kKinds = {"suites", "optimizers", "experiments", "figures", "claims"};

/// One thing that can be listed: a line, the details, and the same as JSON (with "name").
struct Item {
  std::string name;
  std::string title;
  std::string details;
  Json json;
};

std::string table_text(const SettingTable& table) {
  std::string out;
  for (const auto& s : table.settings) {
    char line[256];
    std::snprintf(line, sizeof line, "  %-18s %-12s ", s.name.c_str(), to_text(s.default_value).c_str());
    out += line + allowed_text(s) + "\n";
    if (!s.help.empty()) out += "      " + s.help + "\n";
  }
  for (const auto& set : table.bundle_sets) {
    out += "  " + set.key + ": " + set.help +
           (set.default_bundle.empty() ? "" : " (default " + set.default_bundle + ")") + "\n";
    for (const auto& bundle : set.bundles) {
      out += "    " + bundle.name + ": " + bundle.help + "\n     ";
      for (const auto& [name, value] : bundle.values) out += " " + name + "=" + to_text(value);
      out += "\n";
    }
  }
  return out;
}

/// " name=value" of every setting.
std::string defaults_text(const SettingTable& table) {
  std::string out;
  for (const auto& s : table.settings) out += " " + s.name + "=" + to_text(s.default_value);
  return out;
}

std::vector<Item> optimizers(const Context& context) {
  const Catalog catalog = context.catalog();
  const Json json = to_json(catalog)["optimizers"];
  std::vector<Item> items;
  for (std::size_t i = 0; i < catalog.optimizers.size(); ++i) {
    const auto& o = catalog.optimizers[i];
    std::string line =
        o.title + "   " + o.equation + "\n    source:   " + o.source + "\n    defaults:" + defaults_text(o.table);
    for (const auto& set : o.table.bundle_sets) {
      line += "\n    " + set.key + ":  ";
      for (const auto& bundle : set.bundles) line += " " + bundle.name;
    }
    std::string details =
        o.title + " (version " + std::to_string(o.version) + ")\n  " + o.equation + "\n  source: " + o.source + "\n";
    if (!o.state.empty()) details += "  state: " + o.state + "\n";
    if (!o.cost.empty()) details += "  cost of a step: " + o.cost + "\n";
    details += "\n  setting            default      allowed\n" + table_text(o.table);
    items.push_back({o.name, line, details, json[i]});
  }
  return items;
}

std::vector<Item> suites(const Context& context) {
  const Catalog catalog = context.catalog();
  const Json json = to_json(catalog)["suites"];
  std::vector<Item> items;
  for (std::size_t i = 0; i < catalog.suites.size(); ++i) {
    const auto& s = catalog.suites[i];
    std::string details = s.title + " (version " + std::to_string(s.version) + ")\n  " + s.help + "\n";
    if (!s.primary_metric.empty())
      details += "  judged by " + s.primary_metric + ", " + (s.higher_is_better ? "higher" : "lower") + " is better\n";
    if (!s.prerequisite.empty()) details += "  reads what " + s.prerequisite + " leaves\n";
    details += "\n  setting            default      allowed\n" + table_text(s.table);
    items.push_back({s.name, s.title, details, json[i]});
  }
  return items;
}

std::string scale_names(const Experiment& experiment) {
  std::vector<std::string> names;
  for (const auto& [name, layer] : experiment.scales) names.push_back(name);
  return names.empty() ? "quick" : join(names, ", ");
}

Item experiment_item(const std::filesystem::path& path) {
  const Experiment e = parse_experiment(read_file(path), path.string());
  Json arms = Json::array();
  std::string arm_lines;
  for (const auto& arm : e.base.arms) {
    arms.push_back(arm.name);
    arm_lines += "    " + arm.name + "\n";
  }
  return {e.name,
          e.title,
          e.title + "\n  suite: " + e.suite + "\n  scales: " + scale_names(e) + "\n  file: " + path.string() +
              (arm_lines.empty() ? "\n" : "\n  arms:\n" + arm_lines),
          {{"name", e.name},
           {"title", e.title},
           {"suite", e.suite},
           {"paper", e.paper},
           {"arms", arms},
           {"file", path.string()}}};
}

std::vector<Item> experiments(const Context& context) {
  std::vector<Item> items;
  for (const auto& path : list_specs(context.spec_folders)) items.push_back(experiment_item(path));
  return items;
}

/// What `report` makes: the paper's figures and tables, and those beyond it.
std::vector<Item> figures(const Context& context) {
  const auto specs = experiments(context);
  std::vector<Item> items;
  const auto add = [&](const auto& entries, const char* kind, const char* word) {
    for (const auto& entry : entries) {
      const std::string experiment = entry.experiment;
      const auto spec = std::find_if(specs.begin(), specs.end(), [&](const Item& i) { return i.name == experiment; });
      Item item{entry.name, entry.title, "", {{"name", entry.name}, {"kind", kind}, {"experiment", experiment}}};
      if (spec != specs.end()) {
        const Json& paper = spec->json["paper"];
        if (paper.contains(kind)) {
          const std::string number = std::string(word) + " " + paper[kind].get<std::string>();
          item.json["number"] = number;
          item.title = number + ": " + item.title;
        }
        item.json["file"] = spec->json["file"];
        item.details = item.title + "\n  experiment: " + spec->details + "  regenerate: pionbench reproduce --only " +
                       entry.name + "\n";
      } else {
        item.details =
            item.title + (experiment.empty() ? "\n  drawn of every experiment that sweeps lr or k_p\n"
                                             : "\n  experiment: " + experiment + ", which has no file here\n");
      }
      item.json["title"] = item.title;
      items.push_back(std::move(item));
    }
  };
  add(pionbench::figures(), "figure", "Figure");
  add(pionbench::tables(), "table", "Table");
  return items;
}

std::vector<Item> paper_claims() {
  std::vector<Item> items;
  const auto& published = claims::published_claims();
  for (const auto& entry : claims::entries()) {
    const auto& claim = published.at(entry.id);
    items.push_back({entry.id,
                     claim.sentence,
                     claim.sentence + "\n  paper: " + claim.paper + " (" + claim.source + "; trust: " + claim.trust +
                         ")\n  rule:  " + entry.rule + "\n  judge: pionbench claims --only " + entry.id + "\n",
                     {{"name", entry.id},
                      {"title", claim.sentence},
                      {"rule", entry.rule},
                      {"paper", claim.paper},
                      {"source", claim.source},
                      {"trust", claim.trust}}});
  }
  return items;
}

std::vector<Item> items_of(const std::string& kind, const Context& context) {
  if (kind == "suites") return suites(context);
  if (kind == "optimizers") return optimizers(context);
  if (kind == "experiments") return experiments(context);
  if (kind == "figures") return figures(context);
  if (kind == "claims") return paper_claims();
  throw UserError(unknown_name("kind of things", kind, kKinds), kUsage);
}

int list(const std::string& kind, const std::string& name, bool markdown, const Context& context) {
  if (markdown) {
    if (kind != "optimizers" || !name.empty() || context.json)
      throw UserError("--markdown writes the page of all optimizers: pionbench list optimizers --markdown", kUsage);
    std::fputs(optimizers_markdown(context.catalog().optimizers).c_str(), stdout);
    return kDone;
  }
  auto items = items_of(kind, context);
  if (!name.empty()) {
    std::vector<std::string> known;
    for (const auto& item : items) known.push_back(item.name);
    std::erase_if(items, [&](const Item& item) { return item.name != name; });
    if (items.empty()) throw UserError(unknown_name(kind.substr(0, kind.size() - 1), name, known), kUsage);
  }
  if (context.json) {
    Json rows = Json::array();
    for (auto& item : items) rows.push_back(std::move(item.json));
    print_json({{"items", rows}});
    return kDone;
  }
  for (const auto& item : items) {
    if (name.empty())
      std::printf("%-16s %s\n", item.name.c_str(), item.title.c_str());
    else
      std::printf("%s\n%s", item.name.c_str(), item.details.c_str());
  }
  return kDone;
}

struct ListArguments {
  std::string kind;
  std::string name;
  bool markdown = false;
};

}  // namespace

std::vector<std::string> list_kinds() {
  return kKinds;
}

const Verb kListVerb = {"list", "What there is: suites, optimizers, experiments, figures, claims",
                        "pionbench list optimizers muon\npionbench list optimizers --markdown > docs/optimizers.md",
                        [](CLI::App& app, const Context& context) {
                          auto arguments = std::make_shared<ListArguments>();
                          app.add_option("KIND", arguments->kind, join(kKinds, ", "))->required();
                          app.add_option("NAME", arguments->name, "one of them, in detail");
                          app.add_flag("--markdown", arguments->markdown, "optimizers: docs/optimizers.md");
                          return Runner([&context, arguments] {
                            return list(arguments->kind, arguments->name, arguments->markdown, context);
                          });
                        }};

}  // namespace pionbench
