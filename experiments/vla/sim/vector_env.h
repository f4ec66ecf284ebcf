#pragma once
/// Many episodes at once: what a policy, the expert and an evaluation see of the simulator.
///
/// Protocol (LIBERO's, as VLA papers run it): reset puts every episode into its initial state and takes 10 settling
/// actions [0,0,0,0,0,0,−1] that do not count; then step until success, the task's horizon or divergence. Success is
/// the goal at any one step after an action, with no dwell time.
///
/// Action: 7 numbers in [−1, 1] (clipped): Δx Δy Δz × 0.05 m, rotation (axis-angle) × 0.5 rad, both in the world frame
/// and added to the hand's pose; gripper −1 open, +1 closed (0 keeps). 20 Hz.
/// Proprioception, 8 numbers: hand position (3), orientation as axis-angle (3; zero with the fingers down), finger
/// positions (q, −q).
/// Images: uint8 [episodes, 2 cameras, size, size, 3]; agent view, then eye in hand; OpenGL's rows turned by 180
/// degrees: what LIBERO's policies look at.
///
/// An episode is a pure function of (task, init, perturbation, actions): the same at any batch size, number of
/// threads and engine.

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "experiments/vla/perturb/perturbation.h"
#include "experiments/vla/sim/physics_batch.h"
#include "experiments/vla/sim/renderer.h"
#include "experiments/vla/sim/suites.h"

namespace pionbench::vla {

struct Trial {
  const SuiteTask* task = nullptr;  ///< must outlive the environment
  int init = 0;
  Perturbation perturbation = {};
};

enum class EpisodeStatus { kRunning, kSuccess, kTimeOut, kDiverged };
const char* status_name(EpisodeStatus status);

struct EnvOptions {
  int image_size = 64;  ///< pixels; 0: no images, and no GL needed
  int threads = 0;      ///< 0: every core this process may use
  int settle_steps = 10;
  Engine engine = default_engine();
};

class VectorEnv {
 public:
  /// Builds the scenes and resets. Throws UserError for wrong task files, or without GL when images are wanted.
  explicit VectorEnv(std::vector<Trial> trials, const EnvOptions& options = {});
  ~VectorEnv();
  VectorEnv(const VectorEnv&) = delete;
  VectorEnv& operator=(const VectorEnv&) = delete;

  int size() const { return static_cast<int>(episodes_.size()); }
  int image_size() const { return options_.image_size; }
  const Trial& trial(int i) const { return episodes_[i].trial; }
  const Scene& scene(int i) const { return *episodes_[i].scene; }
  const std::string& instruction(int i) const { return episodes_[i].instruction; }
  EpisodeStatus status(int i) const { return episodes_[i].status; }
  int steps(int i) const { return episodes_[i].steps; }  ///< actions taken, settling excluded
  std::vector<int> running() const;

  void reset();
  /// actions [size, 7]; rows of finished episodes are not read. A row with a NaN ends its episode as diverged.
  void step(std::span<const float> actions);

  std::span<const float> proprio() const { return proprio_; }  ///< [size, 8]
  /// Draws what the cameras see now; an episode keeps the image of its end.
  void render();
  std::span<const unsigned char> images() const { return images_; }
  std::span<const unsigned char> image(int i, int camera) const;

  /// LIBERO's state row: [time, qpos, qvel].
  std::vector<double> libero_state(int i) const;
  /// function(i, model, data) with positions (mj_kinematics) and contacts computed, on several threads.
  void inspect(std::span<const int> ids, const std::function<void(int, const mjModel*, const mjData*)>& function);

 private:
  struct Episode {
    Trial trial;
    std::shared_ptr<const Scene> scene;
    std::shared_ptr<const mjModel> model;  ///< the scene's, or a copy with other looks
    std::string instruction;
    int layout = 0, group = 0, sim = 0;
    EpisodeStatus status = EpisodeStatus::kRunning;
    int steps = 0, frames = 0, drawn_at = -1;
  };
  /// Simulations of one layout that are stepped one after the other; groups run side by side.
  struct Group {
    std::vector<int> episodes;
    std::unique_ptr<PhysicsBatch> batch;
  };
  struct RenderThread;

  const mjtNum* row(int i, mjtState component) const;
  void advance(std::span<const int> ids, std::span<const float> actions);
  void update_proprio(int i);
  std::vector<std::vector<int>> by_group(std::span<const int> ids) const;

  EnvOptions options_;
  int threads_;
  std::vector<Episode> episodes_;
  std::vector<Group> groups_;
  std::vector<float> proprio_;
  std::vector<unsigned char> images_;
  std::vector<std::unique_ptr<RenderThread>> renderers_;
  std::unique_ptr<ThreadPool> pool_;  ///< thread t steps any group and draws with context t
};

}  // namespace pionbench::vla
