#include "experiments/vla/sim/physics_batch.h"

#include <mujoco/mjxmacro.h>

#include <stdexcept>
#include <string_view>

#ifndef MJMODEL_SIZES
#define MJMODEL_SIZES MJMODEL_INTS  // its name before MuJoCo 4
#endif
#if __has_include(<mujoco/mjbatch.h>)
#include <mujoco/mjbatch.h>
#define PIONBENCH_HAS_MJBATCH 1
#else
#define PIONBENCH_HAS_MJBATCH 0
#endif

namespace pionbench::vla {
namespace {

constexpr mjtWarning kDivergence[] = {mjWARN_BADQPOS, mjWARN_BADQVEL, mjWARN_BADQACC};

/// MuJoCo writes warnings to MUJOCO_LOG.TXT in the working folder; here they are counted, not written.
void ignore_warning(const char*) {}

/// What goals and the expert look at. mj_fwdPosition would go on to inertias and constraints, at three times the cost.
void positions_and_contacts(const mjModel* model, mjData* data) {
  mj_kinematics(model, data);
  mj_collision(model, data);
}

class LoopBatch final : public PhysicsBatch {
 public:
  LoopBatch(std::vector<const mjModel*> models, int threads)
      : PhysicsBatch(std::move(models)), pool_(threads), states_(models_.size()), diverged_(models_.size(), false) {
    for (int t = 0; t < pool_.size(); ++t) data_.emplace_back(mj_makeData(models_.front()));
    for (auto& state : states_) {
      state.resize(static_cast<std::size_t>(state_size_));
      mj_getState(models_.front(), data_.front().get(), state.data(), mjSTATE_INTEGRATION);
    }
  }

  mjtNum* state(int sim) override { return states_[sim].data(); }

  void rollout(std::span<const int> ids, int steps, const std::vector<mjtNum>& control) override {
    pool_.run(static_cast<int>(ids.size()), [&](int thread, int i) {
      const int sim = ids[static_cast<std::size_t>(i)];
      mjData* d = load(thread, sim);
      for (int k = 0; k < steps && !diverged_[sim]; ++k) {
        mj_setState(models_[sim], d, control.data() + (static_cast<std::size_t>(i) * steps + k) * control_size_,
                    kControlSpec);
        mj_step(models_[sim], d);
        for (const auto warning : kDivergence) diverged_[sim] = diverged_[sim] || d->warning[warning].number > 0;
      }
      mj_getState(models_[sim], d, states_[sim].data(), mjSTATE_INTEGRATION);
    });
  }

  bool diverged(int sim) const override { return diverged_[sim]; }
  void reset_warnings(int sim) override { diverged_[sim] = false; }

  void inspect(std::span<const int> ids, const std::function<void(int, mjData*)>& function) override {
    pool_.run(static_cast<int>(ids.size()), [&](int thread, int i) {
      const int sim = ids[static_cast<std::size_t>(i)];
      mjData* d = load(thread, sim);
      positions_and_contacts(models_[sim], d);
      function(sim, d);
    });
  }

 private:
  mjData* load(int thread, int sim) {
    mjData* d = data_[thread].get();
    mj_resetData(models_[sim], d);
    mj_setState(models_[sim], d, states_[sim].data(), mjSTATE_INTEGRATION);
    return d;
  }

  ThreadPool pool_;
  std::vector<DataPtr> data_;
  std::vector<std::vector<mjtNum>> states_;
  std::vector<char> diverged_;
};

#if PIONBENCH_HAS_MJBATCH
class MujocoBatch final : public PhysicsBatch {
 public:
  MujocoBatch(std::vector<const mjModel*> models, int threads) : PhysicsBatch(std::move(models)) {
    mjBatchConfig config;
    mjb_defaultConfig(&config);
    config.nthread = std::max(1, threads);
    char error[512] = "";
    batch_.reset(mjb_makeBatch(models_.front(), size(), &config, error, sizeof error));
    if (!batch_) throw std::runtime_error(std::string("MuJoCo's mjb_makeBatch: ") + error);
    mjb_setModels(batch_.get(), models_.data());
  }

  mjtNum* state(int sim) override { return mjb_state(batch_.get()) + static_cast<std::ptrdiff_t>(sim) * state_size_; }

  void rollout(std::span<const int> ids, int steps, const std::vector<mjtNum>& control) override {
    mjb_rollout(batch_.get(), ids.data(), static_cast<int>(ids.size()), steps, control.data(), kControlSpec, nullptr,
                0);
  }

  bool diverged(int sim) const override {
    const mjWarningStat* warnings = mjb_warning(batch_.get()) + static_cast<std::ptrdiff_t>(sim) * mjNWARNING;
    bool bad = mjb_status(batch_.get())[sim] != 0;
    for (const auto warning : kDivergence) bad = bad || warnings[warning].number > 0;
    return bad;
  }
  void reset_warnings(int sim) override {
    mjWarningStat* warnings = mjb_warning(batch_.get()) + static_cast<std::ptrdiff_t>(sim) * mjNWARNING;
    for (int i = 0; i < mjNWARNING; ++i) warnings[i] = {};
  }

  void inspect(std::span<const int> ids, const std::function<void(int, mjData*)>& function) override {
    struct Call {
      const std::function<void(int, mjData*)>& function;
    } call{function};
    const auto one = [](const mjModel* m, mjData* d, int sim, void* argument) {
      positions_and_contacts(m, d);
      static_cast<Call*>(argument)->function(sim, d);
    };
    mjb_apply(batch_.get(), ids.data(), static_cast<int>(ids.size()), one, &call, 0);
  }

 private:
  struct Deleter {
    void operator()(mjBatch* b) const { mjb_deleteBatch(b); }
  };
  std::unique_ptr<mjBatch, Deleter> batch_;
};
#endif

}  // namespace

Engine default_engine() {
  return PIONBENCH_HAS_MJBATCH ? Engine::kBatch : Engine::kLoop;
}

bool same_layout(const mjModel& a, const mjModel& b) {
  // Names differ in length without changing any layout.
  const auto irrelevant = [](std::string_view size) {
    return size == "nnames" || size == "npaths" || size == "nbuffer";
  };
#define X(name) \
  if (!irrelevant(#name) && a.name != b.name) return false;
  MJMODEL_SIZES
#undef X
  return true;
}

PhysicsBatch::PhysicsBatch(std::vector<const mjModel*> models) : models_(std::move(models)) {
  mju_user_warning = ignore_warning;
  for (const auto* model : models_)
    if (!same_layout(*models_.front(), *model)) throw std::logic_error("PhysicsBatch: models of different layouts");
  state_size_ = static_cast<int>(mj_stateSize(models_.front(), mjSTATE_INTEGRATION));
  control_size_ = static_cast<int>(mj_stateSize(models_.front(), kControlSpec));
}

std::unique_ptr<PhysicsBatch> PhysicsBatch::make(std::vector<const mjModel*> models, int threads, Engine engine) {
#if PIONBENCH_HAS_MJBATCH
  if (engine == Engine::kBatch) return std::make_unique<MujocoBatch>(std::move(models), threads);
#endif
  (void)engine;
  return std::make_unique<LoopBatch>(std::move(models), threads);
}

int PhysicsBatch::offset(mjtState component) const {
  // mj_getState writes the components in the order of their bits.
  return static_cast<int>(mj_stateSize(models_.front(), mjSTATE_INTEGRATION & (static_cast<int>(component) - 1)));
}

}  // namespace pionbench::vla
