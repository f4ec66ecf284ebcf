#pragma once
/// Demonstrations in LIBERO's HDF5 layout: recorded by the scripted expert, read from our files and LIBERO's alike.
///
/// One file per task, `<task>_demo.hdf5`. Group data: attributes env_name, problem_info, macros_image_convention,
/// bddl_file_name, bddl_file_content, env_args, num_demos, total; per demo_i attributes num_samples, model_file,
/// init_state and
///   actions (T, 7)       states (T, 1 + nq + nv)      robot_states (T, 9): fingers 2, position 3, quaternion xyzw 4
///   rewards, dones (T,)  obs/agentview_rgb, obs/eye_in_hand_rgb (T, S, S, 3) bytes, OpenGL's rows (bottom first)
///   obs/ee_pos (T, 3)    obs/ee_ori (T, 3) axis-angle   obs/ee_states (T, 6)   obs/gripper_states (T, 2)
///   obs/joint_states (T, 7): here the hand's x, y, z, axis-angle and opening, since there is no arm
/// states[t] is before actions[t], obs[t] after it, as in LIBERO. Row 0 of ours is a settling action, so that the
/// observation before the first real action is there too.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "experiments/vla/expert.h"
#include "experiments/vla/sim/vector_env.h"

namespace pionbench::vla {

/// One recorded episode; arrays as in the file.
struct Demonstration {
  int steps = 0;
  int image_size = 0;
  std::vector<double> actions, states, robot_states, ee_pos, ee_ori, gripper_states, joint_states, init_state;
  std::vector<unsigned char> agentview, eye_in_hand;
  std::string model_file;
};

struct RecordOptions {
  int per_task = 50;
  int image_size = 64;
  int first_init = 1000;  ///< initial states are taken from here on, one per attempt
  int threads = 0;
  ExpertNoise noise = {};
};

struct RecordReport {
  int kept = 0, attempts = 0;  ///< failures are dropped, as LIBERO's are
  std::int64_t frames = 0;
};

/// Records one task with the noisy expert and writes `folder/<task>_demo.hdf5`, whole or not at all. The file is a
/// pure function of task and options. Throws UserError when fewer than half of the attempts succeed.
RecordReport record_demonstrations(const SuiteTask& task, const std::filesystem::path& folder,
                                   const RecordOptions& options);

/// What training reads: observations paired with the actions that follow them.
struct Episode {
  std::string name;  ///< "demo_12"
  int steps = 0;
  std::vector<float> actions;         ///< [steps, 7]
  std::vector<float> proprio;         ///< [steps, 8]: position, axis-angle, fingers; as VectorEnv::proprio
  std::vector<unsigned char> images;  ///< [steps, 2, S, S, 3]; turned by 180 degrees, as VectorEnv::images
};

struct TaskDemonstrations {
  std::string task;         ///< file name without "_demo.hdf5"
  std::string instruction;  ///< from the file's name, as LIBERO does; the text inside differs (facts of the format)
  int image_size = 0;
  std::vector<Episode> episodes;  ///< in numeric order: demo_2 before demo_10
  int dropped_noops = 0;
};

struct LoadOptions {
  bool drop_noops = true;               ///< OpenVLA's rule: |first six| < 1e-4 and the gripper as before
  int most = -1;                        ///< demonstrations; -1: all
  std::vector<std::string> tasks = {};  ///< of a folder: whose files must be there
};

/// Throws UserError for a file that is missing, damaged, empty or of other shapes; nothing is returned by halves.
TaskDemonstrations load_demonstrations(const std::filesystem::path& path, const LoadOptions& options = {});
/// Every *_demo.hdf5 of a folder, by name.
std::vector<TaskDemonstrations> load_demonstration_folder(const std::filesystem::path& folder,
                                                          const LoadOptions& options = {});

/// OpenVLA's no-op: `previous` is the action before, or nullptr for the first.
bool is_noop(const float* action, const float* previous);

}  // namespace pionbench::vla
