#pragma once
/// A task file made into a MuJoCo model, with everything that later code needs found once, by number.
///
/// World frame: the origin is the middle of the table top, z up, x towards the agent camera. The robot is a
/// parallel-jaw hand on a moving frame (a free body welded to a mocap body): position and orientation follow the
/// command as an arm under operational-space control does, without the arm. The hand's frame has its origin
/// between the fingertips and is upright (identity) when the fingers point down; they close along y.
/// Physics: 5 ms steps, elliptic cones, impratio 10, Newton: settings under which every grasp of the settings study
/// held without slipping; 10 steps are one action at 20 Hz.

#include <mujoco/mujoco.h>

#include <memory>
#include <string>
#include <vector>

#include "experiments/vla/sim/kinds.h"
#include "experiments/vla/sim/task_file.h"

namespace pionbench::vla {

inline constexpr double kTimestep = .005;
inline constexpr int kSubsteps = 10;                                   ///< per action
inline constexpr double kOpenFinger = .045;                            ///< joint position of an open finger
inline constexpr double kTranslationScale = .05, kRotationScale = .5;  ///< metres and radians per unit of action
inline constexpr int kActionSize = 7, kProprioSize = 8;

struct SceneObject {
  std::string name;
  const ObjectKind* kind;
  int body, qpos, qvel;
};

struct SceneJoint {
  std::string name;  ///< "<fixture>_<part>"
  const FixtureKind* fixture;
  const MovingPart* part;
  int fixture_body, body, qpos, qvel;
};

/// A named place that goals test: a part of the table, of an object or of a fixture.
struct ScenePlace {
  std::string name;
  bool inside;  ///< In; else On
  int site;
  int carrier;      ///< body that must be touched for On
  int object = -1;  ///< the scene object it belongs to
  int joint = -1;   ///< the scene joint it moves with
  bool on_table = false;
};

enum class Predicate { kOn, kIn, kOpen, kClose, kTurnOn, kTurnOff };

/// An atom with its names resolved. On: object on `other` object, or on `place`. In: object in `place`. Others:
/// `joint`.
struct GoalAtom {
  Predicate predicate;
  int object = -1, other = -1, place = -1, joint = -1;
  std::string text;  ///< "(On a b)"
};

/// Where an object starts: in a range of a table region, on another object, or on a place of a fixture.
struct Start {
  int object;
  int region = -1;  ///< index in the task file's regions
  int support_object = -1;
  int support_place = -1;
};

struct FixturePose {
  std::string name;
  const FixtureKind* kind;
  double x, y;
};

struct ModelDeleter {
  void operator()(mjModel* m) const { mj_deleteModel(m); }
};
struct DataDeleter {
  void operator()(mjData* d) const { mj_deleteData(d); }
};
using ModelPtr = std::unique_ptr<mjModel, ModelDeleter>;
using DataPtr = std::unique_ptr<mjData, DataDeleter>;

/// The hand's addresses; the same in every scene.
struct HandIndex {
  int body, mocap, qpos, qvel, finger_qpos[2], finger_body[2], agent_camera, wrist_camera, table_geom, wall_geom[4],
      key_light;
};

struct Scene {
  TaskFile file;
  const Arena* arena;
  std::string mjcf;
  std::shared_ptr<const mjModel> model;
  HandIndex hand;
  std::vector<SceneObject> objects;
  std::vector<FixturePose> fixtures;
  std::vector<SceneJoint> joints;
  std::vector<ScenePlace> places;
  std::vector<Start> starts;                         ///< one per object, supports before what they carry
  std::vector<std::pair<int, double>> joint_starts;  ///< joints that start open or on
  std::vector<GoalAtom> goal;
};

/// Checks every name of the file, writes the MJCF and compiles it. About 5 ms.
/// Throws UserError "PATH:LINE: ..." for unknown arenas, kinds, objects, places and predicates (with the nearest
/// known name), for objects without a place to start, and for goals that do not fit their arguments.
std::shared_ptr<const Scene> build_scene(const TaskFile& file);

/// Is the atom true in this state? Needs positions and contacts (mj_fwdPosition). LIBERO's definitions:
///   On a b     z_b <= z_a, a and b touch, centres less than 3 cm apart horizontally
///   On a place inside its x and y half sizes, between half size z − 5 mm and + 10 cm above it, touching its carrier
///   In a place the centre of a inside the place's box, in its frame
///   Open, Close, Turnon, Turnoff: thresholds of the joint (kinds.cpp; LIBERO's for drawers and stove)
bool holds(const Scene& scene, const GoalAtom& atom, const mjData* data);
bool goal_reached(const Scene& scene, const mjData* data);
/// Do the two bodies touch (in the contacts of `data`)?
bool touching(const mjModel* model, const mjData* data, int body_a, int body_b);

/// Where a point of the world appears in a camera's picture as policies see it (turned by 180 degrees from OpenGL's
/// order): {x from the left, y from the top} in parts of the side, within [0, 1) when the picture shows the place;
/// hidden things count. False, and `at` untouched, behind the camera. `data` needs mj_kinematics.
bool seen_at(const mjModel* model, const mjData* data, int camera, const mjtNum point[3], float at[2]);

/// The state vector that LIBERO stores: [time, qpos, qvel].
int libero_state_size(const mjModel* model);

}  // namespace pionbench::vla
