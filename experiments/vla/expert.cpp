#include "experiments/vla/expert.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pionbench::vla {
namespace {

using std::numbers::pi;
using Vec = std::array<double, 3>;

constexpr double kLargest = .8;   // of any component of an action
constexpr double kApproach = .4;  // the same of a translation on the way to what will be taken
constexpr double kOpen = -1, kClosed = 1;
constexpr double kAligned = .014;   // horizontal error at which the hand may go down
constexpr double kAtHeight = .010;  // vertical error at which the fingers close
constexpr double kTip = .012;       // fingertips below the hand's origin
constexpr double kYawTolerance = .2;

double horizontal(const Vec& a, const Vec& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1]);
}
Vec point(const mjtNum* p) {
  return {p[0], p[1], p[2]};
}

class Expert {
 public:
  Expert(const Scene& scene, const mjData* data)
      : scene_(scene), m_(scene.model.get()), d_(data), hand_(point(data->xpos + 3 * scene.hand.body)) {}

  Action act() {
    for (const auto& atom : scene_.goal) {
      if (holds(scene_, atom, d_)) continue;
      return pursue(atom);
    }
    return release();
  }

 private:
  Action pursue(const GoalAtom& atom) {
    switch (atom.predicate) {
      case Predicate::kOn:
      case Predicate::kIn: {
        if (atom.place >= 0 && scene_.places[atom.place].joint >= 0) {
          const auto& joint = scene_.joints[scene_.places[atom.place].joint];
          constexpr double kEnough = .015;  // short of LIBERO's threshold for Open
          if (d_->qpos[joint.qpos] > joint.part->open_below + kEnough) return open(joint);
        }
        const auto& object = scene_.objects[atom.object];
        return object.kind->grasp_width > 0 ? pick_and_place(object, atom) : push(object, target_of(object, atom));
      }
      case Predicate::kOpen:
        return open(scene_.joints[atom.joint]);
      case Predicate::kClose:
        return close(scene_.joints[atom.joint]);
      case Predicate::kTurnOn:
      case Predicate::kTurnOff:
        return turn(scene_.joints[atom.joint], atom.predicate == Predicate::kTurnOn);
    }
    return release();
  }

  // ---- what the hand has ----

  /// Both fingers touch it and something is between them: closed fingers that push hold nothing.
  bool holding(int body) const {
    return opening() > .008 && touching(m_, d_, body, scene_.hand.finger_body[0]) &&
           touching(m_, d_, body, scene_.hand.finger_body[1]);
  }
  /// Holds anything but `wanted`?
  bool holding_other(int wanted) const {
    for (const auto& object : scene_.objects)
      if (object.body != wanted && holding(object.body)) return true;
    for (const auto& joint : scene_.joints)
      if (joint.body != wanted && holding(joint.body)) return true;
    return false;
  }
  double opening() const { return d_->qpos[scene_.hand.finger_qpos[0]] + d_->qpos[scene_.hand.finger_qpos[1]]; }
  double hand_yaw() const {
    const mjtNum* r = d_->xmat + 9 * scene_.hand.body;
    return std::atan2(r[3], r[0]);
  }

  /// Fingers down, but for what noise does. A tilted hand is levelled high up: lower, its fingers wedge.
  bool level() const {
    constexpr double kTilt = .25;
    return d_->xmat[9 * scene_.hand.body + 8] > std::cos(kTilt);
  }

  // ---- motions ----

