#pragma once
/// What can stand in a scene. One more object or fixture is one more entry in kinds.cpp.
///
/// All sizes are metres and half sizes, as in MuJoCo. The frame of a kind has z up; its origin is the point that the
/// goal atoms measure (LIBERO compares body origins), `bottom` above the surface that the kind stands on.

#include <array>
#include <string>
#include <vector>

namespace pionbench::vla {

/// A rigid part. Parts that do not collide are paint: a label, a lid, a handle too thin to matter.
struct Part {
  std::string shape;                    ///< MuJoCo's: box, cylinder, capsule
  std::array<double, 3> size = {};      ///< half sizes; cylinder: radius, half height
  std::array<double, 3> position = {};  ///< in the kind's frame
  std::array<float, 4> rgba = {};
  bool collides = true;
  double yaw = 0;                ///< about z
  double pitch = 0;              ///< about y, applied after the yaw: lays a capsule along x at pi/2
  std::string material = {};     ///< "" = plain colour
  std::string joint_group = {};  ///< fixtures: the moving body that carries it; "" = fixed
};

/// A place on or in a kind that goals and inits can name: `<instance>_<name>`.
struct Place {
  std::string name;
  std::array<double, 3> position = {};
  std::array<double, 3> half_size = {};
  bool inside = false;           ///< true: goals say In (a box around the place); false: On (a surface)
  std::string joint_group = {};  ///< moves with this body
};

/// A sliding or turning part of a fixture.
struct MovingPart {
  std::string name;                     ///< the joint is `<instance>_<name>`
  std::string type;                     ///< slide or hinge
  std::array<double, 3> position = {};  ///< of the body (and its hinge) in the fixture's frame
  std::array<double, 3> axis = {};
  double low = 0, high = 0;
  double initial = 0;
  double damping = 0, friction_loss = 0, mass = 0.1;
  double open_below = 0, closed_above = 0;  ///< Open: q < open_below; Close: q > closed_above (LIBERO's drawers)
  double on_from = 0, off_below = 0;        ///< Turnon: q >= on_from; Turnoff: q < off_below (LIBERO's stove)
  bool is_switch = false;                   ///< Turnon/Turnoff instead of Open/Close
  /// Where the hand takes or pushes it, in the moving body's frame, and the direction that opens or turns it on.
  std::array<double, 3> handle = {};
  std::array<double, 3> opening_direction = {};
};

struct ObjectKind {
  std::string name;
  std::string words;     ///< how an instruction calls it
  std::string looks;     ///< how a paraphrase describes it: "red can"
  double bottom = 0;     ///< origin above the supporting surface
  double height = 0;     ///< top above the supporting surface
  double footprint = 0;  ///< radius of the smallest circle around it, for placing without overlap
  double mass = 0.15;
  double slippery = 0;      ///< sliding friction with whatever it touches; 0 = as the other thing says (1, pads 2)
  double grasp_height = 0;  ///< of the hand above the supporting surface
  double grasp_width = 0;   ///< between the fingers; 0 = not to be grasped
  /// Turning by this angle gives the same grasp; 0 = any angle does.
  double grasp_symmetry = 0;
  std::vector<Part> parts;
  std::vector<Place> places = {};
};

struct FixtureKind {
  std::string name;
  std::string words;
  std::string looks;  ///< as ObjectKind's
  std::vector<Part> parts;
  std::vector<MovingPart> moving = {};
  std::vector<Place> places = {};
  std::array<double, 2> half_extent = {};  ///< x and y, for placing without overlap
  double height = 0;
};

/// A room: LIBERO's problem class, the name of its table in task files, how it looks and where the camera hangs.
struct Arena {
  std::string problem;
  std::string table;
  std::string table_material;
  std::string wall_material;
  std::array<double, 3> camera_position;
  std::array<double, 3> camera_target;
  double camera_fovy_degrees;
  std::array<double, 6> workspace;  ///< of the hand: x0 x1 y0 y1 z0 z1
  std::array<double, 3> home;       ///< of the hand
  double carry_height;              ///< clears everything that stands in the arena
  /// Where the Layout perturbation may add objects, one each: x0 y0 x1 y1. Clear of drawers and knobs.
  std::vector<std::array<double, 4>> clutter;
};

const std::vector<ObjectKind>& object_kinds();
const std::vector<FixtureKind>& fixture_kinds();
const std::vector<Arena>& arenas();

/// nullptr when there is none; names are few, so a search is a scan.
const ObjectKind* find_object_kind(const std::string& name);
const FixtureKind* find_fixture_kind(const std::string& name);
const Arena* find_arena(const std::string& problem);
std::vector<std::string> object_kind_names();
std::vector<std::string> fixture_kind_names();
std::vector<std::string> arena_names();

/// A surface that a scene may show. Every scene carries all of them, so that one GL context serves every task and
/// a change of background is a change of an index.
struct Material {
  std::string name;
  std::string pattern;  ///< MuJoCo's builtin: flat, gradient, checker
  std::array<double, 3> rgb1, rgb2;
  bool for_wall = false;
};
const std::vector<Material>& materials();

}  // namespace pionbench::vla
