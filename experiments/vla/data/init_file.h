#pragma once
/// LIBERO's stored initial states: `init_files/<suite>/<task>.pruned_init`.
///
/// The file is what torch.save writes for a numpy array: an uncompressed zip archive whose entry */data.pkl is a pickle
/// of one float64 array (states, width), 50 states in LIBERO, or (width) where LIBERO-Plus stores a single one. A row
/// is [time, qpos, qvel]; of qpos, LIBERO's first nine numbers are the arm and the fingers, then seven per free object.
/// Evaluation trial k starts from row k.
///
/// A pickle is a program. This reader knows the few instructions that build an array of numbers and refuses all others,
/// so that a file of unknown origin can at most be wrong.

#include <filesystem>
#include <vector>

namespace pionbench::vla {

struct InitStates {
  int states = 0, width = 0;
  std::vector<double> values;  ///< [states, width]
};

/// Throws UserError for a file that is missing, damaged, compressed, or holds anything but one float64 array of finite
/// numbers (a torch tensor, say); nothing is returned by halves.
InitStates load_init_states(const std::filesystem::path& path);

}  // namespace pionbench::vla
