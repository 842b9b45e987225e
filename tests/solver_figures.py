#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the coefficients that predictor/test_solver_peers.c holds, computed by scikit-learn and LIBLINEAR.

    python3 tests/solver_figures.py           (python3-sklearn 1.2.1 and liblinear-tools 2.30 of Debian 12)

The rows come from a generator that the test repeats in C (predictor/test_fit_rows.h); their values lie on a grid of 1/16,
so that float32 and text hold them exactly. A line is C's initialiser: d weights, then the intercept. Each optimum is also
checked here against Newton's method in extended precision, so that the figures are the optimum's and not a tolerance's.
"""
import subprocess
import tempfile
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression

N, D = 260, 6
MASK = (1 << 64) - 1
TRUTH = (0.9, -0.5, 0.25, 1.1, -0.3, 0.07)


def rows():
    """Two plain columns, one that is mostly zero, one that follows the first, one far from 0, one of larger numbers."""
    state, xs, ys, ws = 20240317, [], [], []

    def draw():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        return (state >> 40) / (1 << 24)

    for _ in range(N):
        x = [np.floor(64 * draw() - 32) / 16 for _ in range(D)]
        x[2] = x[2] if draw() < 0.3 else 0.0
        x[3] = np.floor(16 * (0.75 * x[0] + 0.25 * x[3])) / 16
        x[4] += 2
        x[5] *= 4
        z = sum(t * v for t, v in zip(TRUTH, x)) - 0.6
        xs.append(x)
        ys.append(int(draw() < 1 / (1 + np.exp(-z))))
        ws.append(1 + np.floor(3 * draw()))
    return np.array(xs), np.array(ys), np.array(ws)


def polish(x, y, c, coef, hinge=False, penalised=False, l1=0.0):
    """The optimum near coef, by Newton's method in extended precision with the signs and zeros that coef has."""
    ld = np.longdouble
    full = np.column_stack([x, np.ones(len(y))]).astype(ld)
    s, w = np.where(y == 1, 1, -1).astype(ld), np.array(coef, ld)
    l2 = np.full(len(w), 1 - l1, ld)
    sign = l1 * np.sign(w)
    if not penalised:
        l2[-1] = sign[-1] = 0
    used = np.array([l1 == 0 or v != 0 for v in coef[:-1]] + [True])
    for _ in range(60):
        m = s * (full @ w)
        if hinge:
            slope, curve = -2 * s * np.maximum(0, 1 - m), 2 * (m < 1)
        else:
            p = 1 / (1 + np.exp(m))
            slope, curve = -s * p, p * (1 - p)
        g = full.T @ (c * slope) + l2 * w + sign
        h = (full * (c * curve)[:, None]).T @ full + np.diag(l2)
        step = np.linalg.solve(h[np.ix_(used, used)].astype(float), g[used].astype(float))
        w[used] -= step
        if np.abs(step).max() < 1e-17:
            break
    return w.astype(float)


def show(name, coef, exact):
    gap = np.abs(np.array(coef) - exact).max()
    assert gap < 1e-7, (name, gap)
    print(f"    /* {name} */\n    {{ " + ", ".join(f"{v:.17g}" if v else "0" for v in coef) + " },")


def sklearn(solver, c, weight=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        m = LogisticRegression(solver=solver, C=c, tol=1e-12, max_iter=2000000, **options)
        m.fit(x, y, sample_weight=weight)
    return list(m.coef_[0]) + list(m.intercept_)


def liblinear(kind, c, bias, positive=1.0):
    with tempfile.TemporaryDirectory() as at:
        with open(f"{at}/rows", "w", encoding="ascii") as out:
            for row, label in zip(x, y):
                cells = " ".join(f"{j + 1}:{v:.17g}" for j, v in enumerate(row) if v)
                out.write(f"{'+1' if label else '-1'} {cells}\n")
        subprocess.run(["liblinear-train", "-q", "-s", str(kind), "-c", str(c), "-B", str(bias), "-e", "1e-14",
                        "-w1", str(positive), f"{at}/rows", f"{at}/model"], check=True)
        with open(f"{at}/model", encoding="ascii") as model:
            lines = model.read().split("\n")
    first = next(line for line in lines if line.startswith("label")).split()[1]
    values = [float(v) for v in lines[lines.index("w") + 1:] if v.strip()]
    return [v if first == "1" else -v for v in values]


x, y, weight = rows()
print(f"positives {y.sum()}, sum of x {x.sum():.17g}, weight {weight.sum():g}")
for c in (0.03, 1, 40):
    coef = sklearn("newton-cholesky", c)
    show(f"newton-cholesky, C = {c}", coef, polish(x, y, c, coef))
coef = sklearn("newton-cholesky", 0.5, weight)
show("newton-cholesky, C = 0.5, row weights", coef, polish(x, y, 0.5 * weight, coef))
for c in (0.03, 2):
    coef = liblinear(0, c, 1)
    show(f"liblinear-train -s 0 -B 1 -c {c}", coef, polish(x, y, c, coef, penalised=True))
for c in (0.001, 0.03):
    coef = liblinear(2, c, 1)
    show(f"liblinear-train -s 2 -B 1 -c {c}", coef, polish(x, y, c, coef, hinge=True, penalised=True))
coef = liblinear(2, 0.01, 1, 2.5)
show("liblinear-train -s 2 -B 1 -c 0.01 -w1 2.5", coef,
     polish(x, y, 0.01 * np.where(y == 1, 2.5, 1), coef, hinge=True, penalised=True))
for c, r in ((0.05, 0.9), (0.05, 0.4), (1, 1)):
    coef = sklearn("saga", c, penalty="elasticnet", l1_ratio=r, random_state=0)
    show(f"saga, C = {c}, l1_ratio = {r}", coef, polish(x, y, c, coef, l1=r))
