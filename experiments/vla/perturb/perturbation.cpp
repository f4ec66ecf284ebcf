#include "experiments/vla/perturb/perturbation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "experiments/vla/sim/init_state.h"

namespace pionbench::vla {
namespace {

using std::numbers::pi;

struct CategoryName {
  Category category;
  std::string name;
};
const std::vector<CategoryName>& names() {
  static const std::vector<CategoryName> kNames = {{Category::kBackground, "Background"}, {Category::kCamera, "Camera"},
                                                   {Category::kLanguage, "Language"},     {Category::kLayout, "Layout"},
                                                   {Category::kLight, "Light"},           {Category::kNoise, "Noise"},
                                                   {Category::kRobot, "Robot"},           {Category::kNone, "None"}};
  return kNames;
}

/// "_view_1_2_3_4_5_initstate_6" against "_view_#_#_#_#_#_initstate_#": the numbers, or nothing.
std::vector<int> match(const std::string& text, const std::string& pattern) {
  std::vector<int> numbers;
  std::size_t at = 0;
  for (const char c : pattern) {
    if (c != '#') {
      if (at >= text.size() || text[at] != c) return {};
      ++at;
      continue;
    }
    int value = 0;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
    if (error != std::errc() || value < 0) return {};
    at = static_cast<std::size_t>(end - text.data());
    numbers.push_back(value);
  }
  return at == text.size() ? numbers : std::vector<int>{};
}

struct Bounds {
  const char* what;
  int value, low, high;
};
void check(const std::string& suffix, std::initializer_list<Bounds> bounds) {
  for (const auto& b : bounds)
    if (b.value < b.low || b.value > b.high)
      throw UserError("perturbation \"" + suffix + "\": " + b.what + " is " + std::to_string(b.value) +
                      ", allowed: " + std::to_string(b.low) + " to " + std::to_string(b.high));
}

std::uint64_t seed_of(const char* what, int number) {
  return fnv1a(what) + static_cast<std::uint64_t>(number) * 0x9e3779b97f4a7c15ULL;
}

void quat_about(double axis_x, double axis_y, double axis_z, double degrees, mjtNum quat[4]) {
  const mjtNum axis[3] = {axis_x, axis_y, axis_z};
  mju_axisAngle2Quat(quat, axis, degrees * pi / 180);
}

void perturb_camera(const Perturbation& p, mjtNum* position, mjtNum* quat) {
  constexpr mjtNum kPivot[3] = {0, 0, -.1};
  mjtNum offset[3], turn[4], turned[4];
  mju_sub3(offset, position, kPivot);
  const auto orbit = [&](double x, double y, double z, int degrees) {
    quat_about(x, y, z, degrees, turn);
    mjtNum rotated[3];
    mju_rotVecQuat(rotated, offset, turn);
    mju_copy3(offset, rotated);
    mju_mulQuat(turned, turn, quat);
    mju_copy4(quat, turned);
  };
  orbit(0, 1, 0, p.orbit_v);
  orbit(0, 0, 1, p.orbit_h);
  mju_scl3(offset, offset, p.scale / 100.);
  mju_add3(position, kPivot, offset);
  quat_about(0, 0, 1, p.aim_r, turn);
  mju_mulQuat(turned, turn, quat);
  quat_about(0, 1, 0, p.aim_e, turn);
  mju_mulQuat(quat, turn, turned);
}

void perturb_light(const Scene& scene, int number, mjModel* m) {
  Random random(seed_of("light", number));
  const int light = scene.hand.key_light;
  const double level = random.uniform(.15, 1.1);
  for (int c = 0; c < 3; ++c) {
    m->light_diffuse[3 * light + c] = static_cast<float>(level * random.uniform(.65, 1.));
    m->light_specular[3 * light + c] = static_cast<float>(random.uniform(0, .6));
  }
  const double azimuth = random.uniform(0, 2 * pi), tilt = random.uniform(0, 1.0);
  mjtNum* direction = m->light_dir + 3 * light;
  direction[0] = std::sin(tilt) * std::cos(azimuth);
  direction[1] = std::sin(tilt) * std::sin(azimuth);
  direction[2] = -std::cos(tilt);
  m->light_castshadow[light] = random.below(2) == 1;
  // Shadow maps are centred where a directional light's axis passes: put the light above the middle of the table.
  for (int c = 0; c < 3; ++c) m->light_pos[3 * light + c] = -1.6 * direction[c];
  const auto ambient = static_cast<float>(random.uniform(.4, 1.2));
  for (float* v : {m->vis.headlight.ambient, m->vis.headlight.diffuse})
    for (int c = 0; c < 3; ++c) v[c] *= ambient;
}

void perturb_background(const Scene& scene, const Perturbation& p, mjModel* m) {
  Random random(seed_of(p.with_wall ? "tb" : "table", p.number));
  const auto pick = [&](bool wall, const std::string& not_this) {
    std::vector<int> choices;
    for (int i = 0; i < static_cast<int>(materials().size()); ++i)
      if (materials()[i].for_wall == wall && materials()[i].name != not_this) choices.push_back(i);
    const int material = choices[random.below(static_cast<int>(choices.size()))];
    for (int c = 0; c < 3; ++c) {  // a tint, so that numbers share surfaces without being equal
      float& v = m->mat_rgba[4 * material + c];
      v = std::clamp(v * static_cast<float>(random.uniform(.8, 1.15)), 0.F, 1.F);
    }
    return material;
  };
  const auto show = [&](int geom, int material) { m->geom_matid[geom] = material; };
  show(scene.hand.table_geom, pick(false, scene.arena->table_material));
  if (!p.with_wall) return;
  const int wall = pick(true, scene.arena->wall_material);
  for (const int geom : scene.hand.wall_geom) show(geom, wall);
}

/// Largest shift of a region per level, in metres.
double shift_per_level(const std::string& suite) {
  if (suite == "vla/object" || suite == "vla/robot") return .03;
  return suite == "vla/long" ? .015 : .01;
}

TaskFile add_objects(const SuiteTask& task, int number) {
  TaskFile file = task.file;
  const Arena* arena = find_arena(file.problem);
  if (!arena) return file;  // build_scene says what is wrong
  Random random(seed_of("add", number) ^ fnv1a(task.file.name));
  static const std::vector<std::string> kExtras = {
      "alphabet_soup", "cream_cheese",     "salad_dressing", "bbq_sauce",         "ketchup",
      "tomato_sauce",  "butter",           "milk",           "chocolate_pudding", "orange_juice",
      "white_mug",     "yellow_white_mug", "ramekin",        "moka_pot"};
  std::vector<std::string> free;
  for (const auto& kind : kExtras)
    if (std::ranges::none_of(file.objects, [&](const Instance& i) { return i.kind == kind; })) free.push_back(kind);
  Region region{arena->table + kClutterRegion, arena->table};
  for (const auto& r : arena->clutter) region.ranges.push_back({r[0], r[1], r[2], r[3]});
  region.yaw_min = -.3, region.yaw_max = .3;
  file.regions.push_back(region);
  const int count = (number + 5) / 6;
  for (int i = 0; i < count && !free.empty(); ++i) {
    const int choice = random.below(static_cast<int>(free.size()));
    const std::string kind = free[choice], name = kind + "_extra_" + std::to_string(i + 1);
    free.erase(free.begin() + choice);
    file.objects.push_back({name, kind});
    file.init.push_back({"On", {name, region.name}});
  }
  return file;
}

using Point = std::array<double, 2>;

Point centre(const Rectangle& r) {
  return {(r.x0 + r.x1) / 2, (r.y0 + r.y1) / 2};
}

Rectangle shifted(const Rectangle& r, double dx, double dy) {
  return {r.x0 + dx, r.y0 + dy, r.x1 + dx, r.y1 + dy};
}

/// Regions in which objects start, on the table.
std::vector<Region*> starts(TaskFile& file, const Arena& arena) {
  std::vector<Region*> out;
  for (auto& region : file.regions)
    if (region.target == arena.table && std::ranges::any_of(file.init, [&](const Atom& atom) {
          return atom.arguments.size() == 2 && atom.arguments[1] == region.name &&
                 std::ranges::find(file.objects, atom.arguments[0], &Instance::name) != file.objects.end();
        }))
      out.push_back(&region);
  return out;
}

/// Where an object starts that the goal wants elsewhere on the table, and so pushed, and that place.
struct Push {
  Region *from, *to;
};
std::vector<Push> pushes(TaskFile& file, const Arena& arena, const std::vector<Region*>& regions) {
  std::vector<Push> out;
  for (const auto& atom : file.goal) {
    if (atom.arguments.size() != 2) continue;
    const auto to = std::ranges::find(file.regions, atom.arguments[1], &Region::name);
    if (to == file.regions.end() || to->target != arena.table) continue;
    for (const auto& start : file.init)
      for (auto* from : regions)
        if (start.arguments.size() == 2 && start.arguments[0] == atom.arguments[0] && start.arguments[1] == from->name)
          out.push_back({from, &*to});
  }
  return out;
}

/// Is the straight way of a push clear of a thing at `at`?
bool clear_of(const Push& push, const Point& at) {
  constexpr double kClear = .11;  // half a plate and half a bowl
  const auto from = centre(push.from->ranges.front()), to = centre(push.to->ranges.front());
  const double dx = to[0] - from[0], dy = to[1] - from[1];
  const double along =
      std::clamp(((at[0] - from[0]) * dx + (at[1] - from[1]) * dy) / std::max(1e-9, dx * dx + dy * dy), 0., 1.);
  return std::hypot(from[0] + along * dx - at[0], from[1] + along * dy - at[1]) >= kClear;
}

/// Deals what objects start in out among other places: those of the other objects, and those kept for more objects.
/// Each at least kMoved away from where it was, but what is to be pushed stays and its way is kept clear. False where
/// the draw leaves no place.
bool move_starts(TaskFile& file, const Arena& arena, Random& random) {
  constexpr double kMoved = .15;  // LIBERO-Plus moves Goal's bowl by 0.29 to 0.43 m, on a larger table
  const auto regions = starts(file, arena);
  const auto pushed = pushes(file, arena, regions);
  std::vector<Point> places;
  for (const auto* region : regions)
    for (const auto& r : region->ranges) places.push_back(centre(r));
  for (const auto& r : arena.clutter) places.push_back(centre({r[0], r[1], r[2], r[3]}));
  std::erase_if(places, [&](const Point& at) {
    return std::ranges::any_of(pushed, [&](const Push& push) { return !clear_of(push, at); });
  });
  for (auto* region : regions) {
    if (std::ranges::find(pushed, region, &Push::from) != pushed.end()) continue;
    for (auto& r : region->ranges) {
      const auto from = centre(r);
      std::vector<std::size_t> far;
      for (std::size_t i = 0; i < places.size(); ++i)
        if (std::hypot(places[i][0] - from[0], places[i][1] - from[1]) >= kMoved) far.push_back(i);
      if (far.empty()) return false;
      const auto choice = far[static_cast<std::size_t>(random.below(static_cast<int>(far.size())))];
      r = shifted(r, places[choice][0] - from[0], places[choice][1] - from[1]);
      places.erase(places.begin() + static_cast<std::ptrdiff_t>(choice));
    }
  }
  return true;
}

TaskFile shift_regions(const SuiteTask& task, const Perturbation& p) {
  const Arena* arena = find_arena(task.file.problem);
  const double reach = shift_per_level(task.suite) * p.level;
  Random random(seed_of(p.moved ? "moved" : "level", p.level * 100 + p.sample) ^ fnv1a(task.file.name));
  constexpr int kAttempts = 400;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    TaskFile file = task.file;
    bool inside = !p.moved || (arena && move_starts(file, *arena, random));
    for (auto& region : file.regions) {
      if (!arena || region.target != arena->table) continue;
      for (auto& r : region.ranges) {
        const double dx = random.uniform(-reach, reach), dy = random.uniform(-reach, reach);
        r = shifted(r, dx, dy);
        const auto& w = arena->workspace;
        // Within reach, and within the agent camera's view; places for more objects lie nearer to the edge.
        const double margin = p.moved ? .02 : .06;
        const auto [x, y] = centre(r);
        inside = inside && x > w[0] + margin && x < w[1] - margin && y > w[2] + margin && y < w[3] - margin;
      }
    }
    if (!inside) continue;
    try {
      sample_init(*build_scene(file), 0);
      return file;
    } catch (const UserError&) {
      // overlap: another draw
    }
  }
  throw UserError("perturbation \"" + p.suffix() + "\" of " + task.file.path + ": no arrangement without overlap in " +
                  std::to_string(kAttempts) + " attempts");
}

}  // namespace

