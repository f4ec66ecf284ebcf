"""Steps torch.optim.Muon on numbers from files, for tests/optim/muon_parity_test.cpp.

usage: muon_reference.py FOLDER ROWS COLS STEPS LR WEIGHT_DECAY NESTEROV ADJUST
reads  FOLDER/weight.f32, FOLDER/grad<i>.f32; writes FOLDER/result.f32 (raw float32, row-major)
exit 3 when this Python has no torch.optim.Muon
"""
import array
import pathlib
import sys


def main():
    folder, rows, cols, steps, lr, decay, nesterov, adjust = sys.argv[1:]
    folder, rows, cols, steps = pathlib.Path(folder), int(rows), int(cols), int(steps)
    try:
        import torch
        muon = torch.optim.Muon
    except (ImportError, AttributeError):
        return 3
    torch.set_num_threads(1)

    def read(name):
        values = array.array("f", (folder / name).read_bytes())
        return torch.tensor(values, dtype=torch.float32).reshape(rows, cols)

    weight = torch.nn.Parameter(read("weight.f32"))
    optimizer = muon([weight], lr=float(lr), weight_decay=float(decay), momentum=0.95,
                     nesterov=nesterov == "1", adjust_lr_fn=adjust)
    for i in range(steps):
        weight.grad = read(f"grad{i}.f32")
        optimizer.step()
    (folder / "result.f32").write_bytes(array.array("f", weight.detach().flatten().tolist()).tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
