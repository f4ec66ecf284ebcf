#!/usr/bin/env python3
"""A program of `suite: command` for tests: deterministic, slow on purpose, and able to go on from a checkpoint.

It walks towards a target in `steps` steps of `pause` seconds and writes its state after each.
"""

import json
import os
import random
import signal
import sys
import time

folder = os.environ["PIONBENCH_RUN_FOLDER"]
with open(os.path.join(folder, "run.json")) as file:
    request = json.load(file)
p = request["config"]["settings"]
spool_path, state_path = os.path.join(folder, "events.jsonl"), os.path.join(folder, "state.json")

lines = open(spool_path, "rb").read().split(b"\n") if os.path.exists(spool_path) else [b""]
spool = open(spool_path, "a", buffering=1)
if lines[-1]:
    spool.write("\n")  # a kill tore the last line
seq = 1 + max([json.loads(line)["seq"] for line in lines[:-1] if line.endswith(b"}")], default=-1)
began = time.monotonic()
stop = False


def say(type, **fields):
    global seq
    spool.write(json.dumps({"seq": seq, "t": time.monotonic() - began, "type": type, **fields}) + "\n")
    seq += 1


def ask_to_stop(*_):
    global stop
    stop = True


signal.signal(signal.SIGTERM, ask_to_stop)
state = {"step": 0, "x": random.Random(p["seed"]).random(), "seq": -1}
if os.path.exists(state_path):
    with open(state_path) as file:
        state = json.load(file)
say("run_started", schema=1, run=request["run"], cell=request["cell"], attempt=request["attempt"],
    environment={"cuda": os.environ.get("CUDA_VISIBLE_DEVICES", "")}, resumed_from=state["seq"], step=state["step"])
while state["step"] < p["steps"]:
    start = time.monotonic()
    time.sleep(p["pause"])
    step = state["step"] + 1
    x = state["x"] + p["lr"] * (1.0 - state["x"])
    say("metric", step=step, values={"x": x})
    say("phase", step=step, name="train", seconds=time.monotonic() - start)
    say("progress", step=step, steps=p["steps"])
    state = {"step": step, "x": x, "seq": seq}
    with open(state_path + ".tmp", "w") as file:
        json.dump(state, file)
    os.rename(state_path + ".tmp", state_path)
    say("checkpoint", step=step, path="state.json")
    if stop:
        sys.exit(75)
say("evaluation", step=state["step"], split="test", values={"x": state["x"]})
say("run_finished", status="done", step=state["step"])
