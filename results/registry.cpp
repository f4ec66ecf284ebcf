#include "results/registry.h"

#include <algorithm>
#include <array>

#include "common/hash.h"
#include "core/error.h"
#include "results/sweeps.h"

namespace pionbench {
namespace {

template <typename Entry>
auto items_of(std::span<const Entry> entries, const std::vector<Evidence>& all) {
  using Made = decltype(entries.front().make(all.front()));
  std::vector<ResultItem<Made>> items;
  for (const auto& entry : entries) {
    const bool is_general = !*entry.experiment;
    for (const auto& evidence : all) {
      if (is_general ? !entry.suits(evidence) : evidence.experiment.name != entry.experiment) continue;
      const auto scales = std::count_if(all.begin(), all.end(), [&](const Evidence& other) {
        return other.experiment.name == evidence.experiment.name;
      });
      std::string name = entry.name;
      if (is_general) name += "-" + evidence.experiment.name;
      if (scales > 1) name += "-" + evidence.experiment.scale;
      items.push_back({&entry, &evidence, std::move(name)});
    }
  }
  return items;
}

bool has_lr_sweep(const Evidence& evidence) {
  return varies(evidence, "lr");
}
bool has_kp_lr_sweep(const Evidence& evidence) {
  return varies(evidence, "lr") && varies(evidence, "k_p");
}
bool has_sweep(const Evidence& evidence) {
  return varies(evidence, "lr") || varies(evidence, "k_p");
}

}  // namespace

std::span<const FigureEntry> figures() {
  static constexpr std::array kFigures = {
      FigureEntry{"fig1a", "fig1a", "effective rank of the gradient by module, over training", make_fig1a},
      FigureEntry{"fig1b", "fig1b", "the action head's optimizer: success and training time", make_fig1b},
      FigureEntry{"fig2a", "fig2a", "gradient SNR, supervised fine-tuning against GRPO", make_fig2a},
      FigureEntry{"fig2b", "fig2b", "GRPO accuracy against step: AdamW, Muon, Pion, control", make_fig2b},
      FigureEntry{"fig2b-clock", "fig2b", "the same against training time", make_clock},
      FigureEntry{"fig3", "fig3", "scalar maps of Newton–Schulz, promotion, suppression, Pion", make_fig3},
      FigureEntry{"fig4a", "fig4a", "variance over heads, before training and of the update", make_fig4a},
      FigureEntry{"fig4b", "fig4b", "accuracy against step, whole matrices against per-head", make_fig4b},
      FigureEntry{"fig4b-clock", "fig4b", "the same against training time", make_clock},
      FigureEntry{"fig5a", "fig5a", "success on four VLA suites", make_fig5a},
      FigureEntry{"fig5b", "fig5b", "success against step on Object", make_fig5b},
      FigureEntry{"fig5b-clock", "fig5b", "the same against training time", make_clock},
      FigureEntry{"fig6", "fig6", "RLVR accuracy against step in eight settings", make_fig6},
      FigureEntry{"fig6-clock", "fig6", "the same against training time", make_clock},
      FigureEntry{"fig6-target", "fig6", "time to target in each setting", make_time_to_target},
      FigureEntry{"fig6-profile", "fig6", "performance profiles over the settings", make_performance_profile},
      FigureEntry{"fig7", "fig7", "gradient SNR under Pion and AdamW", make_fig7},
      FigureEntry{"fig8", "fig8", "LPMuon: its map, and accuracy against step", make_fig8},
      FigureEntry{"kp", "kp", "accuracy against the number of promotion steps", make_kp},
      FigureEntry{"video1", "film", "one episode side by side under each optimizer", make_video1},
      FigureEntry{"lr-sensitivity", "", "accuracy against learning rate", make_lr_sensitivity, has_lr_sweep},
      FigureEntry{"kp-lr", "", "accuracy over learning rate and k_p", make_kp_lr, has_kp_lr_sweep},
      FigureEntry{"tuning-budget", "", "expected best of k trials", make_tuning_budget, has_sweep},
      FigureEntry{"update-size", "", "accuracy against the size of updates", make_update_size, has_lr_sweep},
      FigureEntry{"time-to-target", "", "share of runs at the target against time", make_time_to_target, has_lr_sweep},
  };
  return kFigures;
}

std::span<const TableEntry> tables() {
  static constexpr std::array kTables = {
      TableEntry{"table1", "table1", "VLANeXt on LIBERO and LIBERO-Plus", make_table1},
      TableEntry{"table3", "table3", "three tasks of the real robot; a simulated stand-in", make_table3},
      TableEntry{"table-a5", "table-a5", "VLA: whole matrices against per-head", make_table_a5},
      TableEntry{"table-a6", "table-a6", "which module gets which optimizer", make_table_a6},
      TableEntry{"fig2b-final", "fig2b", "final accuracy, distance to the control, cost", make_fig2b_final},
      TableEntry{"protocols", "", "published and tuned settings side by side", make_protocols, has_sweep},
  };
  return kTables;
}

std::vector<ResultItem<Figure>> figure_items(const std::vector<Evidence>& all) {
  return items_of(figures(), all);
}

std::vector<ResultItem<Table>> table_items(const std::vector<Evidence>& all) {
  return items_of(tables(), all);
}

std::string runs_anchor(const std::vector<std::string>& runs) {
  if (runs.empty()) return "";
  return runs.size() == 1 ? "run-" + runs[0] : "runs-" + sha256(join(runs, " ")).substr(0, 12);
}

}  // namespace pionbench
