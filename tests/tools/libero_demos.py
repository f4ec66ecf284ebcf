"""LIBERO's demonstration files, written and checked with h5py; exit 3 without h5py.

usage: libero_demos.py write FILE             a file in LIBERO's exact layout: twelve demonstrations of six rows
       libero_demos.py check FILE DEMOS SIZE  is FILE in that layout, with so many demonstrations and pixels?
       libero_demos.py png FILE               width, height, first and last byte of an RGB PNG
       libero_demos.py inits FILE HOW         initial states; HOW: torch (torch.save), 2 or 4 (a pickle of that protocol
                                              in a zip archive), float32, row, deflated, tensor, call (runs a command)
"""
import json
import struct
import sys
import zlib

ATTRIBUTES = ["env_name", "problem_info", "macros_image_convention", "bddl_file_name", "bddl_file_content", "env_args", "num_demos", "total"]


def write(path):
    import h5py
    import numpy as np

    size, rows = 16, 6
    with h5py.File(path, "w") as f:
        data = f.create_group("data")
        data.attrs["env_name"] = "Libero_Kitchen_Tabletop_Manipulation"
        data.attrs["problem_info"] = json.dumps({"problem_name": "libero_kitchen_tabletop_manipulation", "domain_name": "robosuite", "language_instruction": "turn on the stove"})
        data.attrs["macros_image_convention"] = "opengl"
        data.attrs["bddl_file_name"] = "KITCHEN_SCENE3_turn_on_the_stove.bddl"
        data.attrs["bddl_file_content"] = "(define (problem LIBERO_Kitchen_Tabletop_Manipulation))"
        data.attrs["env_args"] = json.dumps({"type": 1, "env_name": "Libero_Kitchen_Tabletop_Manipulation", "env_kwargs": {}})
        data.attrs["num_demos"] = 12
        data.attrs["total"] = 12 * rows
        for d in range(12):
            demo = data.create_group(f"demo_{d}")
            demo.attrs["num_samples"] = rows
            demo.attrs["model_file"] = "<mujoco/>"
            demo.attrs["init_state"] = np.zeros(47)
            actions = np.array([[d + t / 100] * 6 + [-1.0] for t in range(rows)])
            actions[3, :6] = 0  # a no-op: the gripper stays
            frame = np.arange(rows, dtype=np.uint8)
            agent = np.broadcast_to(frame[:, None, None, None], (rows, size, size, 3)).copy()
            agent[:, 0, 0, :] = 200 + frame[:, None]
            demo["actions"] = actions
            demo["states"] = np.zeros((rows, 47))
            demo["robot_states"] = np.zeros((rows, 9))
            for name in ("rewards", "dones"):
                demo[name] = np.array([0] * (rows - 1) + [1], dtype=np.uint8)
            obs = demo.create_group("obs")
            obs["agentview_rgb"] = agent
            obs["eye_in_hand_rgb"] = np.broadcast_to(100 + frame[:, None, None, None], (rows, size, size, 3)).astype(np.uint8)
            pose = np.array([[10 * d + t] * 6 for t in range(rows)], dtype=float)
            obs["ee_pos"], obs["ee_ori"], obs["ee_states"] = pose[:, :3], pose[:, 3:], pose
            obs["gripper_states"] = np.array([[0.01 * t, -0.01 * t] for t in range(rows)])
            obs["joint_states"] = np.zeros((rows, 7))
    return 0


def inits(path, how):
    """states[i][j] = i + j / 7 - 3, of 5 rows and 11 columns."""
    import pickle
    import zipfile

    import numpy as np

    states = np.arange(5.0)[:, None] + np.arange(11.0)[None] / 7 - 3
    if how in ("torch", "tensor"):
        try:
            import torch
        except ImportError:
            return 3
        torch.save(torch.from_numpy(states) if how == "tensor" else states, path)
        return 0

    class Call:
        def __reduce__(self):
            import os

            return os.system, ("touch " + path + ".ran",)

    data = {"float32": states.astype(np.float32), "row": states[2], "call": Call()}.get(how, states)
    compression = zipfile.ZIP_DEFLATED if how == "deflated" else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", compression) as z:
        z.writestr("archive/version", "3\n")
        z.writestr("archive/data.pkl", pickle.dumps(data, int(how) if how.isdigit() else 2))
    return 0


