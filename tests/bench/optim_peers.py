#!/usr/bin/env python3
"""Optimizer steps against what people use today, in one run, taken in turn, an error beside every time.

    tests/bench/optim_peers.py build/release/bin/optim_arms             the models' matrices, all comparisons
    tests/bench/optim_peers.py build/release/bin/optim_arms --grid      every shape, ours against both naive forms
    ... --rounds 9 --threads 2 --kind mixed|noise|dominant --json FILE

Peers: (i) Python's torch.optim.Muon, live; (ii) the released Pion formula written down in libtorch, bfloat16, head by
head; (iii) the plain Gram form in libtorch, float32. A ratio is the median over rounds of ours / peer, both measured
within one round. Errors are relative to float64 for a first step.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time

import torch

# (name, m, n, role, heads): the distinct matrices of a Qwen3-0.6B layer, and of a VLA-Adapter block at half its width.
QWEN3 = [("q_proj", 2048, 1024, "heads_out", 16), ("k_proj", 1024, 1024, "heads_out", 8),
         ("o_proj", 1024, 2048, "heads_in", 16), ("up_proj", 3072, 1024, "matrix", 1),
         ("down_proj", 1024, 3072, "matrix", 1)]
VLA = [("attention", 448, 448, "heads_out", 8), ("attention_out", 448, 448, "heads_in", 8),
       ("ffn", 1792, 448, "matrix", 1), ("fc1", 448, 3136, "matrix", 1)]


class Arms:
    """The C++ half (tests/bench/optim_arms.cpp)."""

    def __init__(self, program, threads, **more):
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), **more)
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer or answer.startswith("error"):
            sys.exit(f"optim_arms: {line!r}: {answer or 'ended'}")
        return answer

    def step(self, name):
        return float(self.ask("step " + name))


class TorchMuon:
    """Python's own, on gradients of the same size."""

    def __init__(self, m, n):
        self.weight = torch.nn.Parameter(torch.zeros(m, n))
        self.optimizer = torch.optim.Muon([self.weight], lr=1.0, weight_decay=0.0, momentum=0.95, nesterov=False)
        self.gradients = [torch.randn(m, n) for _ in range(4)]
        self.steps = 0

    def step(self):
        self.weight.grad = self.gradients[self.steps % 4].clone()
        self.steps += 1
        begin = time.perf_counter()
        self.optimizer.step()
        return time.perf_counter() - begin

    def error(self):
        m, n = self.weight.shape
        self.step()
        x = self.gradients[0].double()
        x = x.t() if m > n else x
        x = x / x.norm()
        for _ in range(5):
            gram = x @ x.t()
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        exact = (x.t() if m > n else x) * math.sqrt(max(1, m / n))
        return ((-self.weight.detach().double() - exact).norm() / exact.norm()).item()


def compare(ours, peers, rounds):
    """{peer: (median ratio ours/peer, lowest, highest)}, and the median seconds of each."""
    for step in [ours, *peers.values()]:
        step()
        step()
    seconds = {name: [] for name in ["ours", *peers]}
    ratios = {name: [] for name in peers}
    for _ in range(rounds):
        own = ours()
        seconds["ours"].append(own)
        for name, step in peers.items():
            taken = step()
            seconds[name].append(taken)
            ratios[name].append(own / taken)
    return ({name: (statistics.median(r), min(r), max(r)) for name, r in ratios.items()},
            {name: statistics.median(s) for name, s in seconds.items()})


def geometric(values):
    return math.exp(sum(math.log(v) for v in values) / len(values))


def peak_mebibytes(program, threads, case, arm):
    """What one step takes beyond weights, gradients and state. A process of its own, whose allocator returns every
    block at once: that makes peaks visible and would spoil times."""
    arms = Arms(program, threads, MALLOC_MMAP_THRESHOLD_="65536", MALLOC_TRIM_THRESHOLD_="0")
    arms.ask(case)
    arms.ask("arm ours " + arm)
    megabytes = int(arms.ask("memory ours")) / 2**20
    arms.process.stdin.close()
    arms.process.wait()
    return megabytes