const std::string& category_name(Category category) {
  return std::ranges::find(names(), category, &CategoryName::category)->name;
}

const std::vector<Category>& perturbation_categories() {
  static const std::vector<Category> kAll = {Category::kBackground, Category::kCamera, Category::kLanguage,
                                             Category::kLayout,     Category::kLight,  Category::kNoise,
                                             Category::kRobot};
  return kAll;
}

Category find_category(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& entry : names()) {
    if (entry.name == name) return entry.category;
    known.push_back(entry.name);
  }
  throw UserError(unknown_name("perturbation category", name, known));
}

std::string Perturbation::suffix() const {
  const auto n = [](int value) { return std::to_string(value); };
  switch (category) {
    case Category::kNone:
      return "";
    case Category::kCamera:
      return "_view_" + n(orbit_h) + "_" + n(orbit_v) + "_" + n(scale) + "_" + n(aim_r) + "_" + n(aim_e) +
             "_initstate_0";
    case Category::kRobot:
      return "_view_0_0_100_0_0_initstate_" + n(number);
    case Category::kNoise:
      return "_noise_" + n(number);
    case Category::kLanguage:
      return "_language_" + n(number) + "_view_0_0_100_0_0_initstate_0";
    case Category::kLight:
      return "_light_" + n(number);
    case Category::kBackground:
      return (with_wall ? "_tb_" : "_table_") + n(number);
    case Category::kLayout:
      return level > 0 ? (moved ? "_moved_level" : "_level") + n(level) + "_sample" + n(sample) : "_add_" + n(number);
  }
  return "";
}

