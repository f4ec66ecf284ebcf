#pragma once
/// The scripted expert: the next action from the state alone, without memory. Whatever has happened, it goes on from
/// there, so its label is a correction wherever noise or a policy has led.
///
/// It works on the goal's first atom that does not hold yet:
///   On, In      take the object (above it, down a cone, close), carry it at the arena's height, lower, open;
///               a plate is pushed instead; a closed drawer is opened first
///   Open        take the drawer's fin and pull
///   Close       push the fin's end
///   Turnon      push the lever with closed fingers
/// What the hand holds and does not need is let go first. No component of an action exceeds 0.8.

#include <array>

#include "experiments/vla/sim/random.h"
#include "experiments/vla/sim/scene.h"

namespace pionbench::vla {

using Action = std::array<float, kActionSize>;

/// `data` with positions and contacts computed (VectorEnv::inspect).
Action expert_action(const Scene& scene, const mjData* data);

/// What is executed in a demonstration: `action` plus noise, while `action` itself is recorded (DART: Laskey et al.
/// 2017). Standard deviations in units of the action; the gripper is left alone.
struct ExpertNoise {
  double translation = .12;
  double rotation = .05;
};
Action with_noise(const Action& action, const ExpertNoise& noise, Random& random);

}  // namespace pionbench::vla
