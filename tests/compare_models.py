# SPDX-License-Identifier: GPL-3.0-or-later
"""compare_models.py A.json B.json BOUND: two models, as `reseat dump --json` prints them, are the same: words and counts
equal, numbers within BOUND of each other, relative to the larger of 1 and the number. Prints the largest difference."""
import json
import sys

worst = (0.0, "")


def differ(why):
    sys.exit(f"models differ: {why}")


def walk(a, b, path):
    global worst
    if isinstance(a, dict):
        if a.keys() != b.keys():
            differ(f"{path}: {sorted(a.keys() ^ b.keys())}")
        for key in a:
            walk(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list):
        if len(a) != len(b):
            differ(f"{path}: {len(a)} and {len(b)}")
        for i, (x, y) in enumerate(zip(a, b)):
            walk(x, y, f"{path}[{i}]")
    elif isinstance(a, float) or isinstance(b, float):
        gap = abs(a - b) / max(1.0, abs(a), abs(b))
        worst = max(worst, (gap, path))
    elif a != b:
        differ(f"{path}: {a!r} and {b!r}")


def load(path):
    model = json.load(open(path))
    del model["digest"]  # of its bytes
    del model["model"]  # its file
    model["features"] = {f["name"]: f for f in model["features"]}  # dump sorts by weight
    for delta in model.get("deltas", []):
        delta["weights"] = {w["name"]: w for w in delta.get("weights") or []}
    return model


walk(load(sys.argv[1]), load(sys.argv[2]), "")
if not worst[0] <= float(sys.argv[3]):
    differ(f"{worst[1]}: by {worst[0]:.3g}")
print(f"{worst[0]:.3g} {worst[1]}")
