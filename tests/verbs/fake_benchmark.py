#!/usr/bin/env python3
"""Speaks Google Benchmark's command line and JSON; its times are drawn, so that a test of the gate needs no quiet
machine. Usage: fake_benchmark.py STATE [slower=0.05] [coefficient=-4.7570] [model=qwen3/] [fail] --benchmark_out=FILE ...

STATE counts the calls, so that no two processes draw the same noise and every test run draws the same."""
import json
import random
import re
import sys

state, given = sys.argv[1], dict(word.partition("=")[::2] for word in sys.argv[2:])
try:
    calls = int(open(state).read())
except FileNotFoundError:
    calls = 0
with open(state, "w") as file:
    file.write(str(calls + 1))
if "fail" in given:
    print("a benchmark of nothing", file=sys.stderr)
    sys.exit(9)

rng = random.Random(f"{state.rsplit('/', 1)[-1]} {calls}")
repetitions = int(given.get("--benchmark_repetitions", 1))
wanted = re.compile(given.get("--benchmark_filter") or ".")
slower = float(given.get("slower", 0))
coefficient = float(given.get("coefficient", -4.7750))


def muon(s, b):
    for _ in range(5):
        s = s * (3.4445 + s * s * (b + s * s * 2.0315))
    return s


# Against what the map should be, over what float32 leaves anyway; and what it does to the largest singular value.
grid = [i / 500 for i in range(501)]
error = 1.5e-7 + max(abs(muon(s, coefficient) - muon(s, -4.7750)) for s in grid)


benchmarks = []
for name, level, factor in (("muon", 410.0, 1.0), ("pion", 400.0, 1 + slower)):
    name = "step/" + given.get("model", "") + name
    if not wanted.search(name + "/real_time"):
        continue
    process = rng.gauss(0, 0.008)
    for i in range(repetitions):
        time = level * factor * (1 + process + rng.gauss(0, 0.004))
        benchmarks.append({"name": name + "/real_time", "run_name": name + "/real_time", "run_type": "iteration",
                           "family_index": 0, "per_family_instance_index": 0, "repetitions": repetitions,
                           "repetition_index": i, "threads": 1, "iterations": 100, "real_time": time,
                           "cpu_time": time, "time_unit": "us", "error": error, "value_at_1": muon(1, coefficient)})
    benchmarks.append({"name": name + "/real_time_mean", "run_name": name + "/real_time", "run_type": "aggregate",
                       "aggregate_name": "mean", "real_time": 1, "cpu_time": 1, "time_unit": "us"})
with open(given["--benchmark_out"], "w") as file:
    json.dump({"context": {"host_name": "elsewhere", "num_cpus": 2, "library_build_type": "release"},
               "benchmarks": benchmarks}, file)