Perturbation parse_perturbation(const std::string& suffix) {
  Perturbation p;
  if (suffix.empty()) return p;
  p.moved = suffix.starts_with("_moved");
  const auto matched = [&](const char* pattern, Category category) {
    auto found = match(suffix, pattern);
    if (!found.empty()) p.category = category;
    return found;
  };
  if (const auto v = matched("_view_#_#_#_#_#_initstate_#", Category::kCamera); !v.empty()) {
    p.orbit_h = v[0], p.orbit_v = v[1], p.scale = v[2], p.aim_r = v[3], p.aim_e = v[4];
    const bool home = v[0] == 0 && v[1] == 0 && v[2] == 100 && v[3] == 0 && v[4] == 0;
    if (v[5] > 0) {
      if (!home) throw UserError("perturbation \"" + suffix + "\" moves both camera and robot; LIBERO-Plus moves one");
      p.category = Category::kRobot;
      p.number = v[5];
      check(suffix, {{"the robot's number", v[5], 1, 500}});
    }
    check(suffix, {{"the orbit H", v[0], 0, 359},
                   {"the orbit V", v[1], 0, 359},
                   {"the scale S", v[2], 50, 400},
                   {"the aim R", v[3], 0, 359},
                   {"the aim E", v[4], 0, 359}});
  } else if (const auto l = matched("_language_#_view_0_0_100_0_0_initstate_0", Category::kLanguage); !l.empty()) {
    p.number = l[0];
    check(suffix, {{"the number", l[0], 1, 10000}});
  } else if (const auto o = matched("_noise_#", Category::kNoise); !o.empty()) {
    p.number = o[0];
    check(suffix, {{"the number", o[0], 1, 50}});
  } else if (const auto i = matched("_light_#", Category::kLight); !i.empty()) {
    p.number = i[0];
    check(suffix, {{"the number", i[0], 1, 10000}});
  } else if (const auto t = matched("_table_#", Category::kBackground); !t.empty()) {
    p.number = t[0];
    check(suffix, {{"the number", t[0], 1, 10000}});
  } else if (const auto b = matched("_tb_#", Category::kBackground); !b.empty()) {
    p.number = b[0];
    p.with_wall = true;
    check(suffix, {{"the number", b[0], 1, 10000}});
  } else if (const auto a = matched("_add_#", Category::kLayout); !a.empty()) {
    p.number = a[0];
    check(suffix, {{"the number", a[0], 1, 30}});
  } else if (const auto s = matched(p.moved ? "_moved_level#_sample#" : "_level#_sample#", Category::kLayout);
             !s.empty()) {
    p.level = s[0];
    p.sample = s[1];
    check(suffix, {{"the level", s[0], 1, 5}, {"the sample", s[1], 0, 3}});
  } else {
    throw UserError("perturbation \"" + suffix +
                    "\" is none of: _view_H_V_S_R_E_initstate_K, _language_K_view_0_0_100_0_0_initstate_0, _noise_N, "
                    "_light_K, _table_K, _tb_K, _add_K, _levelL_sampleS, _moved_levelL_sampleS");
  }
  return p;
}

