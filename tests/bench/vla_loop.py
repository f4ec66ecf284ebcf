"""A rollout's step in Python with MuJoCo's own bindings, beside ours, in turns, with the ratio.

usage: MUJOCO_GL=osmesa vla_loop.py BUILD [SUITE] [PIXELS]     e.g. vla_loop.py build/release vla/object 64

One environment step is the same work on all sides: 10 physics steps under an interpolated mocap target, positions and
contacts after them, an agent and a wrist frame as uint8, turned by 180 degrees. 40 environments, the suite's scenes in
turn, from their initial states. The Python peers:
  plain  what an evaluation loop looks like: one environment after the other, mujoco.Renderer per environment
  tuned  one GL context and the low-level functions that mujoco.Renderer calls, drawing straight into one array
Ours is vla_bench's rollout, on one thread and on every core. Everything is measured in turn, five times; ratios are
of medians, and of the best samples: those are the least disturbed. Cores used (CPU time over wall clock) says what a
busy machine left to each.
"""
import json
import os
import statistics
import subprocess
import sys
import time

os.environ.setdefault("MUJOCO_GL", "osmesa")
os.environ.setdefault("LP_NUM_THREADS", "0")
import mujoco
import numpy as np

arguments = sys.argv[1:] + [None] * 3
build, suite, pixels = arguments[0], arguments[1] or "vla/object", int(arguments[2] or 64)
if build is None:
    sys.exit(__doc__)
EPISODES, ROUNDS, SECONDS, SUBSTEPS = 40, 5, 0.7, 10
CAMERAS = ("agentview", "eye_in_hand")
CORES = len(os.sched_getaffinity(0))


class Environment:
    def __init__(self, xml):
        self.model = mujoco.MjModel.from_xml_string(xml)
        self.data = mujoco.MjData(self.model)
        mujoco.mj_resetDataKeyframe(self.model, self.data, 0)
        mujoco.mj_forward(self.model, self.data)

    def targets(self, action):
        start = self.data.mocap_pos[0].copy()
        return [start + k / SUBSTEPS * 0.05 * action[:3] for k in range(1, SUBSTEPS + 1)]

    def step(self, action):
        model, data = self.model, self.data
        data.ctrl[:] = -0.03 if action[6] > 0 else 0.047
        for target in self.targets(action):
            data.mocap_pos[0] = target
            mujoco.mj_step(model, data)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        mujoco.mj_collision(model, data)


class Plain:
    def __init__(self, scenes):
        self.environments = [Environment(scenes[i % len(scenes)]) for i in range(EPISODES)]
        self.renderers = [mujoco.Renderer(e.model, pixels, pixels) for e in self.environments]

    def step(self, actions):
        frames = []
        for environment, renderer, action in zip(self.environments, self.renderers, actions):
            environment.step(action)
            for camera in CAMERAS:
                renderer.update_scene(environment.data, camera)
                frames.append(renderer.render()[::-1, ::-1])
        return frames


class Tuned:
    def __init__(self, scenes):
        self.environments = [Environment(scenes[i % len(scenes)]) for i in range(EPISODES)]
        model = self.environments[0].model
        self.gl = mujoco.GLContext(pixels, pixels)
        self.gl.make_current()
        self.scene, self.context = mujoco.MjvScene(model, 600), mujoco.MjrContext(model, 50)
        mujoco.mjr_resizeOffscreen(pixels, pixels, self.context)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self.context)
        flags = mujoco.mjtRndFlag
        for flag in (flags.mjRND_SHADOW, flags.mjRND_REFLECTION, flags.mjRND_SKYBOX, flags.mjRND_FOG, flags.mjRND_HAZE):
            self.scene.flags[flag] = 0
        self.option = mujoco.MjvOption()
        self.option.sitegroup[:] = 0
        self.camera = mujoco.MjvCamera()
        self.camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self.ids = [model.camera(c).id for c in CAMERAS]
        self.area = mujoco.MjrRect(0, 0, pixels, pixels)
        self.images = np.zeros((EPISODES, 2, pixels, pixels, 3), np.uint8)

    def render(self):
        self.gl.make_current()
        for environment, images in zip(self.environments, self.images):
            for identity, image in zip(self.ids, images):
                self.camera.fixedcamid = identity
                mujoco.mjv_updateScene(environment.model, environment.data, self.option, None, self.camera,
                                       mujoco.mjtCatBit.mjCAT_ALL, self.scene)
                mujoco.mjr_render(self.area, self.scene, self.context)
                mujoco.mjr_readPixels(image, None, self.area, self.context)
        return self.images[:, :, ::-1, ::-1].copy()

    def step(self, actions):
        for environment, action in zip(self.environments, actions):
            environment.step(action)
        return self.render()


def python_rate(peer, actions):
    """(environment steps/s, cores used)"""
    steps, start, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < SECONDS:
        peer.step(actions)
        steps += EPISODES
    wall = time.perf_counter() - start
    return steps / wall, (time.process_time() - cpu) / wall


def our_rate(threads):
    name = f"rollout/{suite}/pixels:{pixels}/threads:{threads}/process_time/real_time"
    out = subprocess.run([f"{build}/bin/vla_bench", f"--benchmark_filter=^{name}$", f"--benchmark_min_time={SECONDS}",
                          "--benchmark_format=json"], capture_output=True, text=True, check=True).stdout
    row = json.loads(out)["benchmarks"][0]
    return row["env_steps/s"], row["cpu_time"] / row["real_time"]


def main():
    done = subprocess.run([f"{build}/bin/pionbench-vla", "mjcf", suite], capture_output=True, text=True, check=True)
    scenes = [s for s in done.stdout.split("\0") if s.strip()]
    actions = np.random.default_rng(0).uniform(-0.15, 0.1, (EPISODES, 7))
    actions[:, 3:6], actions[:, 6] = 0, 1
    peers = {"plain": Plain(scenes), "tuned": Tuned(scenes)}
    rates = {name: [] for name in [*peers, 1, CORES]}
    for peer in peers.values():
        peer.step(actions)
    for _ in range(ROUNDS):
        for name, peer in peers.items():
            rates[name].append(python_rate(peer, actions))
        for threads in {1, CORES}:
            rates[threads].append(our_rate(threads))
    print(f"{suite}, {EPISODES} environments, two cameras of {pixels} pixels, environment steps/s, median (best):")
    middle = {name: statistics.median(rate for rate, _ in r) for name, r in rates.items()}
    best = {name: max(r)[0] for name, r in rates.items()}
    for name, r in rates.items():
        title = f"Python {name}" if name in peers else f"ours, {name} thread(s)"
        cores = statistics.median(c for _, c in r)
        ratios = "" if name in peers else "; " + ", ".join(
            f"{middle[name] / middle[p]:.2f} ({best[name] / best[p]:.2f}) x {p}" for p in peers)
        print(f"  {title:18} {middle[name]:6.0f} ({best[name]:.0f}), {cores:.2f} cores{ratios}")


main()
