"""The robot policy again, in plain PyTorch modules: an oracle for its losses and gradients, and the eager peer that the
benchmark times.

usage: vla_policy_reference.py FOLDER
  reads   FOLDER/policy.json, FOLDER/model.safetensors (a saved policy), FOLDER/batch.safetensors: images [B, 2, S, S, 3]
          as floats, words [B, W], proprio [B, 8], actions [B, T, 7]; for the flow head noise [B, T, 7] and sigma [B]
  writes  FOLDER/reference.safetensors: "loss", "output" (chunk or velocity), "chunk" (flow: 5 Euler steps from noise),
          and "grad/NAME" of every parameter, in float64
"""
import json
import math
import pathlib
import sys

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, width, source_width, heads):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(source_width, width, bias=False)
        self.v = nn.Linear(source_width, width, bias=False)
        self.o = nn.Linear(width, width, bias=False)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x, source, mask=None):
        y = F.scaled_dot_product_attention(self.split(self.q(x)), self.split(self.k(source)),
                                           self.split(self.v(source)), attn_mask=mask)
        return self.o(y.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, width, heads, ratio):
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, ratio * width)
        self.down = nn.Linear(ratio * width, width)

    def forward(self, x, mask=None):
        h = self.attention_norm(x)
        x = x + self.attention(h, h, mask)
        return x + self.down(F.gelu(self.up(self.mlp_norm(x)), approximate="tanh"))


