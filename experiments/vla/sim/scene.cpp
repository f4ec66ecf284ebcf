#include "experiments/vla/sim/scene.h"

#include <cmath>
#include <cstdio>
#include <numbers>
#include <set>
#include <stdexcept>

#include "core/error.h"

namespace pionbench::vla {
namespace {

using Vec = std::array<double, 3>;

[[noreturn]] void fail(const TaskFile& file, int line, const std::string& what) {
  throw UserError(file.path + ":" + std::to_string(line) + ": " + what);
}

// ---- MJCF text ----------------------------------------------------------------------------------------------------

/// Enough digits to give the double back; the same text on every machine, since scenes are cached by it.
std::string text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", value);
  return buffer;
}
template <typename Range>
std::string list(const Range& values, std::size_t count = 99) {
  std::string out;
  std::size_t i = 0;
  for (const auto v : values) {
    if (i++ == count) break;
    out += (out.empty() ? "" : " ") + text(v);
  }
  return out;
}

double volume(const Part& part) {
  using std::numbers::pi;
  const auto& s = part.size;
  if (part.shape == "box") return 8 * s[0] * s[1] * s[2];
  const double cylinder = pi * s[0] * s[0] * 2 * s[1];
  return part.shape == "capsule" ? cylinder + 4. / 3 * pi * s[0] * s[0] * s[0] : cylinder;
}

/// Geoms of one body; the mass is shared among the colliding parts by volume.
std::string geoms(const std::vector<Part>& parts, const std::string& joint_group, double mass, double slippery = 0) {
  double total = 0;
  for (const auto& part : parts)
    if (part.collides && part.joint_group == joint_group) total += volume(part);
  std::string out;
  for (const auto& part : parts) {
    if (part.joint_group != joint_group) continue;
    out += "<geom class=\"" + std::string(part.collides ? "solid" : "paint") + "\" type=\"" + part.shape +
           "\" size=\"" + list(part.size, part.shape == "box" ? 3 : 2) + "\" pos=\"" + list(part.position) + "\"";
    if (part.yaw != 0 || part.pitch != 0) out += " euler=\"0 " + text(part.pitch) + " " + text(part.yaw) + "\"";
    out += " rgba=\"" + list(part.rgba) + "\"";
    if (part.collides && part.shape != "box") out += " condim=\"6\"";
    if (slippery > 0 && part.collides) out += " friction=\"" + text(slippery) + " .02 .001\" priority=\"1\"";
    out += " mass=\"" + text(part.collides ? mass * volume(part) / total : 0) + "\"/>\n";
  }
  return out;
}

std::string sites(const std::string& owner, const std::vector<Place>& places, const std::string& joint_group) {
  std::string out;
  for (const auto& place : places)
    if (place.joint_group == joint_group)
      out += "<site name=\"" + owner + "_" + place.name + "\" type=\"box\" size=\"" + list(place.half_size) +
             "\" pos=\"" + list(place.position) + "\" rgba=\"0 0 0 0\"/>\n";
  return out;
}

std::string camera(const std::string& name, const Vec& position, const Vec& target, double fovy_degrees) {
  Vec z{}, x{}, y{};
  double norm = 0;
  for (int i = 0; i < 3; ++i) z[i] = position[i] - target[i];
  norm = std::hypot(z[0], z[1], z[2]);
  for (double& v : z) v /= norm;
  x = {-z[1], z[0], 0};  // up × z
  norm = std::hypot(x[0], x[1]);
  for (double& v : x) v /= norm;
  y = {z[1] * x[2] - z[2] * x[1], z[2] * x[0] - z[0] * x[2], z[0] * x[1] - z[1] * x[0]};
  return "<camera name=\"" + name + "\" pos=\"" + list(position) + "\" xyaxes=\"" + list(x) + " " + list(y) +
         "\" fovy=\"" + text(fovy_degrees) + "\"/>\n";
}

std::string assets() {
  std::string out = "<asset>\n";
  for (const auto& m : materials()) {
    const bool plain = m.pattern == "flat";
    if (!plain)
      out += "<texture name=\"" + m.name + "\" type=\"2d\" builtin=\"" + m.pattern + "\" rgb1=\"" + list(m.rgb1) +
             "\" rgb2=\"" + list(m.rgb2) + "\" width=\"64\" height=\"64\"/>\n";
    out += "<material name=\"" + m.name + "\" specular=\".1\" shininess=\".1\" ";
    out +=
        plain ? "rgba=\"" + list(m.rgb1) + " 1\"/>\n"
              : "texture=\"" + m.name + "\" texuniform=\"true\" texrepeat=\"" + (m.for_wall ? "8 8" : "6 6") + "\"/>\n";
  }
  return out + "</asset>\n";
}

// Round things in 16 slices and 4 stacks, box faces in one piece: at the sizes that policies see it looks the same and
// draws four times as fast as MuJoCo's 28, 16 and 16 pieces.
constexpr const char* kHeader = R"(
<compiler angle="radian" autolimits="true" eulerseq="XYZ"/>
<option timestep="0.005" cone="elliptic" impratio="10" solver="Newton" iterations="20">
  <flag autoreset="disable"/></option>
<visual>
  <global offwidth="256" offheight="256"/>
  <quality offsamples="0" shadowsize="1024" numslices="16" numstacks="4" numquads="1"/>
  <headlight ambient=".38 .38 .38" diffuse=".28 .28 .28" specular="0 0 0"/>
  <map znear=".02" zfar="20"/>
</visual>
<statistic extent="1" center="0 0 0"/>
<default>
  <geom solref=".01 1" solimp=".95 .99 .001"/>
  <default class="solid"><geom condim="4" friction="1 .05 .003"/></default>
  <default class="paint"><geom contype="0" conaffinity="0" group="1"/></default>
  <default class="pad"><geom type="box" size=".011 .004 .032" condim="4" friction="2 .1 .002" mass=".05" rgba=".08 .08 .09 1"/></default>
  <default class="finger"><joint type="slide" range="-.002 .045" armature=".5" damping="20"/>
    <position kp="1000" forcerange="-40 40" ctrlrange="-.05 .05"/></default>
</default>
)";

