#!/usr/bin/env python3
"""sbatch, squeue, scancel and scontrol for tests, by the name it is called under. Tasks are real processes.

The cluster is the folder $FAKE_SLURM: jobs/<array>_<task>.json, and files by which a test steers it:
  hold         new tasks wait                     down      the controller does not answer
  refuse       sbatch fails with the file's text  max       MaxArraySize
  calls.log    every command line
"""

import json
import os
import signal
import subprocess
import sys
import time

home = os.environ["FAKE_SLURM"]
jobs = os.path.join(home, "jobs")
os.makedirs(jobs, exist_ok=True)
command, args = os.path.basename(sys.argv[0]), sys.argv[1:]
with open(os.path.join(home, "calls.log"), "a") as log:
    log.write(" ".join([command, *args]) + "\n")


def there(name):
    return os.path.exists(os.path.join(home, name))


def text(name):
    with open(os.path.join(home, name)) as file:
        return file.read().strip()


def path_of(job):
    return os.path.join(jobs, job + ".json")


def load(job):
    with open(path_of(job)) as file:
        return json.load(file)


def save(job):
    with open(path_of(job["id"]) + ".tmp", "w") as file:
        json.dump(job, file)
    os.rename(path_of(job["id"]) + ".tmp", path_of(job["id"]))


def all_jobs():
    return [load(name[:-5]) for name in sorted(os.listdir(jobs)) if name.endswith(".json")]


def start(job):
    array, task = job["id"].split("_")
    environment = dict(os.environ, SLURM_ARRAY_JOB_ID=array, SLURM_ARRAY_TASK_ID=task, PIONBENCH_HEARTBEAT_S="0.05")
    end = path_of(job["id"]) + f".end{job['restarts']}"
    # As Slurm's step daemon does: run the script, keep its exit code.
    process = subprocess.Popen(
        ["bash", "-c", f'bash "$0" & echo $! >"$1.pid.tmp"; mv "$1.pid.tmp" "$1.pid"; wait $!; echo $? >"$1"',
         job["script"], end],
        env=environment, stdin=subprocess.DEVNULL, stdout=open(job["output"], "a"), stderr=subprocess.STDOUT,
        start_new_session=True)
    while not os.path.exists(end + ".pid"):
        time.sleep(0.002)
    with open(end + ".pid") as file:
        job["pid"] = int(file.read())
    job["end"] = end
    job["state"] = "RUNNING"
    job["reason"] = "None"
    del process


def advance():
    """What the controller would have done by now."""
    for job in all_jobs():
        if job["state"] == "PENDING" and job["reason"] != "BeginTime" and not there("hold"):
            start(job)
            save(job)
        elif job["state"] in ("RUNNING", "COMPLETING") and os.path.exists(job["end"]):
            with open(job["end"]) as file:
                code = int(file.read() or 0)
            job["state"] = job.get("ending") or ("COMPLETED" if code == 0 else "FAILED")
            save(job)


def tell(job, number):
    try:
        os.kill(job["pid"], number)
    except ProcessLookupError:
        pass


if there("down"):
    if args == ["--version"]:
        sys.exit(0)
    sys.exit(f"{command}: error: Unable to contact slurm controller (connect failure)")

if command == "sbatch":
    if args == ["--version"]:
        print("slurm 22.05.8")
        sys.exit(0)
    if there("refuse"):
        sys.exit("sbatch: error: " + text("refuse"))
    options = dict(a[2:].split("=", 1) for a in args if a.startswith("--") and "=" in a)
    number = 1 + max([int(name.split("_")[0]) for name in os.listdir(jobs) if "_" in name], default=0)
    for task in range(int(options["array"].split("-")[1]) + 1):
        save({"id": f"{number}_{task}", "name": options["job-name"], "comment": options["comment"],
              "script": os.path.abspath(args[-1]), "output": options["output"].replace("%a", str(task)),
              "state": "PENDING", "reason": "Priority", "restarts": 0})
    print(number)
    if there("lose-answer"):
        os.remove(os.path.join(home, "lose-answer"))
        sys.exit("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    advance()
elif command == "squeue":
    advance()
    if "-j" in args:
        print(load(args[args.index("-j") + 1])["state"])
    else:
        for job in all_jobs():
            array, task = job["id"].split("_")
            print("|".join([array, task, job["state"], "N/A", "n1", job["reason"], job["name"], job["comment"]]))
elif command == "scancel":
    wanted = next(a[7:] for a in args if a.startswith("--name="))
    for job in [load(a) for a in args if not a.startswith("-") and os.path.exists(path_of(a))]:
        if job["name"] != wanted:
            continue
        if "--signal=USR2" in args:
            tell(job, signal.SIGUSR2)
        elif job["state"] == "PENDING":
            job["state"] = "CANCELLED"
            save(job)
        elif job["state"] == "RUNNING":
            tell(job, signal.SIGTERM)
            job["state"], job["ending"] = "COMPLETING", "CANCELLED"
            save(job)
elif command == "scontrol" and args[:2] == ["show", "config"]:
    print(f"MaxArraySize            = {text('max') if there('max') else 1001}")
elif command == "scontrol" and args[0] == "requeue":
    job = load(args[1])
    tell(job, signal.SIGTERM)
    job.update(state="PENDING", reason="Resources", restarts=job["restarts"] + 1)
    save(job)
