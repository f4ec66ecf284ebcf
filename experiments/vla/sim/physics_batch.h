#pragma once
/// Many simulations stepped together on threads.
///
/// A simulation is its row of MuJoCo's integration state (mj_getState). Results are bit-identical to a plain loop at
/// any number of threads and with either engine:
///   kBatch  MuJoCo's own batch API (mjbatch.h, MuJoCo 4.0 and later)
///   kLoop   one mjData per thread here; used where the wheel has no mjbatch.h, and as the other's oracle
/// Models may differ between simulations as long as their sizes agree (same_layout).

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "experiments/vla/sim/scene.h"
#include "experiments/vla/sim/thread_pool.h"

namespace pionbench::vla {

enum class Engine { kBatch, kLoop };

/// kBatch where this build has it.
Engine default_engine();

/// True when one mjData layout serves both models.
bool same_layout(const mjModel& a, const mjModel& b);

class PhysicsBatch {
 public:
  /// One simulation per model; the models must outlive the batch and share a layout. `threads` includes the caller's.
  static std::unique_ptr<PhysicsBatch> make(std::vector<const mjModel*> models, int threads,
                                            Engine engine = default_engine());
  virtual ~PhysicsBatch() = default;
  PhysicsBatch(const PhysicsBatch&) = delete;
  PhysicsBatch& operator=(const PhysicsBatch&) = delete;

  int size() const { return static_cast<int>(models_.size()); }
  const mjModel* model(int sim) const { return models_[sim]; }
  int state_size() const { return state_size_; }
  /// Row of one simulation, writable between calls.
  virtual mjtNum* state(int sim) = 0;
  /// Offsets in a row.
  int offset(mjtState component) const;

  /// `steps` steps of each simulation in `ids`; before step k, [ctrl, mocap_pos, mocap_quat] are set from
  /// control[i][k] (ids.size() × steps × control_size()).
  virtual void rollout(std::span<const int> ids, int steps, const std::vector<mjtNum>& control) = 0;
  int control_size() const { return control_size_; }
  /// Has the simulation blown up (a bad position, velocity or acceleration) since the last reset_warnings?
  virtual bool diverged(int sim) const = 0;
  virtual void reset_warnings(int sim) = 0;

  /// function(sim, data) with the simulation's state loaded and positions and contacts computed. Runs on several
  /// threads; changes to `data` are not kept.
  virtual void inspect(std::span<const int> ids, const std::function<void(int, mjData*)>& function) = 0;

 protected:
  explicit PhysicsBatch(std::vector<const mjModel*> models);
  static constexpr int kControlSpec = mjSTATE_CTRL | mjSTATE_MOCAP_POS | mjSTATE_MOCAP_QUAT;
  std::vector<const mjModel*> models_;
  int state_size_ = 0, control_size_ = 0;
};

}  // namespace pionbench::vla
