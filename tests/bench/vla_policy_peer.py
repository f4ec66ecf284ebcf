"""One training step of the robot policy in eager PyTorch (AdamW, foreach), beside ours, in turns, with the ratio.

usage: vla_policy_peer.py BUILD [ROUNDS]     e.g. vla_policy_peer.py build/release 5

The Python model is the oracle of the tests (tests/tools/vla_policy_reference.py): the same shapes, one thread on both
sides, the same batch of 32. Medians over the rounds are compared.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
import vla_policy_reference as reference

BUILD, ROUNDS, BATCH, SECONDS = sys.argv[1], int((sys.argv + ["5"])[2]), 32, 2.0
torch.set_num_threads(1)


def ours(head):
    out = subprocess.run([f"{BUILD}/bin/vla_policy_bench", f"--benchmark_filter=^step/{head}/adamw/",
                          f"--benchmark_min_time={SECONDS}", "--benchmark_format=json"],
                         capture_output=True, text=True, check=True).stdout
    return json.loads(out)["benchmarks"][0]["real_time"]


def theirs(head):
    config = dict(image=40, patch=8, stem_patch=2, vision_width=64, vision_layers=2, vision_heads=4, width=64, layers=2, heads=4,
                  mlp_ratio=2, queries=8, words=32, head=head, action_width=64, action_heads=4, chunk=8,
                  vocabulary=["word"] * 150)
    policy = reference.Policy(config)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-3)
    batch = dict(images=torch.randn(BATCH, 2, 40, 40, 3), words=torch.randint(2, 100, (BATCH, 9)),
                 proprio=torch.randn(BATCH, 8), actions=torch.randn(BATCH, 8, 7), noise=torch.randn(BATCH, 8, 7),
                 sigma=torch.rand(BATCH))
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        begin = time.perf_counter()
        optimizer.zero_grad()
        loss, _ = policy.loss(batch)
        loss.backward()
        optimizer.step()
        loss.item()
        times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)


for head in ("l1", "flow"):
    rows = {"eager Python": [], "ours": []}
    for _ in range(ROUNDS):
        rows["eager Python"].append(theirs(head))
        rows["ours"].append(ours(head))
    peer, mine = (statistics.median(rows[k]) for k in ("eager Python", "ours"))
    print(f"{head} head, batch {BATCH}, AdamW, one thread: eager Python {peer:.1f} ms, ours {mine:.1f} ms, "
          f"ratio {peer / mine:.2f}   " + "; ".join(f"{k} " + " ".join(f"{t:.1f}" for t in v) for k, v in rows.items()))
