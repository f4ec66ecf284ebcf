"""transformers' Qwen3 as the reference; exit 3 where transformers is missing.

usage: qwen3_reference.py make FOLDER CASE...
         saves small randomly initialised Qwen3ForCausalLM in FOLDER/CASE with save_pretrained, and runs each; CASE:
         tied, untied, bf16, fp16, sharded (untied), old (config.json with rope_theta instead of rope_parameters)
       qwen3_reference.py run FOLDER...
         reads checkpoints, writes FOLDER/reference.out (safetensors): "tokens" [3, 17], "logits" [3, 17, V] in float32,
         "greedy" [3, 24] continuations and "gradient" of the mean logit with respect to layer 0's q_proj
"""
import json
import os
import pathlib
import sys

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_OFFLINE"] = "1"


def make(folder, case):
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM
    torch.manual_seed(sum(case.encode()))
    config = Qwen3Config(vocab_size=211, hidden_size=48, num_hidden_layers=3, num_attention_heads=6,
                         num_key_value_heads=2, head_dim=16, intermediate_size=80, max_position_embeddings=256,
                         tie_word_embeddings=case not in ("untied", "sharded"), initializer_range=0.2,
                         rope_parameters={"rope_type": "default", "rope_theta": 10000.0 if case == "old" else 1e6},
                         eos_token_id=None, bos_token_id=None, pad_token_id=0)
    model = Qwen3ForCausalLM(config)
    with torch.no_grad():  # norms away from one, so that each weight counts
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.normal_(1, 0.3)
    model = model.to({"bf16": torch.bfloat16, "fp16": torch.float16}.get(case, torch.float32))
    model.save_pretrained(folder, **({"max_shard_size": "60KB"} if case == "sharded" else {}))
    if case == "old":
        file = pathlib.Path(folder) / "config.json"
        data = json.loads(file.read_text())
        data.pop("rope_parameters", None)
        data["rope_theta"] = 10000.0
        file.write_text(json.dumps(data))


def run(folder):
    import torch
    from safetensors.torch import save_file
    from transformers import Qwen3ForCausalLM
    torch.set_num_threads(1)
    model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    torch.manual_seed(5)
    tokens = torch.randint(3, model.config.vocab_size, (3, 17))
    logits = model(tokens).logits
    logits.float().mean().backward()
    with torch.no_grad():
        greedy = model.generate(tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=24, do_sample=False,
                                eos_token_id=None, pad_token_id=0)[:, 17:]
    save_file({"tokens": tokens, "logits": logits.detach().float().contiguous(), "greedy": greedy.contiguous(),
               "gradient": model.model.layers[0].self_attn.q_proj.weight.grad.float().contiguous()},
              os.path.join(folder, "reference.out"))


def main():
    try:
        import transformers  # noqa: F401
    except ImportError:
        return 3
    if sys.argv[1] == "make":
        folders = [os.path.join(sys.argv[2], case) for case in sys.argv[3:]]
        for folder in folders:
            make(folder, os.path.basename(folder))
    else:
        folders = sys.argv[2:]
    for folder in folders:
        run(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
