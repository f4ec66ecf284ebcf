#pragma once
/// LIBERO-Plus: one change of a known kind to a task, written as the suffix that LIBERO-Plus gives the task's name.
///
///   Camera      _view_H_V_S_R_E_initstate_0: agent camera only. V, then H degrees of orbit about the y and z axes
///               through the pivot, distance × S/100, then the aim turned R degrees about z and E about y. Pivot:
///               10 cm below the table top, as LIBERO-Plus's (0, 0, 0.8) under a table at 0.9.
///   Robot       _view_0_0_100_0_0_initstate_K, K 1…500: Panda joints moved by 0.1·ceil(K/100) rad in a random
///               direction; the hand starts where the Panda's would then be, relative to its home.
///   Noise       _noise_N, N 1…50: agent view only, fresh every frame; ten severities each of motion blur, gaussian
///               blur, zoom blur, fog, glass blur.
///   Language    _language_K_view_0_0_100_0_0_initstate_0: the instruction said otherwise, by 48 templates (K modulo
///               48), not in the texts of a language model.
///   Light       _light_K: colour, direction, specular and shadows of the key light, ambient. LIBERO-Plus's values are
///               in its assets; the ranges are ours.
///   Background  _table_K, _tb_K: other table surface; other table and wall.
///   Layout      _add_K: ceil(K/6) extra objects (1 to 5).
///               _levelL_sampleS: every region moved by at most 0.01·L m (Spatial, Goal), 0.015·L m (Long),
///               0.03·L m (Object, Robot); L 1…5, S 0…3. _moved_levelL_sampleS, in Goal instead of it: objects first
///               go to other places, each at least 15 cm from its own.
/// Source: LIBERO-plus 4976dc3, task names and libero/libero/envs.

#include <mujoco/mujoco.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "experiments/vla/sim/random.h"
#include "experiments/vla/sim/scene.h"
#include "experiments/vla/sim/suites.h"

namespace pionbench::vla {

enum class Category { kNone, kBackground, kCamera, kLanguage, kLayout, kLight, kNoise, kRobot };

/// "Background", …, in the order of the paper's columns; "None".
const std::string& category_name(Category category);
const std::vector<Category>& perturbation_categories();  ///< the seven
/// Throws UserError with the nearest name.
Category find_category(const std::string& name);

struct Perturbation {
  Category category = Category::kNone;
  int orbit_h = 0, orbit_v = 0, scale = 100, aim_r = 0, aim_e = 0;  ///< Camera; degrees, per cent
  int number = 0;                                                   ///< K or N of the other categories
  bool with_wall = false;                                           ///< Background: _tb_
  int level = 0, sample = 0;                                        ///< Layout: when level > 0
  bool moved = false;                                               ///< Layout: _moved_level

  /// "" for none. parse(suffix()) gives the same perturbation.
  std::string suffix() const;
};

/// Throws UserError for a suffix that is none of the above, or out of its range.
Perturbation parse_perturbation(const std::string& suffix);

/// A perturbed task: the base task with one perturbation; evaluated by one trial from initial state 0.
struct PerturbedTask {
  const SuiteTask* task;
  Perturbation perturbation;
  std::string name() const { return task->file.name + perturbation.suffix(); }
};

/// The first `count` perturbed tasks of a category: parameters are drawn in the proportions of LIBERO-Plus, tasks take
/// turns. The same list on every machine; a longer one begins with the shorter one.
std::vector<PerturbedTask> perturbed_tasks(const std::vector<SuiteTask>& tasks, Category category, int count);

// What a perturbation does; each leaves alone what it does not concern.

/// Layout. Throws UserError when no arrangement is free of overlap.
TaskFile perturb_task(const SuiteTask& task, const Perturbation& perturbation);
/// Camera, Light, Background: what the model shows; its physics stays.
bool changes_model(const Perturbation& perturbation);
void perturb_model(const Scene& scene, const Perturbation& perturbation, mjModel* model);
/// Robot.
void perturb_init(const Scene& scene, const Perturbation& perturbation, std::vector<double>& qpos);
/// Language.
std::string perturb_instruction(const SuiteTask& task, const Perturbation& perturbation);
/// Noise: changes a square image in place. `random` is the frame's own.
/// Lengths in pixels are LIBERO-Plus's at 256 pixels, scaled to the image's size.
void corrupt(std::span<unsigned char> rgb, int size, int noise_number, Random& random);

/// Franka Panda: flange-to-hand pose of joint angles, by the published Denavit–Hartenberg table.
/// position: metres in the robot's base frame; matrix: row-major rotation.
void panda_hand_pose(const double joints[7], double position[3], double matrix[9]);

}  // namespace pionbench::vla
