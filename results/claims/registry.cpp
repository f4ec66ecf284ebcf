#include <array>

#include "results/claims/claim.h"

namespace pionbench::claims {

std::span<const Entry> entries() {
  static constexpr std::array kEntries = {
      Entry{"C1",
            "curves of fig3: f_p and f_s sorted; f(1) = 1; difference quotients at 1, and of f_s at 0, ≤ 10 h; slope "
            "of f_p at 0 is 1.875 ± 10 h²; f' ≥ 0 in the family of odd quintics at slope 1.875 and not at 1.875 + 1e-6",
            judge_c1},
      Entry{"C2",
            "fig3, Y = f(X) of matrices X = U S Vᵀ: entries of Uᵀ Y V off the diagonal and of Y outside U, V, and "
            "distances of its diagonal from f(s), all below 1/256, a step of bfloat16",
            judge_c2},
      Entry{"C3", "curve muon/5 of fig3: 0.68 ≤ f(s) ≤ 1.21 for all s ≥ 0.05", judge_c3},
      Entry{"C4",
            "curves pion/k_p of fig3: f > 0.99 from some s on, f < 0.01 up to a lower one; both strictly fall from k_p "
            "0 to 4",
            judge_c4},
      Entry{"C5",
            "newest sitting with step/<model>/muon and step/<model>/pion (and /pion/per-head): each ratio of times "
            "within "
            "1/1.05 and 1.05 by two one-sided t-tests on logarithms; slower and faster both differ, and are named",
            judge_c5},
      Entry{"C6",
            "fig1a: least over steps of rank(vision) − rank(language), and of rank(language) − rank(action), above 0 "
            "by permutation over seeds",
            judge_c6},
      Entry{"C7",
            "fig1a: greatest over steps of the action gradient's effective rank / min(m, n) below 0.1, 95 % bound",
            judge_c7},
      Entry{"C8", "fig1b: success(AdamW) > success(Muon) by permutation over seeds", judge_c8},
      Entry{"C9", "fig1b: success(LRMuon) > success(Muon), and hours(LRMuon) > 8 hours(Muon), by permutation",
            judge_c9},
      Entry{"C10", "fig1b: success(Pion) > success(AdamW) by permutation over seeds", judge_c10},
      Entry{"C11",
            "fig2a: least over steps of SNR(SFT) − SNR(GRPO) above 0 by permutation; DIFFERS where GRPO is ahead at "
            "some step",
            judge_c11},
      Entry{"C12",
            "fig4b, fig2b: Muon at the released scale (5): start > half-way by permutation, and final accuracy below "
            "0.05, 95 % bound in every setting; a rise before the fall is named",
            judge_c12},
      Entry{"C13", "fig2b: AdamW: final > initial accuracy by permutation over seeds and settings", judge_c13},
      Entry{"C14",
            "fig4b, fig2b: per-head Muon at the released scale: start > end by permutation, and final accuracy below "
            "0.05, 95 % bound in every setting",
            judge_c14},
      Entry{"C15",
            "fig2b: AdamW > whole-matrix Pion, and per-head Pion > AdamW, final accuracy, by permutation over seeds "
            "and settings",
            judge_c15},
      Entry{"C16",
            "variance over query heads: of initial norms above 0 in every layer; of update norms more than 10 times as "
            "large per-head as whole, by permutation on logarithms",
            judge_c16},
      Entry{"C17",
            "fig5a: Pion > Muon and Muon > AdamW by permutation, and ahead in every suite; DIFFERS where a suite has "
            "it the other way round",
            judge_c17},
      Entry{"C18",
            "fig5b: Pion ≥ 0.95 at a third of the steps and 1 at the end, each up to 0.005, 95 % bounds; AdamW ≤ Pion "
            "/ 3",
            judge_c18},
      Entry{"C19", "table1: Pion ≥ Muon and Pion ≥ AdamW up to a point in every column", judge_c19},
      Entry{"C20", "table1: leads of Pion over Muon: language > noise > robot > the largest other, by permutation",
            judge_c20},
      Entry{"C21", "fig6: final accuracy of Muon below 0.05, 95 % bound in each of the settings", judge_c21},
      Entry{"C22",
            "fig6: Pion ≥ AdamW up to a point in every setting; steps to AdamW's final accuracy fewer in every "
            "setting, misses counted as one step past the end",
            judge_c22},
      Entry{"C23",
            "fig7: least over steps of SNR(Pion) − SNR(AdamW) above 0 by permutation; DIFFERS where AdamW is ahead at "
            "some step",
            judge_c23},
      Entry{"C24", "fig8: LPMuon's mean over the course within 0.05 of its start by TOST", judge_c24},
      Entry{"C25", "kp: the best of k_p 0, 1, 2 ≥ the best of 3, 4, 5 up to a point", judge_c25},
      Entry{"C26", "table-a5: Pion ≥ Pion per-head up to a point, over all suites", judge_c26},
      Entry{"C27", "table-a6: S1 > S7 and S5 > S1 by permutation over seeds", judge_c27},
      Entry{"C28",
            "table3, a simulated stand-in: Pion > Muon and Muon ≥ AdamW up to a point on every task; Pion > Muon and "
            "40 points over all, by permutation over seeds and tasks",
            judge_c28},
      Entry{"C29", "table-a6: S9 ≥ S8 and S8 ≥ S1 up to a point", judge_c29},
  };
  return kEntries;
}

}  // namespace pionbench::claims
