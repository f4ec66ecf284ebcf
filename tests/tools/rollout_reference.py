"""Tokens per second of transformers.generate; exit 3 where transformers is missing.

usage: rollout_reference.py FOLDER THREADS OUT PROMPTS,SAMPLES,LENGTH,ENDS...
  one line a case in OUT; tokens behind a sequence's end do not count
"""
import os
import sys
import time

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_OFFLINE"] = "1"


def main():
    try:
        import torch
        from transformers import Qwen3ForCausalLM
    except ImportError:
        return 3
    folder, threads, out = sys.argv[1:4]
    torch.set_num_threads(int(threads))
    model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with open(out, "w") as file:
        for case in sys.argv[4:]:
            prompts, samples, length, ends = map(int, case.split(","))
            torch.manual_seed(2)
            tokens = torch.randint(100, model.config.vocab_size, (prompts, 32))
            best = 0
            for _ in range(2 if not ends else 1):
                begin = time.perf_counter()
                with torch.no_grad():
                    result = model.generate(
                        tokens, attention_mask=torch.ones_like(tokens), do_sample=True, top_k=0, top_p=1.0,
                        temperature=1.0, num_return_sequences=samples, max_new_tokens=length,
                        min_new_tokens=None if ends else length, eos_token_id=list(range(ends)) or None, pad_token_id=0)
                seconds = time.perf_counter() - begin
                new = result[:, 32:]
                count = new.numel()
                if ends:
                    ended = (new < ends).int()
                    count = int((ended.cumsum(1) - ended == 0).sum())
                best = max(best, count / seconds)
            file.write(f"{best}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
