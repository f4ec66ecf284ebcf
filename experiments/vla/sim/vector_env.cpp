#include "experiments/vla/sim/vector_env.h"

#include <algorithm>
#include <cmath>

#include "experiments/vla/sim/init_state.h"

namespace pionbench::vla {
namespace {

// The weld gives way under load by less than a millimetre. Moving from the hand's own position, as LIBERO's controller
// does, would let that sag add up; moving from the command would wind up against an obstacle. So: from the command,
// kept within these distances of where the hand is coming to rest. A moving hand trails its command by its speed times
// kTrail (the weld is a critically damped spring with a time constant of 10 ms), 20 mm at a full action: that is no
// obstacle, and cutting it off would cost a full action 4 of its 50 mm.
constexpr double kLeadPosition = .01, kLeadAngle = .25, kTrail = .02;
constexpr double kCloseCommand = -.03, kOpenCommand = .047;

using Quat = std::array<mjtNum, 4>;

Quat from_axis_angle(const mjtNum v[3]) {
  Quat q;
  const mjtNum angle = mju_norm3(v);
  if (angle < 1e-12) return {1, 0, 0, 0};
  const mjtNum axis[3] = {v[0] / angle, v[1] / angle, v[2] / angle};
  mju_axisAngle2Quat(q.data(), axis, angle);
  return q;
}

/// Rotation vector of q, of length at most π.
std::array<mjtNum, 3> to_axis_angle(const mjtNum* q) {
  std::array<mjtNum, 3> out;
  mju_quat2Vel(out.data(), q, 1);
  return out;
}

}  // namespace

struct VectorEnv::RenderThread {
  std::unique_ptr<Renderer> renderer;
  std::vector<DataPtr> data;  ///< one per group, made when first needed
};

const char* status_name(EpisodeStatus status) {
  switch (status) {
    case EpisodeStatus::kRunning:
      return "running";
    case EpisodeStatus::kSuccess:
      return "success";
    case EpisodeStatus::kTimeOut:
      return "time-out";
    case EpisodeStatus::kDiverged:
      return "diverged";
  }
  return "";
}

VectorEnv::VectorEnv(std::vector<Trial> trials, const EnvOptions& options)
    : options_(options), threads_(options.threads > 0 ? options.threads : available_threads()) {
  std::map<std::string, std::shared_ptr<const Scene>> scenes;
  for (const auto& trial : trials) {
    Episode episode{trial};
    const bool other_layout = trial.perturbation.category == Category::kLayout;
    auto& scene = scenes[trial.task->file.path + (other_layout ? trial.perturbation.suffix() : "")];
    if (!scene) scene = build_scene(other_layout ? perturb_task(*trial.task, trial.perturbation) : trial.task->file);
    episode.scene = scene;
    episode.model = scene->model;
    if (changes_model(trial.perturbation)) {
      ModelPtr looks(mj_copyModel(nullptr, scene->model.get()));
      perturb_model(*scene, trial.perturbation, looks.get());
      episode.model = std::shared_ptr<const mjModel>(looks.release(), ModelDeleter{});
    }
    episode.instruction = perturb_instruction(*trial.task, trial.perturbation);
    episodes_.push_back(std::move(episode));
  }
  std::vector<std::vector<int>> layouts;
  for (int i = 0; i < size(); ++i) {
    auto& episode = episodes_[i];
    auto layout = std::ranges::find_if(
        layouts, [&](const auto& ids) { return same_layout(*episodes_[ids.front()].model, *episode.model); });
    if (layout == layouts.end()) layout = layouts.insert(layouts.end(), std::vector<int>{});
    episode.layout = static_cast<int>(layout - layouts.begin());
    layout->push_back(i);
  }
  // A suite's scenes have many layouts with few simulations each: stepping one layout after the other, on all threads,
  // would wait for the slowest thread at every one. So batches of one thread each run side by side, several per thread
  // since episodes end at different times.
  constexpr int kGroupsPerThread = 4;
  const int most = threads_ == 1 ? size() : (size() + kGroupsPerThread * threads_ - 1) / (kGroupsPerThread * threads_);
  for (const auto& ids : layouts)
    for (std::size_t k = 0; k < ids.size(); ++k) {
      if (k % static_cast<std::size_t>(most) == 0) groups_.emplace_back();
      auto& episode = episodes_[ids[k]];
      episode.group = static_cast<int>(groups_.size()) - 1;
      episode.sim = static_cast<int>(groups_.back().episodes.size());
      groups_.back().episodes.push_back(ids[k]);
    }
  for (auto& group : groups_) {
    std::vector<const mjModel*> models;
    for (const int i : group.episodes) models.push_back(episodes_[i].model.get());
    group.batch = PhysicsBatch::make(std::move(models), 1, options_.engine);
  }
  pool_ = std::make_unique<ThreadPool>(std::clamp(size(), 1, threads_));
  proprio_.resize(episodes_.size() * kProprioSize);
  if (options_.image_size > 0 && size() > 0) {
    images_.resize(episodes_.size() * 2 * static_cast<std::size_t>(options_.image_size * options_.image_size) * 3);
    for (int t = 0; t < pool_->size(); ++t) renderers_.push_back(std::make_unique<RenderThread>());
    pool_->on_each([&](int t) {
      renderers_[t]->renderer = std::make_unique<Renderer>(episodes_.front().model.get(), options_.image_size);
      renderers_[t]->data.resize(layouts.size());
    });
  }
  reset();
}

VectorEnv::~VectorEnv() {
  // A GL context is released by the thread that it is bound to.
  if (!renderers_.empty()) pool_->on_each([&](int t) { renderers_[t].reset(); });
}

std::vector<int> VectorEnv::running() const {
  std::vector<int> out;
  for (int i = 0; i < size(); ++i)
    if (episodes_[i].status == EpisodeStatus::kRunning) out.push_back(i);
  return out;
}

const mjtNum* VectorEnv::row(int i, mjtState component) const {
  const auto& batch = *groups_[episodes_[i].group].batch;
  return const_cast<PhysicsBatch&>(batch).state(episodes_[i].sim) + batch.offset(component);
}

std::vector<std::vector<int>> VectorEnv::by_group(std::span<const int> ids) const {
  std::vector<std::vector<int>> out(groups_.size());
  for (const int i : ids) out[episodes_[i].group].push_back(i);
  return out;
}

void VectorEnv::reset() {
  std::vector<int> all;
  for (int i = 0; i < size(); ++i) {
    auto& episode = episodes_[i];
    auto& batch = *groups_[episode.group].batch;
    const mjModel* m = episode.model.get();
    auto qpos = sample_init(*episode.scene, episode.trial.init);
    perturb_init(*episode.scene, episode.trial.perturbation, qpos);
    // A fresh mjData gives every component its neutral value (warm start, active equalities, ...).
    const DataPtr data(mj_makeData(m));
    mju_copy(data->qpos, qpos.data(), static_cast<int>(m->nq));
    for (const auto& object : episode.scene->objects) mju_normalize4(data->qpos + object.qpos + 3);
    const mjtNum* hand = data->qpos + episode.scene->hand.qpos;
    mju_copy3(data->mocap_pos, hand);
    mju_copy4(data->mocap_quat, hand + 3);
    data->ctrl[0] = data->ctrl[1] = kOpenCommand;
    mj_getState(m, data.get(), batch.state(episode.sim), mjSTATE_INTEGRATION);
    batch.reset_warnings(episode.sim);
    episode.status = EpisodeStatus::kRunning;
    episode.steps = episode.frames = 0;
    episode.drawn_at = -1;
    all.push_back(i);
  }
  std::vector<float> dummy(episodes_.size() * kActionSize, 0.F);
  for (int i = 0; i < size(); ++i) dummy[static_cast<std::size_t>(i) * kActionSize + 6] = -1.F;
  for (int k = 0; k < options_.settle_steps; ++k) advance(all, dummy);
  for (const int i : all) update_proprio(i);
}

void VectorEnv::advance(std::span<const int> ids, std::span<const float> actions) {
  const auto groups = by_group(ids);
  pool_->run(static_cast<int>(groups.size()), [&](int, int g) {
    if (groups[g].empty()) return;
    auto& batch = *groups_[g].batch;
    std::vector<int> sims;
    std::vector<mjtNum> control;
    control.reserve(groups[g].size() * kSubsteps * static_cast<std::size_t>(batch.control_size()));
    for (const int i : groups[g]) {
      const auto& episode = episodes_[i];
      sims.push_back(episode.sim);
      const float* a = actions.data() + static_cast<std::size_t>(i) * kActionSize;
      const auto clipped = [&](int k) { return std::clamp(static_cast<mjtNum>(a[k]), -1., 1.); };
      const mjtNum* hand = row(i, mjSTATE_QPOS) + episode.scene->hand.qpos;
      const mjtNum* velocity = row(i, mjSTATE_QVEL) + episode.scene->hand.qvel;
      const mjtNum* command = row(i, mjSTATE_MOCAP_POS);
      const mjtNum* command_quat = row(i, mjSTATE_MOCAP_QUAT);
      mjtNum from[3], to[3];
      for (int k = 0; k < 3; ++k) {
        const mjtNum rest = hand[k] + kTrail * velocity[k];
        from[k] = std::clamp(command[k], rest - kLeadPosition, rest + kLeadPosition);
        const auto& workspace = episode.scene->arena->workspace;
        to[k] = std::clamp(from[k] + kTranslationScale * clipped(k), workspace[2 * k], workspace[2 * k + 1]);
      }
      Quat base{command_quat[0], command_quat[1], command_quat[2], command_quat[3]};
      mjtNum lag[3];
      mju_subQuat(lag, base.data(), hand + 3);
      if (mju_norm3(lag) > kLeadAngle) base = {hand[3], hand[4], hand[5], hand[6]};
      const mjtNum gripper = clipped(6);
      const mjtNum fingers = gripper > 0 ? kCloseCommand : gripper < 0 ? kOpenCommand : row(i, mjSTATE_CTRL)[0];
      for (int k = 1; k <= kSubsteps; ++k) {
        const mjtNum part = static_cast<mjtNum>(k) / kSubsteps;
        control.insert(control.end(), {fingers, fingers});
        for (int c = 0; c < 3; ++c) control.push_back(from[c] + part * (to[c] - from[c]));
        const mjtNum turn[3] = {part * kRotationScale * clipped(3), part * kRotationScale * clipped(4),
                                part * kRotationScale * clipped(5)};
        Quat q;
        mju_mulQuat(q.data(), from_axis_angle(turn).data(), base.data());
        mju_normalize4(q.data());
        control.insert(control.end(), q.begin(), q.end());
      }
    }
    batch.rollout(sims, kSubsteps, control);
  });
}

void VectorEnv::update_proprio(int i) {
  const auto& hand = episodes_[i].scene->hand;
  const mjtNum* qpos = row(i, mjSTATE_QPOS);
  float* out = proprio_.data() + static_cast<std::size_t>(i) * kProprioSize;
  const auto rotation = to_axis_angle(qpos + hand.qpos + 3);
  for (int k = 0; k < 3; ++k) {
    out[k] = static_cast<float>(qpos[hand.qpos + k]);
    out[3 + k] = static_cast<float>(rotation[k]);
  }
  out[6] = static_cast<float>(qpos[hand.finger_qpos[0]]);
  out[7] = static_cast<float>(-qpos[hand.finger_qpos[1]]);
}

void VectorEnv::step(std::span<const float> actions) {
  std::vector<int> ids;
  for (const int i : running()) {
    const auto action = actions.subspan(static_cast<std::size_t>(i) * kActionSize, kActionSize);
    if (std::ranges::any_of(action, [](float v) { return !std::isfinite(v); }))
      episodes_[i].status = EpisodeStatus::kDiverged;
    else
      ids.push_back(i);
  }
  advance(ids, actions);
  std::vector<char> reached(episodes_.size(), 0);
  inspect(ids,
          [&](int i, const mjModel*, const mjData* data) { reached[i] = goal_reached(*episodes_[i].scene, data); });
  for (const int i : ids) {
    auto& episode = episodes_[i];
    ++episode.steps;
    update_proprio(i);
    if (groups_[episode.group].batch->diverged(episode.sim))
      episode.status = EpisodeStatus::kDiverged;
    else if (reached[i])
      episode.status = EpisodeStatus::kSuccess;
    else if (episode.steps >= episode.trial.task->horizon)
      episode.status = EpisodeStatus::kTimeOut;
  }
}

void VectorEnv::inspect(std::span<const int> ids,
                        const std::function<void(int, const mjModel*, const mjData*)>& function) {
  const auto groups = by_group(ids);
  pool_->run(static_cast<int>(groups.size()), [&](int, int g) {
    if (groups[g].empty()) return;
    std::vector<int> sims;
    for (const int i : groups[g]) sims.push_back(episodes_[i].sim);
    groups_[g].batch->inspect(sims, [&](int sim, mjData* data) {
      const int i = groups_[g].episodes[sim];
      function(i, episodes_[i].model.get(), data);
    });
  });
}

std::span<const unsigned char> VectorEnv::image(int i, int camera) const {
  const std::size_t bytes = static_cast<std::size_t>(options_.image_size * options_.image_size) * 3;
  return std::span(images_).subspan((static_cast<std::size_t>(i) * 2 + camera) * bytes, bytes);
}

void VectorEnv::render() {
  if (renderers_.empty()) return;
  std::vector<int> ids;  // those that have moved since they were drawn
  for (int i = 0; i < size(); ++i)
    if (episodes_[i].status == EpisodeStatus::kRunning || episodes_[i].drawn_at != episodes_[i].steps) ids.push_back(i);
  const std::size_t bytes = static_cast<std::size_t>(options_.image_size * options_.image_size) * 3;
  pool_->run(static_cast<int>(ids.size()), [&](int t, int job) {
    const int i = ids[static_cast<std::size_t>(job)];
    auto& episode = episodes_[i];
    auto& thread = *renderers_[t];
    const mjModel* m = episode.model.get();
    auto& data = thread.data[episode.layout];
    if (!data) data.reset(mj_makeData(m));
    mj_setState(m, data.get(), groups_[episode.group].batch->state(episode.sim), mjSTATE_INTEGRATION);
    mj_kinematics(m, data.get());
    mj_camlight(m, data.get());
    const int cameras[2] = {episode.scene->hand.agent_camera, episode.scene->hand.wrist_camera};
    for (std::size_t c = 0; c < 2; ++c) {
      const auto rgb = std::span(images_).subspan((static_cast<std::size_t>(i) * 2 + c) * bytes, bytes);
      thread.renderer->render(m, data.get(), cameras[c], rgb);
      rotate_180(rgb);
    }
    if (episode.trial.perturbation.category == Category::kNoise) {
      Random random(fnv1a(episode.trial.task->file.name) + static_cast<std::uint64_t>(episode.trial.init) * 7919 +
                    static_cast<std::uint64_t>(episode.frames));
      const auto agent = std::span(images_).subspan(static_cast<std::size_t>(i) * 2 * bytes, bytes);
      corrupt(agent, options_.image_size, episode.trial.perturbation.number, random);
    }
    ++episode.frames;
    episode.drawn_at = episode.steps;
  });
}

std::vector<double> VectorEnv::libero_state(int i) const {
  const mjModel* m = episodes_[i].model.get();
  std::vector<double> out{*row(i, mjSTATE_TIME)};
  const mjtNum *qpos = row(i, mjSTATE_QPOS), *qvel = row(i, mjSTATE_QVEL);
  out.insert(out.end(), qpos, qpos + m->nq);
  out.insert(out.end(), qvel, qvel + m->nv);
  return out;
}

}  // namespace pionbench::vla
