#pragma once
/// Task files: one manipulation task each, in the BDDL dialect that LIBERO writes.
///
///   (define (problem LIBERO_Tabletop_Manipulation)
///     (:domain robosuite)
///     (:language open the top drawer of the cabinet)
///     (:regions (plate_region (:target main_table) (:ranges ((-0.02 0.05 0.02 0.09))) (:yaw_rotation ((0 0)))))
///     (:fixtures main_table - table  wooden_cabinet_1 - wooden_cabinet)
///     (:objects plate_1 - plate)
///     (:obj_of_interest wooden_cabinet_1)
///     (:init (On plate_1 main_table_plate_region))
///     (:goal (And (Open wooden_cabinet_1_top_region))))
///
/// Metres and radians about the centre of the table top. A region is called `<target>_<region>` elsewhere; one on the
/// table has ranges `x0 y0 x1 y1`. Several ranges mean "any of these", and objects that share such a region never
/// share a range: that is how objects change places. A region whose target is an object or a fixture names a part
/// of it (`basket_1_contain_region`) and has no ranges. Comments run from `;` to the end of the line.
/// The reading knows no objects: sim/scene.h checks names against sim/kinds.h.

#include <filesystem>
#include <string>
#include <vector>

namespace pionbench::vla {

struct Rectangle {
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
};

struct Region {
  std::string name;    ///< full: "<target>_<region>"
  std::string target;  ///< the table, an object or a fixture
  std::vector<Rectangle> ranges = {};
  double yaw_min = 0, yaw_max = 0;
  int line = 0;
};

/// "akita_black_bowl_1 - akita_black_bowl"
struct Instance {
  std::string name;
  std::string kind;
  int line = 0;
};

/// "(On akita_black_bowl_1 plate_1)"
struct Atom {
  std::string predicate;
  std::vector<std::string> arguments;
  int line = 0;
};

struct TaskFile {
  std::string name;  ///< the file's name without ".bddl": the instruction with "_" for spaces
  std::string path;
  std::string problem;
  std::string language;  ///< of the file; LIBERO evaluates with the file's name instead, see instruction()
  std::vector<Region> regions;
  std::vector<Instance> fixtures;
  std::vector<Instance> objects;
  std::vector<std::string> objects_of_interest;
  std::vector<Atom> init;
  std::vector<Atom> goal;  ///< a conjunction

  const Region* find_region(const std::string& full_name) const;
};

/// Throws UserError "PATH:LINE: ..." for what is not BDDL of this dialect.
TaskFile parse_task(const std::string& text, const std::string& path);
TaskFile read_task(const std::filesystem::path& path);

/// LIBERO's `grab_language_from_filename`: "_" become spaces; "KITCHEN_SCENE3_turn_on_..." loses its scene.
std::string instruction_of(const std::string& task_name);

}  // namespace pionbench::vla