def check(path, demos, size):
    import h5py
    import numpy as np

    with h5py.File(path) as f:
        data = f["data"]
        assert set(data.attrs) == set(ATTRIBUTES), set(data.attrs)
        assert data.attrs["num_demos"] == demos and data.attrs["macros_image_convention"] == "opengl"
        json.loads(data.attrs["env_args"])
        assert "language_instruction" in json.loads(data.attrs["problem_info"])
        assert data.attrs["bddl_file_content"].lstrip(" ;").find("(define") >= 0
        assert set(data) == {f"demo_{i}" for i in range(demos)}
        total = 0
        for demo in data.values():
            rows = int(demo.attrs["num_samples"])
            total += rows
            assert demo.attrs["model_file"].startswith("<mujoco")
            width = demo["states"].shape[1]
            want = {"actions": ((rows, 7), "f8"), "states": ((rows, width), "f8"), "robot_states": ((rows, 9), "f8"),
                    "rewards": ((rows,), "u1"), "dones": ((rows,), "u1"),
                    "obs/agentview_rgb": ((rows, size, size, 3), "u1"), "obs/eye_in_hand_rgb": ((rows, size, size, 3), "u1"),
                    "obs/ee_pos": ((rows, 3), "f8"), "obs/ee_ori": ((rows, 3), "f8"), "obs/ee_states": ((rows, 6), "f8"),
                    "obs/gripper_states": ((rows, 2), "f8"), "obs/joint_states": ((rows, 7), "f8")}
            for name, (shape, kind) in want.items():
                assert demo[name].shape == shape, (name, demo[name].shape)
                assert demo[name].dtype == np.dtype(kind), (name, demo[name].dtype)
            assert demo["dones"][-1] == 1 and demo["dones"][:-1].sum() == 0
            assert np.array_equal(demo.attrs["init_state"], demo["states"][0])
            assert np.allclose(demo["obs/ee_states"][:, :3], demo["robot_states"][:, 2:5])
            assert np.allclose(np.linalg.norm(demo["robot_states"][:, 5:9], axis=1), 1)
            assert demo["obs/agentview_rgb"][0].std() > 5, "an empty image"
            assert abs(demo["actions"][:, 6]).min() == 1
            # states[t] is before actions[t], obs[t] after it: so obs[t] shows the hand of states[t + 1].
            assert np.allclose(demo["obs/ee_pos"][:-1], demo["states"][1:, 1:4], atol=1e-6)
        assert data.attrs["total"] == total
    return 0


def png(path):
    blob = open(path, "rb").read()
    assert blob[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, width, height = 8, b"", 0, 0
    while at < len(blob):
        length, kind = struct.unpack(">I4s", blob[at:at + 8])
        body = blob[at + 8:at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", blob[at + 8 + length:at + 12 + length])[0]
        if kind == b"IHDR":
            width, height = struct.unpack(">II", body[:8])
        if kind == b"IDAT":
            packed += body
        at += 12 + length
    rows = zlib.decompress(packed)
    assert len(rows) == height * (1 + 3 * width)
    print(width, height, rows[1], rows[-1])
    return 0


if __name__ == "__main__":
    try:
        import h5py  # noqa: F401
    except ImportError:
        sys.exit(3)
    verb, path, *rest = sys.argv[1:]
    if verb == "inits":
        sys.exit(inits(path, *rest))
    sys.exit({"write": write, "check": check, "png": png}[verb](path, *map(int, rest)))
