# SPDX-License-Identifier: GPL-3.0-or-later
"""pooling.py PAST FRESH NAME=SCORES.csv...: expected log loss on the samples of FRESH, by the true rates of scenario
pooling, of the scores given and of two logistic regressions fitted here on PAST (Newton's method, L2 with C = 1).
pooling.py --judge LOSSES: such lines of several fleets; exit status 1 where partial pooling loses."""
import csv
import sys
from datetime import datetime

import h5py
import numpy as np

DAY = 86400
HORIZON = 7 * DAY
ATTRIBUTES = ("model", "firmware")


def text(dataset):
    return [s.decode() if isinstance(s, bytes) else s for s in dataset[:]]


def load(path):
    f = h5py.File(path)
    ids, off, t = text(f["entities/id"]), f["samples/offsets"][:].astype(int), f["samples/time"][:]
    entity = np.repeat(np.arange(len(ids)), np.diff(off))
    d = {a: np.array(text(f["entities/dictionaries/" + a]))[f["entities/attributes/" + a][:]][entity] for a in ATTRIBUTES}
    rate = np.empty(len(ids))
    rate[f["truth/entity"][:]] = f["truth/value"][:]
    y = np.zeros(len(t))
    for e, s in zip(f["failures/entity"][:], f["failures/time"][:]):
        rows = slice(off[e], off[e + 1])
        y[rows] = np.maximum(y[rows], (t[rows] < s) & (s <= t[rows] + HORIZON))
    known = t <= t.max() - HORIZON  # as the trainer has it: later rows have no label
    return d | {"ids": ids, "entity": entity, "t": t, "y": y, "known": known, "x": f["samples/values"][:].astype(float),
                "p": 1 - np.exp(-rate[entity] * HORIZON / DAY)}


def fit(x, y, penalty):
    w = np.zeros(x.shape[1])
    for _ in range(50):
        q = 1 / (1 + np.exp(-x @ w))
        step = np.linalg.solve(x.T * (q * (1 - q)) @ x + np.diag(penalty), x.T @ (q - y) + penalty * w)
        w -= step
        if abs(step).max() < 1e-9:
            break
    return w


def design(d, scale, levels):
    hot = [d[a] == value for a, values in levels.items() for value in values]
    return np.column_stack([(d["x"] - scale[0]) / scale[1]] + hot + [np.ones(len(d["y"]))])


def risk(x, w):
    return 1 / (1 + np.exp(-x @ w))


def loss(p, q):
    return -(p * np.log(q) + (1 - p) * np.log(1 - q)).mean()


def one_hot(past, fresh, scale):
    levels = {a: np.unique(past[a]) for a in ATTRIBUTES}
    x, k = design(past, scale, levels), past["known"]
    penalty = np.append(np.ones(x.shape[1] - 1), 1e-9)
    return risk(design(fresh, scale, levels), fit(x[k], past["y"][k], penalty))


def per_group(past, fresh, scale):
    x, at = design(past, scale, {}), design(fresh, scale, {})
    q = np.full(len(at), past["y"][past["known"]].mean())
    for group in np.unique(past["firmware"]):
        k, rows = past["known"] & (past["firmware"] == group), fresh["firmware"] == group
        if past["y"][k].any():
            q[rows] = risk(at[rows], fit(x[k], past["y"][k], np.array([1, 1, 1, 1e-3])))
        else:
            q[rows] = 0.5 / (k.sum() + 1)
    return q


def scored(fresh, path):
    row = {(fresh["ids"][e], int(t)): i for i, (e, t) in enumerate(zip(fresh["entity"], fresh["t"]))}
    q = np.full(len(row), np.nan)
    for r in csv.DictReader(open(path)):
        at = datetime.fromisoformat(r["time"].replace("Z", "+00:00")).timestamp()
        q[row[r["entity"], int(at)]] = float(r["risk"])
    assert not np.isnan(q).any()
    return q


def judge(path):
    rows = [line.split() for line in open(path)]
    of = {name: np.array([float(row[row.index(name) + 1]) for row in rows]) for name in rows[0][::2]}
    ok = True
    for peer, lead in (("pooled", True), ("numpy-one-hot", False), ("numpy-per-group", False)):
        gap = of["partial"] - of[peer]
        error = 1.96 * gap.std(ddof=1) / len(gap) ** 0.5
        worst = (gap / of[peer]).max()
        fine = gap.mean() < (-error if lead else error) and worst < 0.02
        ok &= fine
        print(f"partial pooling, {len(gap)} fleets: {gap.mean():+.6f} (+-{error:.6f}) of {peer}, {of[peer].mean():.6f}; "
              f"below in {(gap < 0).sum()}, at worst {100 * worst:+.2f} %{'' if fine else ': LOST'}")
    return ok


if sys.argv[1] == "--judge":
    sys.exit(not judge(sys.argv[2]))
past, fresh = load(sys.argv[1]), load(sys.argv[2])
known = past["x"][past["known"]]
scale = known.mean(0), known.std(0)
risks = {"truth": fresh["p"], "numpy-one-hot": one_hot(past, fresh, scale), "numpy-per-group": per_group(past, fresh, scale)}
risks |= {a.split("=")[0]: scored(fresh, a.split("=")[1]) for a in sys.argv[3:]}
print(" ".join(f"{name} {loss(fresh['p'], q):.6f}" for name, q in risks.items()))
