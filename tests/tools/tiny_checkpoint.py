"""A tiny randomly initialised Qwen3 checkpoint in Hugging Face's layout, saved by transformers; exit 3 where it or
tokenizers is missing.

usage: tiny_checkpoint.py CORPUS FOLDER
"""
import os
import sys

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_OFFLINE"] = "1"


def main():
    try:
        import torch
        from tokenizers import Tokenizer
        from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM
    except ImportError:
        return 3
    from bpe_reference import train
    corpus, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    train(corpus, 400, folder)
    for extra in ("gpt2.json", "spaced.json"):
        os.remove(os.path.join(folder, extra))
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    torch.manual_seed(1)
    # As in Qwen3, the model knows more ids than the tokenizer uses.
    model = Qwen3ForCausalLM(Qwen3Config(
        vocab_size=tokenizer.get_vocab_size() + 5, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, intermediate_size=48, max_position_embeddings=2048,
        tie_word_embeddings=True)).to(torch.bfloat16)
    model.generation_config = GenerationConfig(
        eos_token_id=[tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")])
    model.save_pretrained(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