std::vector<PerturbedTask> perturbed_tasks(const std::vector<SuiteTask>& tasks, Category category, int count) {
  std::vector<PerturbedTask> out;
  if (tasks.empty()) return out;
  Random random(fnv1a(tasks.front().suite + category_name(category)));
  for (int i = 0; i < count; ++i) {
    Perturbation p;
    p.category = category;
    const auto orbit = [&] { return random.below(2) ? 1 + random.below(75) : 285 + random.below(75); };
    const auto aim = [&] {
      const int step = 2 * (1 + random.below(5));  // 2 … 10
      return random.below(2) ? step : 360 - step;
    };
    switch (category) {
      case Category::kNone:
      case Category::kLanguage:
        p.number = 1 + random.below(400);
        break;
      case Category::kCamera: {
        // 443 orbits, 549 orbits with V = 15, 313 distances, 294 aims of LIBERO-Plus's 1599.
        const int kind = random.below(1599);
        if (kind < 992) {
          p.orbit_h = orbit();
          p.orbit_v = kind < 443 ? 0 : 15;
        } else if (kind < 1305) {
          p.scale = 115 + random.below(86);
        } else {
          p.aim_r = aim();
          p.aim_e = aim();
        }
        break;
      }
      case Category::kRobot:
        p.number = 1 + random.below(500);
        break;
      case Category::kNoise:
        p.number = 1 + random.below(50);
        break;
      case Category::kLight:
        p.number = 1 + random.below(1000);
        break;
      case Category::kBackground:
        p.with_wall = random.below(2) == 1;
        p.number = 1 + random.below(400);
        break;
      case Category::kLayout:
        if (random.below(2)) {
          p.moved = tasks.front().suite == "vla/goal";
          p.level = 1 + random.below(5);
          p.sample = random.below(4);
        } else {
          p.number = 1 + random.below(30);
        }
        break;
    }
    out.push_back({&tasks[static_cast<std::size_t>(i) % tasks.size()], p});
  }
  return out;
}

