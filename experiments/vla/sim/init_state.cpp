#include "experiments/vla/sim/init_state.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "experiments/vla/sim/random.h"

namespace pionbench::vla {
namespace {

constexpr double kHandJitter = .01;
constexpr double kClearance = .004;    // between footprints, so that nothing touches at the start
constexpr double kStackJitter = .003;  // of an object on another: LIBERO's On allows 3 cm

// Added objects leave the open hand room beside what it has to take.
constexpr double kClutterClearance = .02;

struct Placed {
  double x, y, radius;
};

bool free_of(const Scene& scene, const std::vector<Placed>& others, const Placed& p, double clearance) {
  for (const auto& o : others)
    if (std::hypot(o.x - p.x, o.y - p.y) < o.radius + p.radius + clearance) return false;
  for (const auto& f : scene.fixtures) {
    const double dx = std::max(0., std::abs(p.x - f.x) - f.kind->half_extent[0]);
    const double dy = std::max(0., std::abs(p.y - f.y) - f.kind->half_extent[1]);
    if (std::hypot(dx, dy) < p.radius + clearance) return false;
  }
  return true;
}

/// One attempt; false when something would overlap.
bool try_sample(const Scene& scene, Random& random, std::vector<double>& qpos) {
  const auto& home = scene.arena->home;
  double* hand = qpos.data() + scene.hand.qpos;
  for (int i = 0; i < 3; ++i) hand[i] = home[i] + random.uniform(-kHandJitter, kHandJitter);
  hand[3] = 1;
  for (const int finger : scene.hand.finger_qpos) qpos[finger] = kOpenFinger;
  for (const auto& joint : scene.joints) qpos[joint.qpos] = joint.part->initial;
  for (const auto& [joint, value] : scene.joint_starts) qpos[scene.joints[joint].qpos] = value;

  // A deal of ranges for every region that has several.
  std::vector<std::vector<int>> deals(scene.file.regions.size());
  for (std::size_t r = 0; r < deals.size(); ++r) {
    auto& deal = deals[r];
    for (int i = 0; i < static_cast<int>(scene.file.regions[r].ranges.size()); ++i) deal.push_back(i);
    for (int i = static_cast<int>(deal.size()) - 1; i > 0; --i) std::swap(deal[i], deal[random.below(i + 1)]);
  }
  std::vector<Placed> placed;
  for (const auto& start : scene.starts) {
    const auto& object = scene.objects[start.object];
    const auto& kind = *object.kind;
    double x = 0, y = 0, z = 0, yaw = 0;
    if (start.region >= 0) {
      const Region& region = scene.file.regions[start.region];
      auto& deal = deals[start.region];
      int range = 0;
      if (region.ranges.size() > 1) {
        if (deal.empty())
          throw UserError(scene.file.path + ":" + std::to_string(region.line) + ": region \"" + region.name +
                          "\" has fewer ranges than objects that start in it");
        range = deal.back();
        deal.pop_back();
      }
      const Rectangle& r = region.ranges[range];
      x = random.uniform(r.x0, r.x1);
      y = random.uniform(r.y0, r.y1);
      yaw = random.uniform(region.yaw_min, region.yaw_max);
      z = kind.bottom;
      const Placed here{x, y, kind.footprint};
      if (!free_of(scene, placed, here, region.name.ends_with(kClutterRegion) ? kClutterClearance : kClearance))
        return false;
      placed.push_back(here);
    } else if (start.support_object >= 0) {
      const auto& support = scene.objects[start.support_object];
      const double* s = qpos.data() + support.qpos;
      x = s[0] + random.uniform(-kStackJitter, kStackJitter);
      y = s[1] + random.uniform(-kStackJitter, kStackJitter);
      z = s[2] - support.kind->bottom + support.kind->height + kind.bottom;
    } else {
      const auto& place = scene.places[start.support_place];
      const mjModel* m = scene.model.get();
      const mjtNum* size = m->site_size + 3 * place.site;
      double at[3] = {0, 0, 0};  // fixtures stand upright and unturned: frames add up
      for (int i = 0; i < 3; ++i) at[i] = m->site_pos[3 * place.site + i];
      for (int body = m->site_bodyid[place.site]; body > 0; body = m->body_parentid[body])
        for (int i = 0; i < 3; ++i) at[i] += m->body_pos[3 * body + i];
      if (place.joint >= 0) {
        const auto& joint = scene.joints[place.joint];
        for (int i = 0; i < 3; ++i) at[i] += joint.part->axis[i] * qpos[joint.qpos];
      }
      const double room_x = std::clamp(size[0] - kind.footprint, 0., .012);
      const double room_y = std::clamp(size[1] - kind.footprint, 0., .012);
      x = at[0] + random.uniform(-room_x, room_x);
      y = at[1] + random.uniform(-room_y, room_y);
      z = (place.inside ? at[2] - size[2] + .012 : at[2]) + kind.bottom;
    }
    double* q = qpos.data() + object.qpos;
    q[0] = x;
    q[1] = y;
    q[2] = z + .0005;
    q[3] = std::cos(yaw / 2);
    q[6] = std::sin(yaw / 2);
  }
  return true;
}

}  // namespace

std::vector<double> sample_init(const Scene& scene, int index) {
  Random random(fnv1a(scene.file.name) + 0x9e3779b97f4a7c15ULL * static_cast<std::uint64_t>(index + 1));
  constexpr int kAttempts = 2000;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::vector<double> qpos(static_cast<std::size_t>(scene.model->nq), 0.);
    if (try_sample(scene, random, qpos)) return qpos;
  }
  throw UserError(scene.file.path + ": no arrangement without overlap in " + std::to_string(kAttempts) +
                  " attempts; widen the regions or move them apart");
}

std::uint64_t init_digest(const Scene& scene) {
  std::uint64_t hash = fnv1a("");
  for (int index = 0; index < kEvaluationInits; ++index)
    for (const double value : sample_init(scene, index))
      hash = fnv1a(std::to_string(std::llround(value * 1e6)) + " ", hash);
  return hash;
}

}  // namespace pionbench::vla
