#include "experiments/vla/sim/kinds.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pionbench::vla {
namespace {

using std::numbers::pi;
using Rgba = std::array<float, 4>;

// Told apart by hue first: at 48 pixels the agent view shows an object as 3 to 6 pixels.
constexpr Rgba kRed{.86F, .10F, .08F, 1}, kCrimson{.50F, .02F, .16F, 1}, kPink{.96F, .30F, .62F, 1},
    kBlack{.07F, .07F, .09F, 1}, kGreen{.08F, .55F, .15F, 1}, kBlue{.15F, .40F, .92F, 1}, kYellow{.97F, .86F, .08F, 1},
    kWhite{.96F, .96F, .97F, 1}, kBrown{.36F, .19F, .08F, 1}, kOrange{1.F, .50F, .04F, 1}, kSteel{.55F, .58F, .62F, 1},
    kCream{.93F, .88F, .76F, 1}, kTeal{.05F, .62F, .62F, 1}, kPurple{.34F, .10F, .46F, 1}, kWood{.47F, .29F, .15F, 1},
    kLightWood{.62F, .42F, .24F, 1}, kDarkGrey{.16F, .16F, .18F, 1};

/// Parts for cans, boxes, bottles, mugs and bowls; `h` is the whole height. The origin is the middle, except of
/// bowls, whose origin lies near the bottom so that what lies in them is above it (LIBERO's On).
ObjectKind can(std::string name, std::string words, std::string looks, double r, double h, Rgba body, Rgba band) {
  ObjectKind k{.name = std::move(name), .words = std::move(words), .looks = std::move(looks)};
  k.bottom = h / 2, k.height = h, k.footprint = r;
  k.grasp_height = std::max(.016, h - .030), k.grasp_width = 2 * r;
  k.parts = {{"cylinder", {r, h / 2}, {}, body},
             {"cylinder", {r + .0006, h / 7}, {}, band, false},
             {"cylinder", {r * .8, .0006}, {0, 0, h / 2}, band, false}};
  return k;
}

ObjectKind carton(std::string name, std::string words, std::string looks, double x, double y, double h, Rgba body,
                  Rgba band) {
  ObjectKind k{.name = std::move(name), .words = std::move(words), .looks = std::move(looks)};
  k.bottom = h / 2, k.height = h, k.footprint = std::hypot(x, y);
  k.grasp_height = std::max(.016, h - .030), k.grasp_width = 2 * y;
  k.grasp_symmetry = x == y ? pi / 2 : pi;
  k.parts = {{"box", {x, y, h / 2}, {}, body}, {"box", {x * .35, y + .0006, h / 2 + .0006}, {}, band, false}};
  return k;
}

ObjectKind bottle(std::string name, std::string words, std::string looks, double r, double h, Rgba body, Rgba cap) {
  ObjectKind k{.name = std::move(name), .words = std::move(words), .looks = std::move(looks)};
  const double shoulder = .72 * h;  // the cylinder below the neck
  k.bottom = h / 2, k.height = h, k.footprint = r;
  k.grasp_height = .62 * shoulder, k.grasp_width = 2 * r;
  k.parts = {{"cylinder", {r, shoulder / 2}, {0, 0, (shoulder - h) / 2}, body},
             {"cylinder", {r * .55, (h - shoulder) / 2}, {0, 0, shoulder / 2}, cap}};
  return k;
}

/// An eight-sided wall on a disc; flat sides face ±x and ±y, where the fingers close.
ObjectKind bowl(std::string name, std::string words, std::string looks, double r, double h, Rgba outside, Rgba inside) {
  ObjectKind k{.name = std::move(name), .words = std::move(words), .looks = std::move(looks)};
  constexpr double kWall = .003, kFloor = .003, kOrigin = .008;
  k.bottom = kOrigin, k.height = h, k.footprint = r;
  k.grasp_height = std::max(.016, h - .012), k.grasp_width = 2 * r, k.grasp_symmetry = pi / 4;
  const double half = (r - kWall) * std::tan(pi / 8);
  k.parts.push_back({"cylinder", {r * .93, kFloor}, {0, 0, kFloor - kOrigin}, outside});
  k.parts.push_back({"cylinder", {r * .88, .0005}, {0, 0, 2 * kFloor - kOrigin}, inside, false});
  for (int i = 0; i < 8; ++i) {
    const double a = i * pi / 4;
    k.parts.push_back({"box",
                       {kWall, half + .001, h / 2},
                       {(r - kWall) * std::cos(a), (r - kWall) * std::sin(a), h / 2 - kOrigin},
                       outside,
                       true,
                       a});
  }
  k.places = {{"contain_region", {0, 0, h / 2 - kOrigin}, {r * .72, r * .72, h / 2 + .004}, true}};
  return k;
}

ObjectKind mug(std::string name, std::string words, std::string looks, Rgba body, Rgba lower, Rgba inside) {
  constexpr double kR = .023, kH = .048;
  ObjectKind k{.name = std::move(name), .words = std::move(words), .looks = std::move(looks)};
  k.bottom = kH / 2, k.height = kH, k.footprint = .036;
  k.grasp_height = .022, k.grasp_width = 2 * kR, k.grasp_symmetry = pi;
  k.parts = {{"cylinder", {kR, kH / 2}, {}, body},
             {"cylinder", {kR + .0006, kH / 4}, {0, 0, -kH / 4 + .0004}, lower, false},
             {"cylinder", {kR * .8, .0006}, {0, 0, kH / 2}, inside, false},
             {"box", {.006, .004, .012}, {kR + .005, 0, 0}, body}};
  return k;
}

ObjectKind plate(std::string name, std::string words, std::string looks, double r, Rgba rim, Rgba disc) {
  ObjectKind k{.name = std::move(name), .words = std::move(words), .looks = std::move(looks)};
  constexpr double kHalf = .004;
  k.bottom = kHalf, k.height = 2 * kHalf, k.footprint = r, k.mass = .3;
  // Glazed. Under friction 1 a sliding disc is thrown up (the solver's cones let sliding contacts part): pushed at
  // 0.36 m/s it hops 25 mm, with .3 less than 1 mm.
  k.slippery = .3;
  k.parts = {{"cylinder", {r, kHalf}, {}, rim}, {"cylinder", {r * .72, .0005}, {0, 0, kHalf}, disc, false}};
  return k;
}

ObjectKind basket() {
  ObjectKind k{.name = "basket", .words = "basket", .looks = "brown basket"};
  constexpr double kSide = .080, kWall = .004, kHeight = .040, kFloor = .003;
  k.bottom = kFloor, k.height = kHeight, k.footprint = .113, k.mass = 1.5;
  k.parts = {{"box", {kSide, kSide, kFloor}, {}, kBrown},
             {"box", {kWall, kSide, kHeight / 2}, {kSide - kWall, 0, kHeight / 2 - kFloor}, kLightWood},
             {"box", {kWall, kSide, kHeight / 2}, {kWall - kSide, 0, kHeight / 2 - kFloor}, kLightWood},
             {"box", {kSide, kWall, kHeight / 2}, {0, kSide - kWall, kHeight / 2 - kFloor}, kLightWood},
             {"box", {kSide, kWall, kHeight / 2}, {0, kWall - kSide, kHeight / 2 - kFloor}, kLightWood}};
  k.places = {{"contain_region", {0, 0, .030 - kFloor}, {kSide - kWall, kSide - kWall, .030}, true}};
  return k;
}

ObjectKind moka_pot() {
  ObjectKind k{.name = "moka_pot", .words = "moka pot", .looks = "steel coffee pot"};
  constexpr double kR = .023, kH = .062;
  k.bottom = kH / 2, k.height = kH, k.footprint = .038;
  k.grasp_height = kH - .030, k.grasp_width = 2 * kR, k.grasp_symmetry = pi;
  k.parts = {{"cylinder", {kR, kH / 2}, {}, kSteel},
             {"cylinder", {kR * .85, .003}, {0, 0, kH / 2}, kDarkGrey, false},
             {"box", {.007, .004, .015}, {kR + .006, 0, .004}, kBlack}};
  return k;
}

/// Six coloured faces.
ObjectKind cube() {
  ObjectKind k{.name = "rubiks_cube", .words = "cube", .looks = "coloured puzzle cube"};
  constexpr double kHalf = .0225, kFace = .019;
  k.bottom = kHalf, k.height = 2 * kHalf, k.footprint = kHalf * 1.42, k.mass = .1;
  k.grasp_height = kHalf, k.grasp_width = 2 * kHalf, k.grasp_symmetry = pi / 2;
  k.parts = {{"box", {kHalf, kHalf, kHalf}, {}, kBlack},
             {"box", {kFace, kFace, .0004}, {0, 0, kHalf}, kWhite, false},
             {"box", {kFace, kFace, .0004}, {0, 0, -kHalf}, kYellow, false},
             {"box", {.0004, kFace, kFace}, {kHalf, 0, 0}, kRed, false},
             {"box", {.0004, kFace, kFace}, {-kHalf, 0, 0}, kOrange, false},
             {"box", {kFace, .0004, kFace}, {0, kHalf, 0}, kBlue, false},
             {"box", {kFace, .0004, kFace}, {0, -kHalf, 0}, kGreen, false}};
  return k;
}

/// Lies along its x axis; the fingers close across it.
ObjectKind cucumber() {
  ObjectKind k{.name = "cucumber", .words = "cucumber", .looks = "long green vegetable"};
  constexpr double kR = .0145, kHalf = .034;
  k.bottom = kR, k.height = 2 * kR, k.footprint = kHalf + kR, k.mass = .12;
  k.grasp_height = .016, k.grasp_width = 2 * kR, k.grasp_symmetry = pi;
  k.parts = {{"capsule", {kR, kHalf}, {}, kGreen, true, 0, pi / 2},
             {"box", {kHalf, .002, .0004}, {0, 0, kR}, {.45F, .75F, .25F, 1}, false},
             // Two runners keep it from rolling off, as the unevenness of a real one does.
             {"box", {kHalf * .8, kR * .7, .002}, {0, 0, -kR + .002}, kGreen}};
  return k;
}

std::vector<ObjectKind> make_object_kinds() {
  std::vector<ObjectKind> kinds = {
      can("alphabet_soup", "alphabet soup", "red can", .023, .052, kRed, kWhite),
      carton("cream_cheese", "cream cheese", "flat blue box", .024, .017, .026, kBlue, kWhite),
      bottle("salad_dressing", "salad dressing", "green bottle", .019, .082, kGreen, kWhite),
      bottle("bbq_sauce", "bbq sauce", "black bottle", .020, .076, kBlack, kOrange),
      bottle("ketchup", "ketchup", "pink bottle", .020, .078, kPink, kWhite),
      can("tomato_sauce", "tomato sauce", "dark red can", .022, .046, kCrimson, kGreen),
      carton("butter", "butter", "flat yellow box", .030, .018, .028, kYellow, kOrange),
      carton("milk", "milk", "white carton", .019, .019, .074, kWhite, kBlue),
      carton("chocolate_pudding", "chocolate pudding", "flat brown box", .028, .020, .026, kBrown, kCream),
      carton("orange_juice", "orange juice", "orange carton", .020, .020, .070, kOrange, kGreen),
      bowl("akita_black_bowl", "black bowl", "round dark dish", .033, .032, kBlack, kDarkGrey),
      plate("plate", "plate", "white plate", .058, kWhite, {.72F, .80F, .90F, 1}),
      can("ramekin", "ramekin", "small cream pot", .026, .026, kCream, kCream),
      carton("cookies", "cookie box", "teal box", .036, .036, .022, kTeal, kWhite),
      bottle("wine_bottle", "wine bottle", "purple bottle", .019, .088, kPurple, kBlack),
      moka_pot(),
      mug("white_mug", "white mug", "white cup", kWhite, kWhite, {.80F, .84F, .88F, 1}),
      mug("yellow_white_mug", "yellow and white mug", "two-coloured cup", kYellow, kWhite, {.72F, .58F, .02F, 1}),
      basket(),
      cucumber(),
      cube(),
      bowl("serving_bowl", "bowl", "wide blue bowl", .066, .034, {.20F, .32F, .62F, 1}, {.80F, .85F, .95F, 1}),
  };
  for (auto& kind : kinds)
    if (kind.name == "serving_bowl" || kind.name == "ramekin" || kind.name == "cookies") kind.mass = .4;
  for (auto& kind : kinds)
    if (kind.name == "serving_bowl" || kind.name == "cookies") kind.grasp_width = 0;  // wider than the hand opens
  return kinds;
}

/// Two drawers above each other. A fin on each front is what the fingers take; the lower one stands to the side, so
/// that a hand coming from above passes the upper one.
FixtureKind wooden_cabinet() {
  FixtureKind k{.name = "wooden_cabinet", .words = "cabinet", .looks = "brown chest"};
  constexpr double kX = .10, kY = .115, kH = .16, kWall = .006;
  k.half_extent = {kX, kY}, k.height = kH;
  k.parts = {{"box", {kX, kY, kWall}, {0, 0, kWall}, kWood},
             {"box", {kX, kY, kWall}, {0, 0, kH / 2}, kWood},
             {"box", {kX, kY, kWall}, {0, 0, kH - kWall}, kLightWood},
             {"box", {kWall, kY, kH / 2}, {kWall - kX, 0, kH / 2}, kWood},
             {"box", {kX, kWall, kH / 2}, {0, kY - kWall, kH / 2}, kWood},
             {"box", {kX, kWall, kH / 2}, {0, kWall - kY, kH / 2}, kWood}};
  struct Drawer {
    const char* name;
    double z, fin_y;
    Rgba front;
  };
  for (const Drawer& d : {Drawer{"top", .120, -.045, kLightWood}, Drawer{"bottom", .041, .050, kWood}}) {
    const std::string joint = std::string(d.name) + "_drawer";
    constexpr double kInner = .098, kSide = .003, kHalfZ = .028;
    const double front = kX - .006;
    MovingPart m{.name = joint, .type = "slide"};
    m.position = {0, 0, d.z}, m.axis = {-1, 0, 0};  // LIBERO's sign: open is negative
    m.low = -.16, m.high = .01, m.initial = .008;
    m.damping = 4, m.friction_loss = .6, m.mass = .35;
    m.open_below = -.14, m.closed_above = 0;
    m.handle = {kX + .028, d.fin_y, 0}, m.opening_direction = {1, 0, 0};
    k.moving.push_back(m);
    const auto add = [&](std::array<double, 3> size, std::array<double, 3> at, Rgba rgba) {
      Part part{"box", size, at, rgba};
      part.joint_group = joint;
      k.parts.push_back(part);
    };
    add({.006, kY - .002, kHalfZ + .004}, {front, 0, 0}, d.front);
    add({.086, kInner, .003}, {.002, 0, -kHalfZ + .003}, kCream);
    add({.086, kSide, kHalfZ - .006}, {.002, kInner - kSide, -.004}, kWood);
    add({.086, kSide, kHalfZ - .006}, {.002, kSide - kInner, -.004}, kWood);
    add({.003, kInner, kHalfZ - .006}, {-.081, 0, -.004}, kWood);
    add({.021, .006, .012}, {kX + .021, d.fin_y, 0}, kSteel);
    k.places.push_back(
        {std::string(d.name) + "_region", {.004, 0, -.004}, {.076, kInner - .008, kHalfZ + .006}, true, joint});
  }
  k.places.push_back({"top_side", {0, 0, kH}, {kX - .01, kY - .01, .002}, false});
  return k;
}

FixtureKind flat_stove() {
  FixtureKind k{.name = "flat_stove", .words = "stove", .looks = "grey cooker with the red plate"};
  constexpr double kHalf = .075, kH = .02;
  k.half_extent = {kHalf, kHalf}, k.height = kH;
  k.parts = {{"box", {kHalf, kHalf, kH / 2}, {0, 0, kH / 2}, {.32F, .34F, .37F, 1}},
             {"cylinder", {.048, .0006}, {0, 0, kH}, kBlack, false},
             {"cylinder", {.036, .0009}, {0, 0, kH}, {.62F, .12F, .06F, 1}, false},
             {"box", {.020, .020, kH / 2}, {kHalf + .018, 0, kH / 2}, {.32F, .34F, .37F, 1}}};
  MovingPart m{.name = "knob", .type = "hinge"};
  m.position = {kHalf + .018, 0, kH}, m.axis = {0, 0, 1};
  m.low = -.02, m.high = 1.3, m.initial = -.01;
  m.damping = .01, m.friction_loss = .01, m.mass = .08;
  m.on_from = .5, m.off_below = 0, m.is_switch = true;
  m.handle = {.044, 0, .014}, m.opening_direction = {0, 1, 0};
  k.moving = {m};
  Part hub{"cylinder", {.012, .010}, {0, 0, .011}, kSteel};
  Part lever{"box", {.026, .006, .011}, {.030, 0, .013}, kRed};
  hub.joint_group = lever.joint_group = "knob";
  k.parts.push_back(hub);
  k.parts.push_back(lever);
  k.places = {{"cook_region", {0, 0, kH}, {.055, .055, .002}, false}};
  return k;
}

std::vector<Arena> make_arenas() {
  // Candidates; an arrangement uses those that keep clear of what else stands there.
  const auto around = [](const std::vector<std::array<double, 2>>& centres) {
    std::vector<std::array<double, 4>> out;
    constexpr double kHalf = .012;
    for (const auto& [x, y] : centres) out.push_back({x - kHalf, y - kHalf, x + kHalf, y + kHalf});
    return out;
  };
  const auto open_floor = around({{-.175, -.21},
                                  {-.175, -.11},
                                  {-.175, -.01},
                                  {-.175, .09},
                                  {0, -.225},
                                  {0, -.11},
                                  {0, .02},
                                  {.175, -.185},
                                  {.175, -.11},
                                  {.175, -.01},
                                  {.175, .09}});
  const auto before_cabinet = around({{.195, -.205},
                                      {.195, -.16},
                                      {.195, -.08},
                                      {.195, 0},
                                      {.195, .08},
                                      {.195, .16},
                                      {.195, .215},
                                      {.05, -.225},
                                      {-.08, -.235},
                                      {.05, .24},
                                      {-.30, .08},
                                      {-.30, .16},
                                      {-.30, .24}});
  const Arena floor{
      "LIBERO_Floor_Manipulation",       "floor",     "sand", "wall_white", {.50, .03, .62}, {0, .03, .03}, 40,
      {-.22, .20, -.25, .28, .014, .28}, {0, 0, .19}, .13,    open_floor};
  const Arena tabletop{"LIBERO_Tabletop_Manipulation",
                       "main_table",
                       "linen",
                       "wall_white",
                       {.60, .025, .72},
                       {-.085, .025, .03},
                       37,
                       {-.36, .22, -.28, .30, .014, .36},
                       {.05, .02, .24},
                       .23,
                       before_cabinet};
  Arena kitchen = tabletop, living_room = floor, bench = floor;
  kitchen.problem = "LIBERO_Kitchen_Tabletop_Manipulation", kitchen.table = "kitchen_table";
  kitchen.table_material = "slate", kitchen.wall_material = "wall_blue";
  living_room.problem = "LIBERO_Living_Room_Tabletop_Manipulation", living_room.table = "living_room_table";
  living_room.table_material = "oak", living_room.wall_material = "wall_cream";
  bench.problem = "Robot_Bench", bench.table = "bench", bench.table_material = "bench_grey",
  bench.wall_material = "wall_grey";
  return {floor, tabletop, kitchen, living_room, bench};
}

std::vector<Material> make_materials() {
  return {
      {"sand", "flat", {.74, .70, .63}, {.74, .70, .63}},
      {"linen", "flat", {.78, .75, .70}, {.78, .75, .70}},
      {"slate", "flat", {.60, .64, .66}, {.60, .64, .66}},
      {"oak", "gradient", {.80, .66, .48}, {.70, .56, .40}},
      {"bench_grey", "flat", {.70, .71, .72}, {.70, .71, .72}},
      // Tables that only the Background perturbation shows.
      {"walnut", "gradient", {.46, .33, .24}, {.36, .25, .18}},
      {"marble", "checker", {.88, .88, .90}, {.78, .79, .83}},
      {"tiles", "checker", {.70, .78, .74}, {.52, .64, .60}},
      {"plaid", "checker", {.82, .60, .58}, {.90, .80, .74}},
      {"denim", "flat", {.36, .46, .62}, {.36, .46, .62}},
      {"moss", "flat", {.52, .60, .42}, {.52, .60, .42}},
      {"brick_red", "flat", {.68, .44, .38}, {.68, .44, .38}},
      {"charcoal", "flat", {.34, .34, .36}, {.34, .34, .36}},
      {"wall_white", "flat", {.86, .86, .85}, {.86, .86, .85}, true},
      {"wall_blue", "flat", {.66, .74, .82}, {.66, .74, .82}, true},
      {"wall_cream", "flat", {.88, .83, .72}, {.88, .83, .72}, true},
      {"wall_grey", "flat", {.58, .58, .60}, {.58, .58, .60}, true},
      {"wall_green", "flat", {.56, .72, .60}, {.56, .72, .60}, true},
      {"wall_brick", "checker", {.66, .38, .32}, {.58, .33, .28}, true},
      {"wall_stripes", "checker", {.82, .78, .60}, {.66, .60, .46}, true},
      {"wall_dark", "flat", {.26, .27, .32}, {.26, .27, .32}, true},
  };
}

template <typename Kind>
const Kind* find_named(const std::vector<Kind>& kinds, const std::string& name) {
  const auto it = std::ranges::find(kinds, name, &Kind::name);
  return it == kinds.end() ? nullptr : &*it;
}

template <typename Kind>
std::vector<std::string> names_of(const std::vector<Kind>& kinds) {
  std::vector<std::string> out;
  for (const auto& kind : kinds) out.push_back(kind.name);
  return out;
}

}  // namespace

