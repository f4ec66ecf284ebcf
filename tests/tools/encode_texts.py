"""usage: encode_texts.py TOKENIZER_JSON TEXTS IDS — one line of ids per line of text; exit 3 without `tokenizers`"""
import pathlib
import sys


def main():
    try:
        from tokenizers import Tokenizer
    except ImportError:
        return 3
    tokenizer = Tokenizer.from_file(sys.argv[1])
    lines = pathlib.Path(sys.argv[2]).read_text().splitlines()
    rows = (" ".join(map(str, tokenizer.encode(line).ids)) for line in lines)
    pathlib.Path(sys.argv[3]).write_text("\n".join(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