TaskFile perturb_task(const SuiteTask& task, const Perturbation& p) {
  if (p.category != Category::kLayout) return task.file;
  return p.level > 0 ? shift_regions(task, p) : add_objects(task, p.number);
}

bool changes_model(const Perturbation& p) {
  return p.category == Category::kCamera || p.category == Category::kLight || p.category == Category::kBackground;
}

void perturb_model(const Scene& scene, const Perturbation& p, mjModel* m) {
  if (p.category == Category::kCamera)
    perturb_camera(p, m->cam_pos + 3 * scene.hand.agent_camera, m->cam_quat + 4 * scene.hand.agent_camera);
  if (p.category == Category::kLight) perturb_light(scene, p.number, m);
  if (p.category == Category::kBackground) perturb_background(scene, p, m);
}

void panda_hand_pose(const double joints[7], double position[3], double matrix[9]) {
  // Craig's convention: a, d, alpha of each joint; then the flange (0.107 m) and the hand (−45 degrees, 0.1034 m).
  constexpr double kA[] = {0, 0, 0, .0825, -.0825, 0, .088}, kD[] = {.333, 0, .316, 0, .384, 0, 0};
  constexpr double kAlpha[] = {0, -pi / 2, pi / 2, pi / 2, -pi / 2, pi / 2, pi / 2};
  std::array<double, 9> r = {1, 0, 0, 0, 1, 0, 0, 0, 1};
  std::array<double, 3> p = {0, 0, 0};
  const auto link = [&](double a, double d, double alpha, double theta) {
    const double ct = std::cos(theta), st = std::sin(theta), ca = std::cos(alpha), sa = std::sin(alpha);
    const double m[9] = {ct, -st, 0, st * ca, ct * ca, -sa, st * sa, ct * sa, ca};
    const double t[3] = {a, -sa * d, ca * d};
    std::array<double, 9> product{};
    for (int i = 0; i < 3; ++i) {
      p[i] += r[3 * i] * t[0] + r[3 * i + 1] * t[1] + r[3 * i + 2] * t[2];
      for (int j = 0; j < 3; ++j)
        for (int k = 0; k < 3; ++k) product[3 * i + j] += r[3 * i + k] * m[3 * k + j];
    }
    r = product;
  };
  for (int i = 0; i < 7; ++i) link(kA[i], kD[i], kAlpha[i], joints[i]);
  link(0, .107 + .1034, 0, -pi / 4);
  std::ranges::copy(p, position);
  std::ranges::copy(r, matrix);
}