const std::vector<ObjectKind>& object_kinds() {
  static const auto kKinds = make_object_kinds();
  return kKinds;
}

const std::vector<FixtureKind>& fixture_kinds() {
  static const std::vector<FixtureKind> kKinds = {wooden_cabinet(), flat_stove()};
  return kKinds;
}

const std::vector<Arena>& arenas() {
  static const auto kArenas = make_arenas();
  return kArenas;
}

const std::vector<Material>& materials() {
  static const auto kMaterials = make_materials();
  return kMaterials;
}

const ObjectKind* find_object_kind(const std::string& name) {
  return find_named(object_kinds(), name);
}

const FixtureKind* find_fixture_kind(const std::string& name) {
  return find_named(fixture_kinds(), name);
}

const Arena* find_arena(const std::string& problem) {
  const auto it = std::ranges::find(arenas(), problem, &Arena::problem);
  return it == arenas().end() ? nullptr : &*it;
}

std::vector<std::string> object_kind_names() {
  return names_of(object_kinds());
}

std::vector<std::string> fixture_kind_names() {
  return names_of(fixture_kinds());
}

std::vector<std::string> arena_names() {
  std::vector<std::string> out;
  for (const auto& arena : arenas()) out.push_back(arena.problem);
  return out;
}

}  // namespace pionbench::vla