std::string room(const Arena& arena) {
  const auto wall = [&](const char* name, const std::string& size, const std::string& at) {
    return "<geom class=\"paint\" name=\"" + std::string(name) + "\" type=\"box\" size=\"" + size + "\" pos=\"" + at +
           "\" material=\"" + arena.wall_material + "\"/>\n";
  };
  // The walls end below the camera's far orbits (2 × its distance), so that no view is black.
  // Things rest on a plane, which gives a cylinder three points of contact; against the box they see, it would have
  // one, and wobble.
  return "<light name=\"key\" pos=\".4 -.4 1.6\" dir=\"-.25 .3 -1\" directional=\"true\" castshadow=\"false\" "
         "diffuse=\".55 .55 .55\" specular=\".15 .15 .15\" ambient=\"0 0 0\"/>\n"
         "<geom name=\"table_surface\" class=\"solid\" type=\"plane\" size=\".5 .6 .1\" group=\"3\"/>\n"
         "<geom name=\"table\" class=\"paint\" type=\"box\" size=\".50 .60 .025\" pos=\"0 0 -.025\" material=\"" +
         arena.table_material + "\"/>\n" + wall("wall_back", ".01 2.6 1.5", "-.515 0 .7") +
         wall("wall_left", "2.6 .01 1.5", "2.08 -2.6 .7") + wall("wall_right", "2.6 .01 1.5", "2.08 2.6 .7") +
         wall("ground", "2.6 2.6 .01", "2.08 0 -.8") +
         camera("agentview", arena.camera_position, arena.camera_target, arena.camera_fovy_degrees);
}

