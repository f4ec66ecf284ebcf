"""verl's policy losses from their formulas, differentiated by torch in float64.

usage: policy_loss_reference.py CASES OUT
  CASES  JSON: a list of {kind, aggregation, clip_low, clip_high, dual_clip, kl_coef, logp, old, reference, advantages,
         mask}, matrices as lists of rows
  OUT    JSON: a list of {loss, grad, clip_fraction, clip_fraction_lower, approximate_kl}
  also   {rewards: [[...]]} -> {advantages: [[...]], centred: [[...]]}
"""
import json
import sys


def masked_mean(torch, x, mask):
    return (x * mask).sum() / mask.sum()


def aggregate(torch, x, mask, how):
    if how == "token-mean":
        return masked_mean(torch, x, mask)
    rows = []
    for values, present in zip(x, mask):
        count = present.sum()
        total = (values * present).sum()
        if count > 0:
            rows.append(total / (count + 1e-8) if how == "seq-mean-token-mean" else total)
    if how == "seq-mean-token-sum-norm":
        return sum(rows) / mask.shape[1]
    return sum(rows) / len(rows)


def solve(torch, case):
    tensor = lambda name: torch.tensor(case[name], dtype=torch.float64)
    if "rewards" in case:
        rewards = tensor("rewards")
        out = {"advantages": [], "centred": []}
        for group in rewards:
            mean, std = (group.mean(), group.std()) if len(group) > 1 else (torch.tensor(0.0), torch.tensor(1.0))
            if len(group) > 1:
                out["advantages"].append(((group - mean) / (std + 1e-6)).tolist())
            else:
                out["advantages"].append(group.tolist())
            out["centred"].append((group - mean).tolist())
        return out
    logp = tensor("logp").requires_grad_(True)
    old, reference, mask = tensor("old"), tensor("reference"), tensor("mask")
    advantages = tensor("advantages")[:, None].expand_as(logp)
    low, high = case["clip_low"], case["clip_high"]
    d = logp - old
    if case["kind"] == "ppo_clip":
        d = torch.clamp(d, -20, 20)
        ratio = torch.exp(d)
        first = -advantages * ratio
        second = -advantages * torch.clamp(ratio, 1 - low, 1 + high)
        worse = torch.maximum(first, second)
        third = -advantages * case["dual_clip"]
        losses = torch.where(advantages < 0, torch.min(third, worse), worse)
        loss = aggregate(torch, losses, mask, case["aggregation"])
        upper = (second > first).double()
        lower = (worse > third).double() * (advantages < 0)
    else:
        sign = torch.sign(advantages)
        clamped = torch.clamp(d, -low, high)
        kept = sign * torch.min(sign * d, sign * clamped)
        count = mask.sum(-1)
        ratio = torch.exp((kept * mask).sum(-1) / (count + 1e-8))
        advantage = (advantages * mask).sum(-1) / (count + 1e-8)
        loss = torch.mean(-advantage * ratio)
        upper = (d != clamped).double() * (advantages > 0)
        lower = (d != clamped).double() * (advantages < 0)
    if case["kl_coef"]:
        k = torch.clamp(reference - logp, -20, 20)
        kl = torch.clamp(torch.exp(k) - k - 1, -10, 10)
        loss = loss + case["kl_coef"] * aggregate(torch, kl, mask, case["aggregation"])
    loss.backward()
    return {"loss": loss.item(), "grad": logp.grad.tolist(),
            "clip_fraction": masked_mean(torch, upper, mask).item(),
            "clip_fraction_lower": masked_mean(torch, lower, mask).item(),
            "approximate_kl": masked_mean(torch, -d, mask).item()}


def main():
    try:
        import torch
    except ImportError:
        return 3
    torch.set_num_threads(1)
    cases = json.load(open(sys.argv[1]))
    json.dump([solve(torch, case) for case in cases], open(sys.argv[2], "w"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
