"""A workload of one's own in PyTorch: see docs/bring-your-own.md."""

import json, os, time, torch

folder = os.environ["PIONBENCH_RUN_FOLDER"]
request = json.load(open(folder + "/run.json"))
p = request["config"]["settings"]  # the experiment file's parameters
spool = open(folder + "/events.jsonl", "a", buffering=1)
seq, began = 0, time.monotonic()


def say(type, **fields):
    global seq
    spool.write(json.dumps({"seq": seq, "t": time.monotonic() - began, "type": type, **fields}) + "\n")
    seq += 1


say("run_started", schema=1, run=request["run"], cell=request["cell"], attempt=request["attempt"],
    environment={"torch": torch.__version__})
torch.manual_seed(p["seed"])
train, test = torch.randn(512, 2), torch.randn(512, 2)
model = torch.nn.Sequential(torch.nn.Linear(2, p["width"]), torch.nn.Tanh(), torch.nn.Linear(p["width"], 1))
optimizer = getattr(torch.optim, p["optimizer"])(model.parameters(), lr=p["lr"])
start = time.monotonic()
for step in range(1, p["steps"] + 1):
    loss = torch.nn.functional.soft_margin_loss(model(train).squeeze(1), train.prod(1).sign())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    say("metric", step=step, values={"loss": loss.item()})
say("phase", step=step, name="train", seconds=time.monotonic() - start)
right = (model(test).squeeze(1) > 0) == (test.prod(1) > 0)
say("evaluation", step=step, split="test", values={"accuracy": right.float().mean().item()})
say("run_finished", status="done", step=step)