  /// To `target`, horizontally in a straight line, turning to `yaw`; while the hand is more than 2 cm below `height`,
  /// up comes before across. No translation is larger than `pace`.
  Action move(const Vec& target, double yaw, double gripper, double height, double pace = kLargest) const {
    Action action{};
    const double below = std::max(0., height - .02 - hand_[2]);
    const double across = std::clamp(1 - below / .03, 0., 1.);
    const double x = (target[0] - hand_[0]) / kTranslationScale, y = (target[1] - hand_[1]) / kTranslationScale,
                 z = (target[2] - hand_[2]) / kTranslationScale;
    const double share = across * std::min(1., pace / std::max({std::abs(x), std::abs(y), 1e-9}));
    action[0] = static_cast<float>(share * x);
    action[1] = static_cast<float>(share * y);
    action[2] = static_cast<float>(std::clamp(z, -pace, pace));
    const mjtNum wanted[4] = {std::cos(yaw / 2), 0, 0, std::sin(yaw / 2)};
    mjtNum local[3], world[3];
    mju_subQuat(local, wanted, d_->xquat + 4 * scene_.hand.body);
    mju_mulMatVec3(world, d_->xmat + 9 * scene_.hand.body, local);
    for (int i = 0; i < 3; ++i)
      action[3 + i] = static_cast<float>(std::clamp(world[i] / kRotationScale, -kLargest, kLargest));
    action[6] = static_cast<float>(gripper);
    return action;
  }

  /// Above `target` at a height that falls from the arena's to `hover` on the way, down when aligned.
  Action go_down_to(const Vec& target, double hover, double yaw, double gripper, bool turned = true) const {
    const double far = horizontal(target, hand_);
    const double deep = std::clamp((hover - hand_[2]) / std::max(.01, hover - target[2]), 0., 1.);
    double height = target[2];
    const double high = std::max(hover, scene_.arena->carry_height);
    if (!level())
      height = high;
    else if (far > kAligned + .006 * deep || !turned)
      height = hover + (high - hover) * std::clamp((far - .03) / .08, 0., 1.);
    return move({target[0], target[1], height}, yaw, gripper, height, kApproach);
  }

  /// Told to open and not moving: the fingertips are stuck in what lies below.
  bool stuck() const {
    const mjtNum speed = d_->qvel[m_->body_dofadr[scene_.hand.finger_body[0]]];
    return d_->ctrl[0] > 0 && std::abs(speed) < .01;
  }

  /// Opens; once open, goes up, since fingertips may press on what lies below.
  Action release() const {
    const double up = opening() > .055 ? .04 : stuck() ? .01 : 0;
    return move({hand_[0], hand_[1], hand_[2] + up}, hand_yaw(), kOpen, 0);
  }

  // ---- skills ----

  struct Grasp {
    Vec at;
    double top, yaw;
  };

  /// Where the hand takes an object as it stands (or lies) now.
  Grasp grasp_of(const SceneObject& object) const {
    const auto& kind = *object.kind;
    const Vec at = point(d_->xpos + 3 * object.body);
    const mjtNum* r = d_->xmat + 9 * object.body;
    const double now = hand_yaw();
    const auto nearest_turn = [&](double yaw, double symmetry) { return now + std::remainder(yaw - now, symmetry); };
    constexpr double kUpright = .8;
    if (r[8] > kUpright) {
      const double support = at[2] - kind.bottom;
      // A round thing can be taken at any angle: turn back to straight.
      const double yaw = kind.grasp_symmetry > 0 ? nearest_turn(std::atan2(r[3], r[0]), kind.grasp_symmetry) : 0;
      return {{at[0], at[1], std::max(scene_.arena->workspace[4], support + kind.grasp_height)},
              support + kind.height,
              yaw};
    }
    // Fallen over: across its long axis, which now is horizontal.
    return {{at[0], at[1], std::max(scene_.arena->workspace[4], at[2] - .004)},
            at[2] + .03,
            nearest_turn(std::atan2(r[5], r[2]), pi)};
  }

  /// Where the object's origin should be let go, in the world.
  struct Drop {
    Vec at;
    double fingers_above = 0;  ///< lowest height of the fingertips there
  };