std::string hand(const Arena& arena) {
  const std::string home = list(arena.home);
  return "<body name=\"mocap\" mocap=\"true\" pos=\"" + home + "\"/>\n<body name=\"hand\" gravcomp=\"1\" pos=\"" +
         home +
         R"("><freejoint name="hand_joint"/>
  <inertial pos="0 0 .06" mass="1" diaginertia=".004 .004 .004"/>
  <geom class="solid" name="palm" type="box" size=".022 .054 .014" pos="0 0 .068" rgba=".93 .93 .95 1" mass="0"/>
  <geom class="paint" type="cylinder" size=".026 .030" pos="0 0 .110" rgba=".30 .32 .36 1" mass="0"/>
  <geom class="paint" type="capsule" size=".020" fromto="0 0 .145 -.06 0 .23" rgba=".85 .85 .88 1" mass="0"/>
  )" + camera("eye_in_hand", {.075, 0, .09}, {0, 0, -.06}, 80) +
         R"(
  <body name="finger_left" gravcomp="1"><joint class="finger" name="finger_left" axis="0 1 0"/>
    <geom class="pad" name="pad_left" pos="0 .004 .020"/></body>
  <body name="finger_right" gravcomp="1"><joint class="finger" name="finger_right" axis="0 -1 0"/>
    <geom class="pad" name="pad_right" pos="0 -.004 .020"/></body>
</body>
)";
}

constexpr const char* kFooter = R"(
<equality>
  <weld body1="mocap" body2="hand" solref=".01 1" solimp=".95 .99 .001"/>
  <joint joint1="finger_left" joint2="finger_right" polycoef="0 1 0 0 0" solref=".01 1" solimp=".95 .99 .001"/>
</equality>
<actuator><position class="finger" joint="finger_left"/><position class="finger" joint="finger_right"/></actuator>
)";

std::string object_body(const std::string& name, const ObjectKind& kind) {
  return "<body name=\"" + name + "\" pos=\"0 0 " + text(kind.bottom) + "\"><freejoint name=\"" + name +
         "_joint\"/>\n" + geoms(kind.parts, "", kind.mass, kind.slippery) + sites(name, kind.places, "") + "</body>\n";
}

std::string fixture_body(const FixturePose& fixture) {
  const auto& kind = *fixture.kind;
  std::string out = "<body name=\"" + fixture.name + "\" pos=\"" + text(fixture.x) + " " + text(fixture.y) + " 0\">\n" +
                    geoms(kind.parts, "", 2) + sites(fixture.name, kind.places, "");
  for (const auto& part : kind.moving) {
    const std::string name = fixture.name + "_" + part.name;
    out += "<body name=\"" + name + "\" gravcomp=\"1\" pos=\"" + list(part.position) + "\"><joint name=\"" + name +
           "\" type=\"" + part.type + "\" axis=\"" + list(part.axis) + "\" range=\"" + text(part.low) + " " +
           text(part.high) + "\" damping=\"" + text(part.damping) + "\" frictionloss=\"" + text(part.friction_loss) +
           "\" armature=\"" + (part.type == "hinge" ? "0.0005" : "0.05") + "\"/>\n" +
           geoms(kind.parts, part.name, part.mass) + sites(fixture.name, kind.places, part.name) + "</body>\n";
  }
  return out + "</body>\n";
}

ModelPtr compile(const std::string& mjcf) {
  char error[1024] = "";
  mjSpec* spec = mj_parseXMLString(mjcf.c_str(), nullptr, error, sizeof error);
  if (!spec) throw std::logic_error(std::string("generated MJCF: ") + error);
  ModelPtr model(mj_compile(spec, nullptr));
  const std::string reason = model ? "" : mjs_getError(spec);
  mj_deleteSpec(spec);
  if (!model) throw std::logic_error("generated MJCF: " + reason);
  return model;
}

