"""A rollout's step in Python with MuJoCo's own bindings, beside ours, in turns, with the ratio.

usage: MUJOCO_GL=osmesa vla_loop.py BUILD [SUITE] [PIXELS]     e.g. vla_loop.py build/release vla/object 64

Python: per environment 10 x mj_step under the same interpolated mocap target, the contacts' positions, two frames by
mujoco.Renderer; one environment after the other, as a Python evaluation loop does. Ours: vla_bench's rollout, on
one thread and on all. Each is measured three times in turn; the medians are compared.
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

build, suite, pixels = sys.argv[1], (sys.argv + ["", "vla/object"])[2] or "vla/object", int((sys.argv + ["", "", "64"])[3] or 64)
EPISODES, SECONDS = 16, 2.0


class PythonEnvironment:
    def __init__(self, xml, renderer):
        self.model = mujoco.MjModel.from_xml_string(xml)
        self.data = mujoco.MjData(self.model)
        self.renderer = renderer or mujoco.Renderer(self.model, pixels, pixels)
        self.hand = self.model.body("hand").id

    def step(self, action):
        model, data = self.model, self.data
        start = data.mocap_pos[0].copy()
        target = start + 0.05 * action[:3]
        for k in range(1, 11):
            data.mocap_pos[0] = start + k / 10 * (target - start)
            data.ctrl[:] = -0.03 if action[6] > 0 else 0.047
            mujoco.mj_step(model, data)
        mujoco.mj_fwdPosition(model, data)

    def render(self):
        frames = []
        for camera in ("agentview", "eye_in_hand"):
            self.renderer.update_scene(self.data, camera)
            frames.append(self.renderer.render())
        return frames


def python_rate(environments, rng):
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        for environment in environments:
            environment.step(np.append(rng.uniform(-0.15, 0.1, 6), 1.0))
            environment.render()
        steps += len(environments)
    return steps / (time.perf_counter() - start)


def our_rate(threads):
    name = f"rollout/{suite}/pixels:{pixels}/threads:{threads}/real_time"
    out = subprocess.run([f"{build}/bin/vla_bench", f"--benchmark_filter=^{name}$", f"--benchmark_min_time={SECONDS}",
                          "--benchmark_format=json"], capture_output=True, text=True, check=True).stdout
    return json.loads(out)["benchmarks"][0]["env_steps/s"]


def main():
    scenes = subprocess.run([f"{build}/bin/pionbench-vla", "mjcf", suite], capture_output=True, text=True, check=True).stdout
    scenes = [s for s in scenes.split("\0") if s.strip()]
    environments, renderer = [], None
    for i in range(EPISODES):
        environments.append(PythonEnvironment(scenes[i % len(scenes)], None))
    cores = len(os.sched_getaffinity(0))
    rng = np.random.default_rng(0)
    rows = {"python": [], 1: [], cores: []}
    for _ in range(3):
        rows["python"].append(python_rate(environments, rng))
        for threads in {1, cores}:
            rows[threads].append(our_rate(threads))
    python = statistics.median(rows["python"])
    print(f"{suite}, {pixels} pixels, two cameras, env steps/s: Python {python:.0f} " + " ".join(f"{r:.0f}" for r in rows["python"]))
    for threads in sorted({1, cores}):
        ours = statistics.median(rows[threads])
        print(f"  ours, {threads} thread(s): {ours:.0f}  ratio {ours / python:.2f}  (" + " ".join(f"{r:.0f}" for r in rows[threads]) + ")")


main()