  Drop target_of(const SceneObject& object, const GoalAtom& atom) const {
    const double bottom = object.kind->bottom;
    constexpr double kGap = .004;
    if (atom.other >= 0) {
      const auto& other = scene_.objects[atom.other];
      const Vec at = point(d_->xpos + 3 * other.body);
      const double base = at[2] - other.kind->bottom;
      // The fingers need room to open: they stay above a bowl's rim and a plate's surface.
      const double fingers = base + other.kind->height + .002;
      const bool bowl = !other.kind->places.empty();
      if (bowl) return {{at[0], at[1], base + .008 + bottom}, fingers};
      return {{at[0], at[1], base + other.kind->height + bottom + kGap}, fingers};
    }
    const auto& place = scene_.places[atom.place];
    Vec at = point(d_->site_xpos + 3 * place.site);
    const mjtNum* size = m_->site_size + 3 * place.site;
    at[0] += share_of(atom) * size[0];
    if (!place.inside) return {{at[0], at[1], at[2] + bottom + kGap}, at[2] + .002};
    double rim = 0;
    if (place.object >= 0) {
      const auto& container = scene_.objects[place.object];
      rim = d_->xpos[3 * container.body + 2] - container.kind->bottom + container.kind->height + .004;
    }
    return {{at[0], at[1], at[2] - size[2] + bottom + .010}, rim};
  }

  /// Where along x of its place an object goes, in half sizes: two that share a place take its two ends.
  double share_of(const GoalAtom& atom) const {
    int before = 0, sharing = 0;
    for (const auto& other : scene_.goal) {
      if (other.place != atom.place || other.object < 0) continue;
      before += other.object < atom.object;
      ++sharing;
    }
    return sharing < 2 ? 0 : before == 0 ? -.6 : .6;
  }

  Action pick_and_place(const SceneObject& object, const GoalAtom& atom) const {
    if (holding_other(object.body)) return release();
    if (!holding(object.body)) {
      const Grasp grasp = grasp_of(object);
      const double turn_left = std::abs(std::remainder(grasp.yaw - hand_yaw(), 2 * pi));
      const bool turned = turn_left < kYawTolerance;
      const double far = horizontal(grasp.at, hand_);
      // Just let go and not yet at rest: up and away, or the fingers would close on it again. If it has not come to
      // where it should by the time the hand is above it, it is taken anew.
      const Drop drop = target_of(object, atom);
      const Vec at = point(d_->xpos + 3 * object.body);
      const bool dropped = horizontal(drop.at, at) < 2 * kAligned && std::abs(at[2] - drop.at[2]) < .03;
      if (dropped && far < 2 * kAligned && hand_[2] < grasp.at[2] + .035)
        return move({hand_[0], hand_[1], hand_[2] + .04}, hand_yaw(), kOpen, 0);
      if (far < kAligned + .004 && std::abs(hand_[2] - grasp.at[2]) < kAtHeight && turned)
        return move(grasp.at, grasp.yaw, kClosed, 0);
      return go_down_to(grasp.at, grasp.top + kTip + .012, grasp.yaw, kOpen, turned);
    }
    const Drop drop = target_of(object, atom);
    const Vec at = point(d_->xpos + 3 * object.body);
    const double far = horizontal(drop.at, at);
    // The hand's position for an object position: it moves with the hand.
    double down = std::max(drop.at[2] + hand_[2] - at[2], drop.fingers_above + kTip);
    const double high = std::max(down + .02, scene_.arena->carry_height);
    double height = down;
    if (far > kAligned) height = down + .02 + (high - down - .02) * std::clamp((far - .02) / .07, 0., 1.);
    const Vec target = {hand_[0] + drop.at[0] - at[0], hand_[1] + drop.at[1] - at[1], height};
    if (far < kAligned && hand_[2] - down < .008) return move(target, 0, kOpen, 0);
    return move(target, 0, kClosed, height);
  }

  Vec in_joint_frame(const SceneJoint& joint, const Vec& local) const {
    mjtNum world[3];
    mju_mulMatVec3(world, d_->xmat + 9 * joint.body, local.data());
    mju_addTo3(world, d_->xpos + 3 * joint.body);
    return point(world);
  }
  Vec turned_by_joint(const SceneJoint& joint, const Vec& local) const {
    mjtNum world[3];
    mju_mulMatVec3(world, d_->xmat + 9 * joint.body, local.data());
    return point(world);
  }