class Bridge(nn.Module):
    def __init__(self, width, source_width, heads):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width, bias=False)
        for source, size in (("self", width), ("adapter", source_width), ("task", source_width)):
            for part in "kv":
                setattr(self, f"{source}_{part}", nn.Linear(size, width, bias=False))
        self.gate = nn.Parameter(torch.zeros(1))
        self.o = nn.Linear(width, width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Linear(width, width)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x, adapter, task):
        q = self.split(self.q(x)) / math.sqrt(x.shape[-1] // self.heads)
        scores, values = [], []
        for name, source in (("self", x), ("adapter", adapter), ("task", task)):
            s = q @ self.split(getattr(self, name + "_k")(source)).mT
            scores.append(s * torch.tanh(self.gate) if name == "task" else s)
            values.append(self.split(getattr(self, name + "_v")(source)))
        y = torch.softmax(torch.cat(scores, -1), -1) @ torch.cat(values, 2)
        y = self.o(y.transpose(1, 2).flatten(2))
        return torch.relu(self.mlp(self.norm(x + y)))


class FlowBlock(nn.Module):
    def __init__(self, width, source_width, heads, ratio):
        super().__init__()
        self.condition = nn.Linear(source_width, width)
        self.modulation = nn.Linear(width, 6 * width)
        self.attention = Attention(width, width, heads)
        self.up = nn.Linear(width, ratio * width)
        self.down = nn.Linear(ratio * width, width)

    def forward(self, x, states, time, mask):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(time).unsqueeze(1).chunk(6, -1)
        h = plain_norm(x) * (1 + scale1) + shift1
        x = x + gate1 * self.attention(h, torch.cat([h, self.condition(states)], 1), mask)
        h = plain_norm(x) * (1 + scale2) + shift2
        return x + gate2 * self.down(F.gelu(self.up(h), approximate="tanh"))


class Convolution(nn.Module):
    """3 x 3, stride 2; the kernels are kept as a matrix."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs * 9))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return F.conv2d(x, self.weight.unflatten(1, (-1, 3, 3)), self.bias, stride=2, padding=1)


def plain_norm(x):
    return F.layer_norm(x, x.shape[-1:])


class Policy(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        d, dv, a = c["width"], c["vision_width"], c["action_width"]
        grid = c["image"] // c["patch"]
        self.per_view = grid * grid
        stages = (c["patch"] // c["stem_patch"]).bit_length() - 1
        self.patch = nn.Linear(c["stem_patch"] ** 2 * 3, dv >> stages)
        self.stem = nn.ModuleList(Convolution(dv >> i, dv >> i - 1) for i in range(stages, 0, -1))
        self.vision_position = nn.Parameter(torch.zeros(2 * self.per_view, dv))
        self.vision = nn.ModuleList(Block(dv, c["vision_heads"], c["mlp_ratio"]) for _ in range(c["vision_layers"]))
        self.vision_norm = nn.LayerNorm(dv)
        self.connector_up, self.connector_down = nn.Linear(dv, d), nn.Linear(d, d)
        self.proprio_up, self.proprio_down = nn.Linear(8, d), nn.Linear(d, d)
        self.queries = nn.Parameter(torch.zeros(c["queries"], d))
        self.embedding = nn.Embedding(len(c["vocabulary"]) + 2, d)
        self.word_position = nn.Parameter(torch.zeros(c["words"], d))
        self.language = nn.ModuleList(Block(d, c["heads"], c["mlp_ratio"]) for _ in range(c["layers"]))
        self.language_norm = nn.LayerNorm(d)
        self.action_position = nn.Parameter(torch.zeros(c["chunk"], a))
        self.is_flow = c["head"] == "flow"
        if self.is_flow:
            self.action_input = nn.Linear(7, a)
            self.time_up, self.time_down = nn.Linear(64, a), nn.Linear(a, a)
            self.head = nn.ModuleList(FlowBlock(a, d, c["action_heads"], c["mlp_ratio"]) for _ in range(c["layers"]))
            self.final_modulation = nn.Linear(a, 2 * a)
        else:
            self.head = nn.ModuleList(Bridge(a, d, c["action_heads"]) for _ in range(c["layers"]))
            self.action_norm = nn.LayerNorm(a)
        self.output = nn.Linear(a, 7)

    def encode(self, images, words, proprio):
        c, batch = self.c, images.shape[0]
        p, side = c["stem_patch"], c["image"] // c["stem_patch"]
        x = images.flatten(0, 1).unflatten(2, (side, p)).unflatten(1, (side, p))  # [2B, s, p, s, p, 3]
        x = self.patch(x.permute(0, 1, 3, 2, 4, 5).flatten(3)).permute(0, 3, 1, 2)
        for convolution in self.stem:
            x = convolution(F.relu(x))
        x = x.flatten(2).mT.reshape(batch, 2 * self.per_view, -1) + self.vision_position
        x = x.reshape(2 * batch, self.per_view, -1)
        for block in self.vision:
            x = block(x)
        x = self.vision_norm(x).reshape(batch, 2 * self.per_view, -1)
        x = self.connector_down(F.gelu(self.connector_up(x), approximate="tanh"))
        said = self.embedding(words) + self.word_position[:words.shape[1]]
        felt = self.proprio_down(F.gelu(self.proprio_up(proprio), approximate="tanh")).unsqueeze(1)
        x = torch.cat([x, said, felt, self.queries.expand(batch, -1, -1)], 1)
        length, prefix = x.shape[1], x.shape[1] - c["queries"]
        visible = torch.ones(batch, length, dtype=torch.bool)
        visible[:, 2 * self.per_view:2 * self.per_view + words.shape[1]] = words != 0
        row, column = torch.arange(length).unsqueeze(1), torch.arange(length).unsqueeze(0)
        mask = visible[:, None, None, :] & ((column < prefix) | (row >= prefix))
        states = []
        for i, block in enumerate(self.language):
            x = block(x, mask)
            states.append(self.language_norm(x) if i + 1 == len(self.language) else plain_norm(x))
        return states, visible

    def chunk(self, states):
        vision, own = 2 * self.per_view, self.c["queries"] + 1
        x = self.action_position.expand(states[0].shape[0], -1, -1)
        for block, h in zip(self.head, states):
            x = block(x, h[:, -own:], h[:, :vision])
        return self.output(self.action_norm(x))

    def velocity(self, states, visible, noisy, sigma):
        rates = torch.exp(torch.arange(32) * (-math.log(1e4) / 32))
        angles = 1000 * sigma.float()[:, None] * rates
        time = torch.cat([angles.cos(), angles.sin()], 1).to(noisy.dtype)
        time = F.silu(self.time_down(F.silu(self.time_up(time))))
        x = self.action_input(noisy) + self.action_position
        own = torch.ones(x.shape[0], x.shape[1], dtype=torch.bool)
        mask = torch.cat([own, visible], 1)[:, None, None, :]
        for block, h in zip(self.head, states):
            x = block(x, h, time, mask)
        shift, scale = self.final_modulation(time).unsqueeze(1).chunk(2, -1)
        return self.output(plain_norm(x) * (1 + scale) + shift)

    def loss(self, batch):
        states, visible = self.encode(batch["images"], batch["words"], batch["proprio"])
        actions = batch["actions"]
        if not self.is_flow:
            output = self.chunk(states)
            return (output - actions).abs().mean(), output
        sigma = batch["sigma"]
        s = sigma[:, None, None]
        noisy = (1 - s) * actions + s * batch["noise"]
        output = self.velocity(states, visible, noisy, sigma)
        loss = ((output - (batch["noise"] - actions)) ** 2).mean()
        estimate = noisy - s * output
        # scipy.fft.dct(norm="ortho") along the chunk; only the mean's coefficient counts, five times.
        from scipy.fft import dct
        matrix = torch.tensor(dct(torch.eye(actions.shape[1], dtype=torch.float64).numpy(), axis=0, norm="ortho"))
        weight = torch.zeros(actions.shape[1], dtype=actions.dtype)
        weight[:max(1, round(0.125 * actions.shape[1]))] = 5
        spectrum = torch.einsum("kt,btd->bkd", matrix.to(actions.dtype), estimate - actions)
        return loss + batch.get("dct_weight", 0.1) * (weight[None, :, None] * spectrum ** 2).mean(), output

    @torch.no_grad()
    def sample(self, batch, steps=5):
        states, visible = self.encode(batch["images"], batch["words"], batch["proprio"])
        if not self.is_flow:
            return self.chunk(states)
        x = batch["noise"]
        grid = torch.linspace(1, 0.001, steps, dtype=torch.float64).tolist() + [0.0]
        for now, after in zip(grid, grid[1:]):
            x = x + (after - now) * self.velocity(states, visible, x, torch.full((x.shape[0],), now, dtype=x.dtype))
        return x


def names(policy):
    """The C++ policy's name of every parameter here."""
    fixed = {"patch": "vision.patch", "stem": "vision.stem", "vision_position": "vision.position", "vision_norm": "vision.norm",
             "connector_up": "connector.up", "connector_down": "connector.down", "proprio_up": "proprio.up",
             "proprio_down": "proprio.down", "embedding.weight": "language.embedding",
             "word_position": "language.position", "language_norm": "language.norm",
             "action_position": "action.position", "action_input": "action.input", "time_up": "action.time_up",
             "time_down": "action.time_down", "final_modulation": "action.final_modulation",
             "action_norm": "action.norm", "output": "action.output"}
    out = {}
    for name, parameter in policy.named_parameters():
        ours = name.replace("attention.", "").replace("head.", "action.")
        for theirs, mine in fixed.items():
            if ours == theirs or ours.startswith(theirs + "."):
                ours = mine + ours[len(theirs):]
                break
        for part in ("q", "k", "v", "o"):  # projections have no bias, so no suffix either
            for end in (part, f"self_{part}", f"adapter_{part}", f"task_{part}"):
                if ours.endswith(f".{end}.weight"):
                    ours = ours[:-len(".weight")]
        out[ours] = parameter
    return out


def load(folder, dtype):
    from safetensors.torch import load_file
    policy = Policy(json.loads((pathlib.Path(folder) / "policy.json").read_text())).to(dtype)
    stored = load_file(pathlib.Path(folder) / "model.safetensors")
    ours = names(policy)
    if set(ours) != set(stored):
        raise SystemExit(f"names differ: {sorted(set(ours) ^ set(stored))}")
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(stored[name])
    return policy


def main(folder):
    from safetensors.torch import load_file, save_file
    torch.set_num_threads(1)
    policy = load(folder, torch.float64)
    batch = {k: v.double() if v.is_floating_point() else v
             for k, v in load_file(pathlib.Path(folder) / "batch.safetensors").items()}
    loss, output = policy.loss(batch)
    loss.backward()
    out = {"loss": loss.detach().reshape(1), "output": output.detach(), "chunk": policy.sample(batch)}
    for name, parameter in names(policy).items():
        out["grad/" + name] = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
    save_file({k: v.contiguous() for k, v in out.items()}, pathlib.Path(folder) / "reference.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
