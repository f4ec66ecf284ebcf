#!/usr/bin/env python3
"""A worker that speaks the event protocol and does what the setting `note` says. Usage: fake_worker.py run FOLDER"""

import json
import os
import signal
import subprocess
import sys
import time

folder = sys.argv[2]
with open(os.path.join(folder, "run.json")) as file:
    request = json.load(file)
behaviour = request["config"]["settings"].get("note", "")
if request["config"]["settings"].get("width") == 13 and request["config"]["suite"] == "toy/base":
    behaviour = "fail"
out = os.path.dirname(os.path.dirname(folder))
events = os.path.join(folder, "events.jsonl")
seq = len(open(events).readlines()) if os.path.exists(events) else 0


def emit(type, **fields):
    global seq
    with open(events, "a") as file:
        file.write(json.dumps({"seq": seq, "t": 0.5, "type": type, **fields}) + "\n")
    seq += 1


def finish(status="done"):
    emit("run_finished", status=status, step=3)


def wait(file):
    while not os.path.exists(os.path.join(out, file)):
        time.sleep(0.01)


def checkpoint_and_leave(*_):
    with open(os.path.join(folder, "checkpoint.bin"), "w"):
        pass
    emit("checkpoint", step=2, path="checkpoint.bin")
    sys.exit(75)


emit("run_started", schema=1, run=request["run"], cell=request["cell"], attempt=request["attempt"], environment={})
emit("progress", step=1, steps=3)
with open(os.path.join(out, "order.txt"), "a") as order:
    order.write(request["config"]["suite"] + "\n")
for path in request["inputs"].values():
    assert os.path.isdir(path), path
os.makedirs(os.path.join(folder, "artifacts"), exist_ok=True)

if behaviour == "fail" and not os.path.exists(os.path.join(out, "mended")):
    for i in range(30):
        print(f"line {i}", file=sys.stderr)
    print("the cause", file=sys.stderr)
    sys.exit(70)
elif behaviour == "crash":
    os.kill(os.getpid(), signal.SIGKILL)
elif behaviour == "silent":
    sys.exit(0)
elif behaviour == "memory":
    sys.exit(76)
elif behaviour == "diverge":
    finish("diverged")
    sys.exit(77)
elif behaviour == "environment":
    print(os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"], request["threads"], os.getpgid(0) == os.getpid(),
          sys.stdin.read() == "")
elif behaviour == "patient" and request["attempt"] == 1:
    signal.signal(signal.SIGTERM, checkpoint_and_leave)
    open(os.path.join(out, "ready"), "w").close()
    wait("never")
elif behaviour == "preempted" and request["attempt"] == 1:
    checkpoint_and_leave()
elif behaviour == "greedy" and request["accumulation"] < 4:
    sys.exit(76)
elif behaviour == "deaf":
    os.kill(os.getpid(), signal.SIGTERM)
elif behaviour == "device":
    print(os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("CUDA_DEVICE_ORDER"))
elif behaviour == "daemons":
    tagged = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    untagged = subprocess.Popen(["sleep", "1000"], start_new_session=True, env={"PATH": os.environ["PATH"]})
    with open(os.path.join(out, "daemons"), "w") as file:
        file.write(f"{tagged.pid} {untagged.pid}")
elif behaviour == "hang" and not os.path.exists(os.path.join(out, "ready")):
    open(os.path.join(out, "ready"), "w").close()
    wait("never")
elif behaviour == "daemon":
    command = "sleep 1000 & echo $! >daemon.tmp; mv daemon.tmp daemon.pid"
    subprocess.Popen(["setsid", "sh", "-c", command], cwd=out, start_new_session=True)
    wait("daemon.pid")
elif behaviour == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    helper = subprocess.Popen(["sleep", "1000"])
    with open(os.path.join(out, "helper.tmp"), "w") as file:
        file.write(str(helper.pid))
    os.rename(os.path.join(out, "helper.tmp"), os.path.join(out, "ready"))
    wait("never")
emit("evaluation", step=3, split="test", values={"accuracy": 0.79})
emit("phase", step=3, name="train", seconds=0.25)
finish()