  Action open(const SceneJoint& joint) const {
    if (holding_other(joint.body)) return release();
    const Vec handle = in_joint_frame(joint, joint.part->handle);
    // Between the fingers counts, touching or not: with a fin's play a shaking hand loses contact at every turn.
    const bool around = horizontal(handle, hand_) < .025 && std::abs(hand_[2] - handle[2]) < .020;
    if (holding(joint.body) || (around && opening() > .008 && opening() < .035)) {
      const auto& pull = joint.part->opening_direction;
      return move({hand_[0] + pull[0], handle[1], handle[2]}, 0, kClosed, 0);
    }
    if (horizontal(handle, hand_) < kAligned && std::abs(hand_[2] - handle[2]) < kAtHeight)
      return move(handle, 0, kClosed, 0);
    return go_down_to(handle, handle[2] + .055, 0, kOpen);
  }

  /// With closed fingers from behind: `contact` is where the surface is met, `along` the unit direction.
  /// `reach` is the half thickness of the closed fingers along it, `pace` the way of one action.
  Action push_at(const Vec& contact, const Vec& along, double reach, double hover, double pace = .03) const {
    if (holding_other(-1)) return release();
    const Vec off = {hand_[0] - contact[0], hand_[1] - contact[1], hand_[2] - contact[2]};
    const double u = off[0] * along[0] + off[1] * along[1];
    const double lateral = -off[0] * along[1] + off[1] * along[0];
    constexpr double kBehind = .035, kLateral = .014;
    const bool behind = u < .004 && u > -kBehind - .03 && std::abs(lateral) < kLateral;
    if (behind && std::abs(off[2]) < .012 && opening() < .02) {
      const Vec target = {hand_[0] + pace * along[0] + lateral * along[1],
                          hand_[1] + pace * along[1] - lateral * along[0], contact[2]};
      return move(target, 0, kClosed, 0);
    }
    const Vec start = {contact[0] - (reach + .014) * along[0], contact[1] - (reach + .014) * along[1], contact[2]};
    return go_down_to(start, hover, 0, kClosed);
  }

  Action close(const SceneJoint& joint) const {
    constexpr double kFinHalf = .014;
    Vec end = joint.part->handle;
    end[0] += kFinHalf;
    const auto& out = joint.part->opening_direction;
    const Vec contact = in_joint_frame(joint, end);
    return push_at(contact, {-out[0], -out[1], 0}, .011, contact[2] + .06);
  }

  Action turn(const SceneJoint& joint, bool on) const {
    const Vec tip = in_joint_frame(joint, joint.part->handle);
    Vec along = turned_by_joint(joint, joint.part->opening_direction);
    if (!on) along = {-along[0], -along[1], 0};
    constexpr double kLeverHalf = .006;
    const Vec contact = {tip[0] - kLeverHalf * along[0], tip[1] - kLeverHalf * along[1], tip[2] + .004};
    return push_at(contact, along, .009, contact[2] + .05);
  }

  Action push(const SceneObject& object, const Drop& target) const {
    const Vec at = point(d_->xpos + 3 * object.body);
    const double far = std::max(1e-6, horizontal(target.at, at));
    const Vec along = {(target.at[0] - at[0]) / far, (target.at[1] - at[1]) / far, 0};
    const double r = object.kind->footprint;
    const double pace = std::clamp(.4 * far, .008, .020);  // it slides on: 7 mm from .010, 27 mm from .020
    return push_at({at[0] - r * along[0], at[1] - r * along[1], scene_.arena->workspace[4]}, along, .012, .06, pace);
  }

  const Scene& scene_;
  const mjModel* m_;
  const mjData* d_;
  Vec hand_;
};

}  // namespace

Action expert_action(const Scene& scene, const mjData* data) {
  return Expert(scene, data).act();
}

Action with_noise(const Action& action, const ExpertNoise& noise, Random& random) {
  Action out = action;
  for (int i = 0; i < 3; ++i)
    out[i] = std::clamp(static_cast<float>(out[i] + noise.translation * random.normal()), -1.F, 1.F);
  for (int i = 3; i < 6; ++i)
    out[i] = std::clamp(static_cast<float>(out[i] + noise.rotation * random.normal()), -1.F, 1.F);
  return out;
}

}  // namespace pionbench::vla