def models(arms, options):
    rows = []

    def row(model, what, matrix, ours, peers):
        """`ours` and values of `peers`: arm lines "OPTIMIZER key=value…", or a TorchMuon."""
        name, m, n, role, heads = matrix
        arms.ask(f"case {m} {n} {role} {heads} {options.kind}")
        arms.ask("arm ours " + ours)
        steps, errors = {}, {"ours": float(arms.ask("error ours"))}
        for peer, line in peers.items():
            if isinstance(line, str):
                arms.ask(f"arm {peer} {line}")
                steps[peer] = lambda peer=peer: arms.step(peer)
                errors[peer] = float(arms.ask("error " + peer))
            else:
                other = line(m, n)
                steps[peer] = other.step
                errors[peer] = line(m, n).error()
        ratios, seconds = compare(lambda: arms.step("ours"), steps, options.rounds)
        megabytes = peak_mebibytes(options.program, options.threads, f"case {m} {n} {role} {heads} {options.kind}", ours)
        for peer, (median, low, high) in ratios.items():
            rows.append(dict(model=model, what=what, matrix=name, m=m, n=n, aspect=max(m, n) / min(m, n), peer=peer,
                             ratio=median, low=low, high=high, ours_ms=seconds["ours"] * 1e3,
                             peer_ms=seconds[peer] * 1e3, ours_error=errors["ours"], peer_error=errors[peer],
                             ours_peak_mib=megabytes))
            print(f"{model:6} {what:14} {name:14} {m:5}x{n:<5} {peer:15} {median:6.3f} [{low:.3f}, {high:.3f}]  "
                  f"{seconds['ours']*1e3:8.2f} / {seconds[peer]*1e3:8.2f} ms  error {errors['ours']:.1e} / "
                  f"{errors[peer]:.1e}  peak {megabytes:.0f} MiB", flush=True)

    for model, matrices in (("qwen3", QWEN3), ("vla", VLA)):
        if options.model not in (model, "all"):
            continue
        for matrix in matrices:
            row(model, "muon", matrix, "muon precision=auto", {
                "torch.optim.Muon": TorchMuon, "naive-bfloat16": "naive-bfloat16", "plain-gram": "plain-gram"})
            for k_p in (0, 1, 2):
                row(model, f"pion k_p={k_p}", matrix, f"pion k_p={k_p} precision=auto", {
                    "naive-bfloat16": f"naive-bfloat16 k_p={k_p}", "plain-gram": f"plain-gram k_p={k_p}"})
            if matrix[4] > 1:
                row(model, "muon heads", matrix, "muon precision=auto heads=per-head",
                    {"naive-bfloat16": "naive-bfloat16 heads=per-head"})
                for k_p in (0, 2):
                    row(model, f"pion{k_p} heads", matrix, f"pion k_p={k_p} precision=auto heads=per-head",
                        {"naive-bfloat16": f"naive-bfloat16 k_p={k_p} heads=per-head"})
    print("\ngeometric means")
    keys = sorted({(r["model"], r["what"], r["peer"]) for r in rows})
    for key in keys:
        picked = [r for r in rows if (r["model"], r["what"], r["peer"]) == key]
        print(f"  {key[0]:6} {key[1]:14} {key[2]:18} {geometric([r['ratio'] for r in picked]):.3f}")
    return rows


def grid(arms, options):
    rows = []
    for m in (32, 64, 128, 256, 512, 1024, 2048):
        if not options.smallest <= m <= options.largest:
            continue
        for aspect in (1, 2, 4, 8, 32):
            n = m * aspect
            if m * n > 2048 * 4096 or n > 32768:
                continue
            # The released form takes seconds where bfloat16 is not native; beyond this it is left out.
            naive_fits = m * m * n <= 2**31
            for what, ours, naive in (("muon", "muon precision=auto", ""), ("pion k_p=0", "pion k_p=0 precision=auto", " k_p=0"),
                                      ("pion k_p=2", "pion k_p=2 precision=auto", " k_p=2")):
                arms.ask(f"case {m} {n} matrix 1 {options.kind}")
                arms.ask("arm ours " + ours)
                arms.ask("arm bfloat16 naive-bfloat16" + naive)
                arms.ask("arm gram plain-gram" + naive)
                peers = {"plain-gram": lambda: arms.step("gram")}
                if naive_fits:
                    peers["naive-bfloat16"] = lambda: arms.step("bfloat16")
                ratios, seconds = compare(lambda: arms.step("ours"), peers, options.rounds)
                error = float(arms.ask("error ours"))
                rows.append(dict(m=m, n=n, what=what, ms=seconds["ours"] * 1e3, error=error,
                                 **{peer: r[0] for peer, r in ratios.items()}))
                naive = f"{ratios['naive-bfloat16'][0]:.3f}" if naive_fits else "-"
                print(f"{m:5} x {n:<6} {what:11} {seconds['ours']*1e3:9.3f} ms  of naive bfloat16 {naive}  of plain Gram "
                      f"{ratios['plain-gram'][0]:.3f}  error {error:.1e}", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--grid", action="store_true")
    parser.add_argument("--model", default="all", choices=["all", "qwen3", "vla"])
    parser.add_argument("--smallest", type=int, default=32, help="--grid: smallest smaller side")
    parser.add_argument("--largest", type=int, default=2048, help="--grid: largest smaller side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--kind", default="mixed", choices=["mixed", "noise", "dominant"])
    parser.add_argument("--json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    arms = Arms(options.program, options.threads)
    rows = (grid if options.grid else models)(arms, options)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"torch": torch.__version__, "threads": options.threads, "kind": options.kind, "rows": rows},
                      file, indent=1)


if __name__ == "__main__":
    main()