void perturb_init(const Scene& scene, const Perturbation& p, std::vector<double>& qpos) {
  if (p.category != Category::kRobot) return;
  constexpr double kHome[7] = {0, -.161, 0, -2.4446, 0, 2.2268, pi / 4};
  Random random(seed_of("robot", p.number));
  double direction[7], joints[7], norm = 0;
  for (double& d : direction) {
    d = random.normal();
    norm += d * d;
  }
  const double length = .1 * ((p.number + 99) / 100);
  for (int i = 0; i < 7; ++i) joints[i] = kHome[i] + length * direction[i] / std::sqrt(norm);
  double at_home[3], at[3], home_matrix[9], matrix[9], turn[9];
  panda_hand_pose(kHome, at_home, home_matrix);
  panda_hand_pose(joints, at, matrix);
  mju_mulMatMatT(turn, matrix, home_matrix, 3, 3, 3);
  double* hand = qpos.data() + scene.hand.qpos;
  const auto& w = scene.arena->workspace;
  for (int i = 0; i < 3; ++i) hand[i] = std::clamp(hand[i] + at[i] - at_home[i], w[2 * i], w[2 * i + 1]);
  hand[2] = std::max(hand[2], scene.arena->carry_height - .01);  // never inside an object
  mju_mat2Quat(hand + 3, turn);
}

std::string perturb_instruction(const SuiteTask& task, const Perturbation& p) {
  if (p.category != Category::kLanguage) return task.instruction;
  static const std::vector<std::string> kFrames = {
      "{}",
      "please {}",
      "could you {} for me",
      "i would like you to {}",
      "your next job is this: {}",
      "the table is a little crowded today, but {}",
      "when you are ready, {}",
      "do not touch anything else, just {}",
      "my hands are full, so {}",
      "we need some order here: {}",
      "guests arrive in ten minutes and the soup is not even warm, so {}",
      "robot, {}, then wait",
  };
  static const std::string kPlainFrame = "{}, that is all";  // where frame and style would change nothing

  static const std::vector<std::pair<std::string, std::string>> kVerbs = {
      {"pick up", "grab"},   {"place it", "set it down"}, {"turn on", "switch on"},
      {"open", "pull open"}, {"push", "slide"},           {"put", "move"},
      {"close", "shut"}};
  const auto replace = [](std::string& text, const std::string& from, const std::string& to) {
    // Whole words only: "open" is not part of another word's name here, "put" is of "input".
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
      const bool starts = at == 0 || text[at - 1] == ' ',
                 ends = at + from.size() == text.size() || text[at + from.size()] == ' ';
      if (starts && ends) text.replace(at, from.size(), to);
    }
  };
  const int frames = static_cast<int>(kFrames.size());
  const int frame = p.number % frames, style = p.number / frames % 4;
  std::string text = task.instruction;
  const bool verbs = style & 1, looks = (style & 2) != 0;
  if (verbs)
    for (const auto& [from, to] : kVerbs) replace(text, from, to);
  const auto by_looks = [&](const std::vector<Instance>& instances, const auto& kinds) {
    for (const auto& kind : kinds)
      if (std::ranges::any_of(instances, [&](const Instance& i) { return i.kind == kind.name; })) {
        // LIBERO's instructions say "cream cheese box" for "cream cheese", and "bowl" for "black bowl".
        replace(text, kind.words + " box", kind.looks);
        replace(text, kind.words, kind.looks);
        if (text.find(kind.looks) == std::string::npos)
          replace(text, kind.words.substr(kind.words.rfind(' ') + 1), kind.looks);
      }
  };
  if (looks) {
    by_looks(task.file.objects, object_kinds());
    by_looks(task.file.fixtures, fixture_kinds());
  }
  std::string out = frame == 0 && text == task.instruction ? kPlainFrame : kFrames[frame];
  out.replace(out.find("{}"), 2, text);
  return out;
}

}  // namespace pionbench::vla