// ---- names ---------------------------------------------------------------------------------------------------------

struct PredicateName {
  const char* name;
  Predicate predicate;
  std::size_t arity;
};
constexpr PredicateName kPredicates[] = {{"On", Predicate::kOn, 2},         {"In", Predicate::kIn, 2},
                                         {"Open", Predicate::kOpen, 1},     {"Close", Predicate::kClose, 1},
                                         {"Turnon", Predicate::kTurnOn, 1}, {"Turnoff", Predicate::kTurnOff, 1}};

class SceneBuilder {
 public:
  explicit SceneBuilder(const TaskFile& file) : file_(file), scene_(std::make_shared<Scene>()) { scene_->file = file; }

  std::shared_ptr<const Scene> build() {
    scene_->arena = find_arena(file_.problem);
    if (!scene_->arena) fail(file_, 1, unknown_name("problem", file_.problem, arena_names()));
    declare_objects();
    place_fixtures();
    write_mjcf();
    index_model();
    check_regions();
    resolve_starts();
    for (const auto& atom : file_.goal) scene_->goal.push_back(resolve_goal(atom));
    return scene_;
  }

 private:
  bool is_table(const std::string& name) const { return name == scene_->arena->table; }

  void declare_objects() {
    std::set<std::string> names;
    for (const auto* group : {&file_.fixtures, &file_.objects})
      for (const auto& instance : *group)
        if (!names.insert(instance.name).second)
          fail(file_, instance.line, "\"" + instance.name + "\" is declared twice");
    for (const auto& instance : file_.objects) {
      const auto* kind = find_object_kind(instance.kind);
      if (!kind) fail(file_, instance.line, unknown_name("object kind", instance.kind, object_kind_names()));
      scene_->objects.push_back({instance.name, kind, 0, 0, 0});
    }
    for (const auto& instance : file_.fixtures) {
      if (is_table(instance.name)) continue;
      const auto* kind = find_fixture_kind(instance.kind);
      if (!kind) {
        auto known = fixture_kind_names();
        known.push_back("table, named \"" + scene_->arena->table + "\" in " + file_.problem);
        fail(file_, instance.line, unknown_name("fixture kind", instance.kind, known));
      }
      scene_->fixtures.push_back({instance.name, kind, 0, 0});
    }
  }

  /// A fixture stands in the middle of its region: it is part of the model, not of the state.
  void place_fixtures() {
    for (auto& fixture : scene_->fixtures) {
      const Region* region = nullptr;
      int line = 1;
      for (const auto& atom : file_.init)
        if (atom.predicate == "On" && atom.arguments.size() == 2 && atom.arguments[0] == fixture.name) {
          region = file_.find_region(atom.arguments[1]);
          line = atom.line;
        }
      if (!region || !is_table(region->target) || region->ranges.empty())
        fail(file_, line,
             "fixture \"" + fixture.name + "\" needs (On " + fixture.name + " " + scene_->arena->table +
                 "_REGION) in (:init ...), with a region that has a range");
      const Rectangle& r = region->ranges.front();
      fixture.x = (r.x0 + r.x1) / 2;
      fixture.y = (r.y0 + r.y1) / 2;
    }
  }

