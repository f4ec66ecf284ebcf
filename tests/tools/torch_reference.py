"""Steps Python's torch optimizers on numbers from files, for tests/optim/python_parity_test.cpp.

usage: torch_reference.py FOLDER
reads  FOLDER/cases.txt, one case a line: NAME OPTIMIZER ROWS COLS STEPS KEY=VALUE...
       FOLDER/NAME.weight.f32, FOLDER/NAME.grad<i>.f32 (raw float32, row-major; i from 0)
writes FOLDER/NAME.after<i>.f32, the weight after step i
OPTIMIZER is "muon" (torch.optim.Muon) or "adamw" (torch.optim.AdamW); values are Python literals.
exit 3 when this Python has no torch.optim.Muon
"""
import array
import ast
import pathlib
import sys


def main():
    folder = pathlib.Path(sys.argv[1])
    try:
        import torch
        kinds = {"muon": torch.optim.Muon, "adamw": torch.optim.AdamW}
    except (ImportError, AttributeError):
        return 3
    torch.set_num_threads(1)

    def read(name, rows, cols):
        values = array.array("f", (folder / name).read_bytes())
        return torch.tensor(values, dtype=torch.float32).reshape(rows, cols)

    for line in (folder / "cases.txt").read_text().splitlines():
        name, kind, rows, cols, steps, *options = line.split()
        rows, cols = int(rows), int(cols)
        options = {k: ast.literal_eval(v) for k, v in (o.split("=", 1) for o in options)}
        weight = torch.nn.Parameter(read(f"{name}.weight.f32", rows, cols))
        optimizer = kinds[kind]([weight], **options)
        for i in range(int(steps)):
            weight.grad = read(f"{name}.grad{i}.f32", rows, cols)
            optimizer.step()
            out = array.array("f", weight.detach().flatten().tolist())
            (folder / f"{name}.after{i}.f32").write_bytes(out.tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
