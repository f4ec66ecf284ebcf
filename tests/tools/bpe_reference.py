"""What Python's `tokenizers` says about byte-level BPE files; exit 3 where the package is missing.

usage: bpe_reference.py train CORPUS VOCABULARY FOLDER
         trains a tokenizer of Qwen's shape; writes FOLDER/tokenizer.json with merges as pairs, FOLDER/spaced.json with
         merges as "a b", and FOLDER/gpt2.json with GPT-2's pattern and no normalizer
       bpe_reference.py encode TOKENIZER TEXTS OUT
         TEXTS holds one hexadecimal text a line, broken UTF-8 included; OUT gets "IDS<tab>DECODED in hex", or "-" for
         a text with code points that the interpreter's Unicode does not know, or whose normal form C is another one by
         the older tables that `tokenizers` carries (combining marks added since Unicode 9)
       bpe_reference.py time TOKENIZER TEXTS
         prints bytes per second of one thread, the best of three passes, one text after the other
"""
import json
import os
import pathlib
import sys
import time
import unicodedata

os.environ["TOKENIZERS_PARALLELISM"] = "false"

QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
ORDINARY = ["<think>", "</think>"]


def read_texts(file):
    lines = pathlib.Path(file).read_text().split("\n")[:-1]
    return [bytes.fromhex(line).decode("utf-8", errors="replace") for line in lines]


def train(corpus, vocabulary, folder):
    from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                            trainers)
    folder = pathlib.Path(folder)
    for name, qwen in [("tokenizer.json", True), ("gpt2.json", False)]:
        tokenizer = Tokenizer(models.BPE())
        if qwen:
            tokenizer.normalizer = normalizers.NFC()
            tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
                pre_tokenizers.Split(Regex(QWEN), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        else:
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
        tokenizer.train_from_iterator(
            pathlib.Path(corpus).read_bytes().decode("utf-8", errors="replace").splitlines(keepends=True),
            trainers.BpeTrainer(vocab_size=int(vocabulary), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                show_progress=False))
        tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
        tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in ORDINARY])
        tokenizer.save(str(folder / name))
    data = json.loads((folder / "tokenizer.json").read_text())
    data["model"]["merges"] = [m if isinstance(m, str) else " ".join(m) for m in data["model"]["merges"]]
    (folder / "spaced.json").write_text(json.dumps(data))


def encode(tokenizer, texts, out):
    from tokenizers import Tokenizer, normalizers
    tokenizer = Tokenizer.from_file(tokenizer)
    with open(out, "w") as file:
        for text in read_texts(texts):
            if (any(unicodedata.category(c) == "Cn" for c in text)
                    or normalizers.NFC().normalize_str(text) != unicodedata.normalize("NFC", text)):
                file.write("-\n")
                continue
            ids = tokenizer.encode(text).ids
            file.write(" ".join(map(str, ids)) + "\t" + tokenizer.decode(ids).encode().hex() + "\n")


def timing(tokenizer, texts):
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(tokenizer)
    texts = read_texts(texts)
    size = sum(len(t.encode()) for t in texts)
    best = 0
    for _ in range(3):
        begin = time.perf_counter()
        for text in texts:
            tokenizer.encode(text)
        best = max(best, size / (time.perf_counter() - begin))
    print(f"{best:.0f}")


def main():
    try:
        import tokenizers  # noqa: F401
    except ImportError:
        return 3
    {"train": train, "encode": encode, "time": timing}[sys.argv[1]](*sys.argv[2:])
    return 0


if __name__ == "__main__":
    sys.exit(main())