  void write_mjcf() {
    const Arena& arena = *scene_->arena;
    std::string world = room(arena) + hand(arena);
    for (const auto& object : scene_->objects) world += object_body(object.name, *object.kind);
    for (const auto& fixture : scene_->fixtures) world += fixture_body(fixture);
    for (const auto& region : file_.regions) {
      if (!is_table(region.target) || region.ranges.empty()) continue;
      const Rectangle& r = region.ranges.front();
      world += "<site name=\"" + region.name + "\" type=\"box\" size=\"" + text(std::max(.001, (r.x1 - r.x0) / 2)) +
               " " + text(std::max(.001, (r.y1 - r.y0) / 2)) + " .002\" pos=\"" + text((r.x0 + r.x1) / 2) + " " +
               text((r.y0 + r.y1) / 2) + " 0\" rgba=\"0 0 0 0\"/>\n";
    }
    // MuJoCo lets a part collide with the fixed body that carries it; drawers here run without a rail's play.
    std::string excluded = "<exclude body1=\"finger_left\" body2=\"finger_right\"/>\n";
    for (const auto& fixture : scene_->fixtures)
      for (const auto& part : fixture.kind->moving)
        excluded += "<exclude body1=\"" + fixture.name + "\" body2=\"" + fixture.name + "_" + part.name + "\"/>\n";
    scene_->mjcf = "<mujoco model=\"" + file_.problem + "\">" + kHeader + assets() + "<worldbody>\n" + world +
                   "</worldbody>\n<contact>\n" + excluded + "</contact>\n" + kFooter + "</mujoco>\n";
    scene_->model = std::shared_ptr<const mjModel>(compile(scene_->mjcf).release(), ModelDeleter{});
  }

  int id(mjtObj type, const std::string& name) const {
    const int found = mj_name2id(scene_->model.get(), type, name.c_str());
    if (found < 0) throw std::logic_error("generated MJCF lacks " + name);
    return found;
  }

  void index_model() {
    const mjModel* m = scene_->model.get();
    auto& hand = scene_->hand;
    hand.body = id(mjOBJ_BODY, "hand");
    hand.mocap = m->body_mocapid[id(mjOBJ_BODY, "mocap")];
    const int free = id(mjOBJ_JOINT, "hand_joint");
    hand.qpos = m->jnt_qposadr[free];
    hand.qvel = m->jnt_dofadr[free];
    hand.finger_qpos[0] = m->jnt_qposadr[id(mjOBJ_JOINT, "finger_left")];
    hand.finger_qpos[1] = m->jnt_qposadr[id(mjOBJ_JOINT, "finger_right")];
    hand.finger_body[0] = id(mjOBJ_BODY, "finger_left");
    hand.finger_body[1] = id(mjOBJ_BODY, "finger_right");
    hand.agent_camera = id(mjOBJ_CAMERA, "agentview");
    hand.wrist_camera = id(mjOBJ_CAMERA, "eye_in_hand");
    hand.table_geom = id(mjOBJ_GEOM, "table");
    const char* walls[] = {"wall_back", "wall_left", "wall_right", "ground"};
    for (int i = 0; i < 4; ++i) hand.wall_geom[i] = id(mjOBJ_GEOM, walls[i]);
    hand.key_light = id(mjOBJ_LIGHT, "key");
    for (int i = 0; i < static_cast<int>(scene_->objects.size()); ++i) {
      auto& object = scene_->objects[i];
      const int joint = id(mjOBJ_JOINT, object.name + "_joint");
      object.body = id(mjOBJ_BODY, object.name);
      object.qpos = m->jnt_qposadr[joint];
      object.qvel = m->jnt_dofadr[joint];
      for (const auto& place : object.kind->places)
        scene_->places.push_back({object.name + "_" + place.name, place.inside,
                                  id(mjOBJ_SITE, object.name + "_" + place.name), object.body, i});
    }
    for (const auto& fixture : scene_->fixtures) {
      const int body = id(mjOBJ_BODY, fixture.name);
      const int first = static_cast<int>(scene_->joints.size());
      for (const auto& part : fixture.kind->moving) {
        const std::string name = fixture.name + "_" + part.name;
        const int joint = id(mjOBJ_JOINT, name);
        scene_->joints.push_back(
            {name, fixture.kind, &part, body, id(mjOBJ_BODY, name), m->jnt_qposadr[joint], m->jnt_dofadr[joint]});
      }
      for (const auto& place : fixture.kind->places) {
        ScenePlace out{fixture.name + "_" + place.name, place.inside, id(mjOBJ_SITE, fixture.name + "_" + place.name),
                       body};
        for (int j = first; j < static_cast<int>(scene_->joints.size()); ++j)
          if (scene_->joints[j].part->name == place.joint_group) {
            out.joint = j;
            out.carrier = scene_->joints[j].body;
          }
        scene_->places.push_back(out);
      }
    }
    for (const auto& region : file_.regions)
      if (is_table(region.target) && !region.ranges.empty()) {
        ScenePlace place{region.name, false, id(mjOBJ_SITE, region.name), 0};
        place.on_table = true;
        scene_->places.push_back(place);
      }
  }

