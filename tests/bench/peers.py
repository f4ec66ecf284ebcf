#!/usr/bin/env python3
"""The same jobs through pionbench and its peers: what each costs a job.

    tests/bench/peers.py --bin build/release/bin --venv FOLDER [--jobs 500] [--repeat 3] [--only pionbench,hydra]

Two loads, two jobs at a time:
  empty   a job that does nothing
  small   a job that adds 100,000 numbers and leaves its result: a file, in pionbench ten metrics of a run

Every tool runs a job in its own natural form: pionbench and Snakemake start a program, submitit's local executor a
Python process, Hydra's joblib launcher calls a function in a pool of workers. The tools take turns, and the figure is
the median. Each run starts from nothing, so what a tool needs to start itself is in it.

FOLDER is a virtual environment that holds the peers; where it is missing it is made, with
    pip install hydra-core hydra-joblib-launcher submitit snakemake
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PACKAGES = ["hydra-core", "hydra-joblib-launcher", "submitit", "snakemake"]

HYDRA_APP = """
import hydra, json, pathlib
@hydra.main(version_base=None, config_path=None, config_name="job")
def main(config):
    if config.kind == "small":
        total = sum(1.0 / i for i in range(1, 100000))
        pathlib.Path("result.json").write_text(json.dumps({"sum": total}))
main()
"""

SNAKEFILE = """
rule all:
    input: expand("out/{i}", i=range(int(config["jobs"])))
rule job:
    output: "out/{i}"
    shell: JOB
"""

SUBMITIT_APP = """
import json, pathlib, sys, time
import submitit
def job(i, kind):
    if kind == "small":
        total = sum(1.0 / n for n in range(1, 100000))
        pathlib.Path(f"result-{i}.json").write_text(json.dumps({"sum": total}))
    return i
kind, jobs = sys.argv[1], int(sys.argv[2])
executor = submitit.LocalExecutor(folder="log")
running = []
for i in range(jobs):
    # The executor starts whatever it is given at once; keeping two is the caller's business.
    while len(running) == 2:
        running = [j for j in running if not j.done()]
        time.sleep(0.002)
    running.append(executor.submit(job, i, kind))
for j in running:
    j.result()
"""

PIONBENCH_SPEC = """
name: jobs
suite: empty
grid: {{seed: 0..{last}}}
"""

CATALOG = {
    "schema": 1,
    "optimizers": [],
    "suites": [
        {
            "name": "empty", "title": "Empty", "help": "", "version": 1, "takes_optimizer": False,
            "primary_metric": "", "higher_is_better": True, "prerequisite": "",
            "table": {
                "settings": [{"name": "seed", "kind": "int", "default": 0, "help": "", "min": 0, "max": 1000000}],
                "bundle_sets": [],
            },
        }
    ],
}


def run(command, folder, environment=None):
    """Seconds; ends the program when the command fails."""
    began = time.monotonic()
    result = subprocess.run(command, cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, text=True)
    seconds = time.monotonic() - began
    if result.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}")
    return seconds


def pionbench(arguments, folder, kind, jobs):
    (folder / "catalog.json").write_text(json.dumps(CATALOG))
    (folder / "jobs.yaml").write_text(PIONBENCH_SPEC.format(last=jobs - 1))
    seconds = run(
        [arguments.bin / "pionbench", "run", "jobs.yaml", "-j", "2", "--quiet"], folder,
        {"PIONBENCH_CATALOG": str(folder / "catalog.json"), "PIONBENCH_WORKER": str(arguments.bin / "empty_worker"),
         "PIONBENCH_EMPTY_WORKER": kind},
    )
    assert len(list((folder / "out/runs").iterdir())) == jobs
    return seconds


def hydra(arguments, folder, kind, jobs):
    (folder / "app.py").write_text(HYDRA_APP)
    (folder / "job.yaml").write_text("kind: empty\ni: 0\ndefaults:\n  - _self_\n")
    seconds = run(
        [arguments.venv / "bin/python", "app.py", "--config-dir", ".", "-m", "hydra/launcher=joblib",
         "hydra.launcher.n_jobs=2", f"kind={kind}", f"i=range({jobs})"], folder,
    )
    assert len(list(folder.glob("multirun/*/*/*/.hydra"))) == jobs
    return seconds


def snakemake(arguments, folder, kind, jobs):
    small = "python3 -c 'print(sum(1.0 / i for i in range(1, 100000)))' > {output}"
    job = json.dumps("touch {output}" if kind == "empty" else small)
    (folder / "Snakefile").write_text(SNAKEFILE.replace("JOB", job))
    seconds = run(
        [arguments.venv / "bin/snakemake", "--cores", "2", "--quiet", "all", "--config", f"jobs={jobs}"], folder)
    assert len(list((folder / "out").iterdir())) == jobs
    return seconds


def submitit(arguments, folder, kind, jobs):
    (folder / "app.py").write_text(SUBMITIT_APP)
    return run([arguments.venv / "bin/python", "app.py", kind, str(jobs)], folder)


TOOLS = {"pionbench": pionbench, "hydra": hydra, "snakemake": snakemake, "submitit": submitit}
TITLES = {"pionbench": "pionbench", "hydra": "Hydra + joblib", "snakemake": "Snakemake", "submitit": "submitit, local"}


def versions(venv):
    import_names = json.dumps(PACKAGES)
    code = f"import importlib.metadata as m, json; print(json.dumps({{p: m.version(p) for p in {import_names}}}))"
    return json.loads(subprocess.run([venv / "bin/python", "-c", code], capture_output=True, text=True, check=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="the folder of pionbench and empty_worker")
    parser.add_argument("--venv", type=pathlib.Path, required=True, help="a virtual environment with the peers")
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default=",".join(TOOLS), help="tools, e.g. pionbench,hydra")
    parser.add_argument("--load", default="empty,small", help="empty, small or both")
    arguments = parser.parse_args()
    arguments.bin, arguments.venv = arguments.bin.resolve(), arguments.venv.absolute()
    if not (arguments.venv / "bin/python").exists():
        subprocess.run([sys.executable, "-m", "venv", arguments.venv], check=True)
        subprocess.run([arguments.venv / "bin/pip", "install", "-q", *PACKAGES], check=True)
    tools = arguments.only.split(",")

    seconds = {}
    for kind in arguments.load.split(","):
        for _ in range(arguments.repeat):
            for tool in tools:
                folder = pathlib.Path(tempfile.mkdtemp(prefix="peers-"))
                try:
                    spent = TOOLS[tool](arguments, folder, kind, arguments.jobs)
                finally:
                    shutil.rmtree(folder)
                seconds.setdefault((tool, kind), []).append(spent)
                print(f"{tool} {kind}: {spent:.2f} s", file=sys.stderr)

    print("versions: " + ", ".join(f"{name} {version}" for name, version in versions(arguments.venv).items()))
    print(f"\n| {arguments.jobs} jobs, two at a time | load | s | ms a job | times pionbench |\n|---|---|---|---|---|")
    for kind in arguments.load.split(","):
        base = statistics.median(seconds[("pionbench", kind)]) if ("pionbench", kind) in seconds else None
        for tool in tools:
            median = statistics.median(seconds[(tool, kind)])
            ratio = f"{median / base:.1f}" if base else "-"
            print(f"| {TITLES[tool]} | {kind} | {median:.2f} | {1000 * median / arguments.jobs:.1f} | {ratio} |")


if __name__ == "__main__":
    main()