  int object_index(const std::string& name) const {
    for (int i = 0; i < static_cast<int>(scene_->objects.size()); ++i)
      if (scene_->objects[i].name == name) return i;
    return -1;
  }
  int place_index(const std::string& name) const {
    for (int i = 0; i < static_cast<int>(scene_->places.size()); ++i)
      if (scene_->places[i].name == name) return i;
    return -1;
  }
  std::vector<std::string> known_names() const {
    std::vector<std::string> out;
    for (const auto& object : scene_->objects) out.push_back(object.name);
    for (const auto& fixture : scene_->fixtures) out.push_back(fixture.name);
    for (const auto& place : scene_->places) out.push_back(place.name);
    return out;
  }

  void check_regions() const {
    for (const auto& region : file_.regions) {
      if (is_table(region.target)) {
        if (region.ranges.empty())
          fail(file_, region.line, "region \"" + region.name + "\" on the table needs (:ranges ...)");
        for (const auto& r : region.ranges)
          if (r.x0 < -.5 || r.x1 > .5 || r.y0 < -.6 || r.y1 > .6)
            fail(file_, region.line,
                 "region \"" + region.name + "\" leaves the table, which is x -0.5 to 0.5, y -0.6 to 0.6");
        continue;
      }
      auto targets = known_names();
      targets.push_back(scene_->arena->table);
      bool known = false;
      for (const auto* group : {&file_.objects, &file_.fixtures})
        for (const auto& instance : *group) known = known || instance.name == region.target;
      if (!known) fail(file_, region.line, unknown_name("region target", region.target, targets));
      if (place_index(region.name) < 0) fail(file_, region.line, unknown_name("place", region.name, known_names()));
    }
  }

  void resolve_starts() {
    std::vector<bool> placed(scene_->objects.size(), false);
    for (const auto& atom : file_.init) {
      const bool places = atom.predicate == "On" || atom.predicate == "In";
      if (!places) {
        const GoalAtom state = resolve_goal(atom);
        const auto& part = *scene_->joints[state.joint].part;
        const bool far = state.predicate == Predicate::kOpen || state.predicate == Predicate::kTurnOn;
        const double value =
            part.is_switch ? (far ? part.on_from + .1 : part.initial) : (far ? part.low + .005 : part.initial);
        scene_->joint_starts.emplace_back(state.joint, value);
        continue;
      }
      if (atom.arguments.size() != 2) fail(file_, atom.line, "(" + atom.predicate + " ...) takes 2 arguments");
      bool is_fixture = false;
      for (const auto& fixture : scene_->fixtures) is_fixture = is_fixture || fixture.name == atom.arguments[0];
      if (is_fixture) continue;
      Start start{object_index(atom.arguments[0])};
      if (start.object < 0) fail(file_, atom.line, unknown_name("object", atom.arguments[0], known_names()));
      if (placed[start.object]) fail(file_, atom.line, "\"" + atom.arguments[0] + "\" is placed twice");
      placed[start.object] = true;
      for (std::size_t r = 0; r < file_.regions.size(); ++r)
        if (file_.regions[r].name == atom.arguments[1] && is_table(file_.regions[r].target))
          start.region = static_cast<int>(r);
      if (start.region < 0) {
        start.support_object = object_index(atom.arguments[1]);
        if (start.support_object < 0) start.support_place = place_index(atom.arguments[1]);
        if (start.support_object < 0 && start.support_place < 0)
          fail(file_, atom.line, unknown_name("object or region", atom.arguments[1], known_names()));
        if (start.support_object >= 0 && !placed[start.support_object])
          fail(file_, atom.line, "\"" + atom.arguments[1] + "\" must be placed before what stands on it");
      }
      scene_->starts.push_back(start);
    }
    for (std::size_t i = 0; i < placed.size(); ++i)
      if (!placed[i])
        fail(file_, file_.objects[i].line,
             "\"" + file_.objects[i].name + "\" is placed nowhere; add (On " + file_.objects[i].name +
                 " REGION) to (:init ...)");
  }

  GoalAtom resolve_goal(const Atom& atom) const {
    const PredicateName* predicate = nullptr;
    std::vector<std::string> known;
    GoalAtom out{};
    out.text = "(" + atom.predicate;
    for (const auto& argument : atom.arguments) out.text += " " + argument;
    out.text += ")";
    for (const auto& p : kPredicates) {
      known.push_back(p.name);
      if (atom.predicate == p.name) predicate = &p;
    }
    if (!predicate) fail(file_, atom.line, unknown_name("predicate", atom.predicate, known));
    if (atom.arguments.size() != predicate->arity)
      fail(file_, atom.line,
           out.text + ": " + atom.predicate + " takes " + std::to_string(predicate->arity) + " argument(s)");
    out.predicate = predicate->predicate;
    if (predicate->arity == 2) {
      out.object = object_index(atom.arguments[0]);
      if (out.object < 0) fail(file_, atom.line, unknown_name("object", atom.arguments[0], known_names()));
      out.place = place_index(atom.arguments[1]);
      if (out.predicate == Predicate::kOn) out.other = object_index(atom.arguments[1]);
      if (out.place < 0 && out.other < 0)
        fail(file_, atom.line, unknown_name("object or region", atom.arguments[1], known_names()));
      if (out.place >= 0 && (out.predicate == Predicate::kIn) != scene_->places[out.place].inside)
        fail(file_, atom.line,
             out.text + ": use " + (scene_->places[out.place].inside ? "In" : "On") + " for \"" + atom.arguments[1] +
                 "\"");
      return out;
    }
    // A region of a fixture stands for its joint, as in LIBERO; the fixture's own name for its only joint.
    const bool is_switch = out.predicate == Predicate::kTurnOn || out.predicate == Predicate::kTurnOff;
    for (int j = 0; j < static_cast<int>(scene_->joints.size()); ++j) {
      const auto& joint = scene_->joints[j];
      const bool own = joint.name == atom.arguments[0] + "_" + joint.part->name;
      const int place = place_index(atom.arguments[0]);
      const bool by_region = place >= 0 && scene_->places[place].joint == j;
      if ((own || by_region) && joint.part->is_switch == is_switch) out.joint = j;
    }
    if (out.joint < 0) {
      std::vector<std::string> fitting;
      for (const auto& place : scene_->places)
        if (place.joint >= 0 && scene_->joints[place.joint].part->is_switch == is_switch) fitting.push_back(place.name);
      for (const auto& joint : scene_->joints)
        if (joint.part->is_switch == is_switch && is_switch)
          fitting.push_back(joint.name.substr(0, joint.name.size() - joint.part->name.size() - 1));
      fail(file_, atom.line, out.text + ": " + unknown_name("thing to " + atom.predicate, atom.arguments[0], fitting));
    }
    return out;
  }

  const TaskFile& file_;
  std::shared_ptr<Scene> scene_;
};

}  // namespace

std::shared_ptr<const Scene> build_scene(const TaskFile& file) {
  return SceneBuilder(file).build();
}

bool touching(const mjModel* model, const mjData* data, int body_a, int body_b) {
  for (int i = 0; i < data->ncon; ++i) {
    const mjContact& contact = data->contact[i];
    if (contact.geom[0] < 0 || contact.geom[1] < 0 || contact.dist > 0) continue;
    const int a = model->geom_bodyid[contact.geom[0]], b = model->geom_bodyid[contact.geom[1]];
    if ((a == body_a && b == body_b) || (a == body_b && b == body_a)) return true;
  }
  return false;
}

bool holds(const Scene& scene, const GoalAtom& atom, const mjData* data) {
  const mjModel* m = scene.model.get();
  switch (atom.predicate) {
    case Predicate::kOn:
    case Predicate::kIn: {
      const int body = scene.objects[atom.object].body;
      const mjtNum* a = data->xpos + 3 * body;
      if (atom.other >= 0) {
        const int other = scene.objects[atom.other].body;
        const mjtNum* b = data->xpos + 3 * other;
        return b[2] <= a[2] && std::hypot(a[0] - b[0], a[1] - b[1]) < .03 && touching(m, data, body, other);
      }
      const auto& place = scene.places[atom.place];
      const mjtNum* size = m->site_size + 3 * place.site;
      const mjtNum* at = data->site_xpos + 3 * place.site;
      const mjtNum offset[3] = {a[0] - at[0], a[1] - at[1], a[2] - at[2]};
      mjtNum local[3];
      mju_mulMatTVec3(local, data->site_xmat + 9 * place.site, offset);
      if (std::abs(local[0]) >= size[0] || std::abs(local[1]) >= size[1]) return false;
      if (place.inside) return std::abs(local[2]) < size[2];
      return local[2] > size[2] - .005 && local[2] < size[2] + .10 && touching(m, data, body, place.carrier);
    }
    case Predicate::kOpen:
      return data->qpos[scene.joints[atom.joint].qpos] < scene.joints[atom.joint].part->open_below;
    case Predicate::kClose:
      return data->qpos[scene.joints[atom.joint].qpos] > scene.joints[atom.joint].part->closed_above;
    case Predicate::kTurnOn:
      return data->qpos[scene.joints[atom.joint].qpos] >= scene.joints[atom.joint].part->on_from;
    case Predicate::kTurnOff:
      return data->qpos[scene.joints[atom.joint].qpos] < scene.joints[atom.joint].part->off_below;
  }
  return false;
}

bool goal_reached(const Scene& scene, const mjData* data) {
  for (const auto& atom : scene.goal)
    if (!holds(scene, atom, data)) return false;
  return true;
}

bool seen_at(const mjModel* model, const mjData* data, int camera, const mjtNum point[3], float at[2]) {
  // From the body's pose: cam_xpos is not computed by mj_kinematics.
  const int body = model->cam_bodyid[camera];
  mjtNum in_body[9], turn[9], position[3], offset[3], local[3];
  mju_quat2Mat(in_body, model->cam_quat + 4 * camera);
  mju_mulMatMat(turn, data->xmat + 9 * body, in_body, 3, 3, 3);
  mju_mulMatVec3(position, data->xmat + 9 * body, model->cam_pos + 3 * camera);
  mju_addTo3(position, data->xpos + 3 * body);
  mju_sub3(offset, point, position);
  mju_mulMatTVec3(local, turn, offset);  // x right, y up, looking along −z
  if (local[2] > -1e-3) return false;
  const double focus = .5 / std::tan(model->cam_fovy[camera] * mjPI / 360);
  // OpenGL's first row is the lowest; half a turn leaves rows from the top and mirrors columns.
  at[0] = static_cast<float>(.5 + focus * local[0] / local[2]);
  at[1] = static_cast<float>(.5 + focus * local[1] / local[2]);
  return true;
}

int libero_state_size(const mjModel* model) {
  return static_cast<int>(1 + model->nq + model->nv);
}

}  // namespace pionbench::vla
