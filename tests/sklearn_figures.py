#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the figures that predictor/test_calibrate.c and test_metrics.c hold, computed by scikit-learn.

    python3 tests/sklearn_figures.py          (python3-sklearn 1.2 of Debian 12; any later one gives the same)

The rows come from a generator that the tests repeat in C (predictor/test_rows.h). Isotonic regression, ROC-AUC,
average precision, Brier score and log loss are scikit-learn's own numbers. Its Platt sigmoid stops at a gradient of 1e-5,
so that the optimum of the same objective is found here by Newton's method in extended precision, and scikit-learn's answer
is checked to lie within 1e-3 of it. The beta calibration is the optimum of the same objective on Kull's two inputs.
"""
import numpy as np
from sklearn.calibration import _sigmoid_calibration
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

N = 400
MASK = (1 << 64) - 1


def rows():
    """Scores on a grid of 1/16, so that many are equal; one positive in five or so; weights of negatives 1, 3.25, 5.5."""
    state, z, y, w = 20240229, [], [], []

    def draw():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        return (state >> 40) / (1 << 24)

    for _ in range(N):
        score = np.floor(16 * (6 * draw() - 4)) / 16
        label = draw() < 1 / (1 + np.exp(-(1.3 * score - 0.4)))
        z.append(score)
        y.append(int(label))
        w.append(1.0 if label else 1 + 2.25 * int(3 * draw()))
    return np.array(z), np.array(y), np.array(w)


def newton(inputs, y, w):
    """Optimum of the cross entropy against Platt's smoothed targets, in extended precision."""
    ld = np.longdouble
    x = np.column_stack([i.astype(ld) for i in inputs] + [np.ones(len(y), ld)])
    w = w.astype(ld)
    n1, n0 = w[y == 1].sum(), w[y == 0].sum()
    t = np.where(y == 1, (n1 + 1) / (n1 + 2), 1 / (n0 + 2))
    beta = np.zeros(x.shape[1], ld)
    for _ in range(100):
        p = 1 / (1 + np.exp(-(x @ beta)))
        g = x.T @ (w * (p - t))
        h = (x * (w * p * (1 - p))[:, None]).T @ x
        step = np.linalg.solve(h.astype(float), g.astype(float)).astype(ld)
        beta -= step
        if np.abs(step).max() < 1e-18:
            break
    return beta


def show(name, values):
    print(f"{name}: " + ", ".join(f"{float(v):.17g}" for v in values))


z, y, w = rows()
print(f"positives {y.sum()}, distinct scores {len(set(z))}, weight {w.sum():.17g}")
for weights, word in ((np.ones(N), "plain"), (w, "weighted")):
    a, b = newton([z], y, weights)
    sk = _sigmoid_calibration(z, y, weights)
    assert abs(-sk[0] - a) < 1e-3 and abs(-sk[1] - b) < 1e-3, (sk, a, b)
    show(f"platt {word}: a, b", (a, b))
    wide = z.astype(np.longdouble)
    ln_s, minus_ln = -np.logaddexp(np.longdouble(0), -wide), np.logaddexp(np.longdouble(0), wide)
    show(f"beta {word}: a, b, c", newton([ln_s, minus_ln], y, weights))
    iso = IsotonicRegression(out_of_bounds="clip").fit(z, y, weights)
    print(f"isotonic {word}: {len(iso.X_thresholds_)} knots")
    show("  z", iso.X_thresholds_)
    show("  p", iso.y_thresholds_)
    p = 1 / (1 + np.exp(-(z.astype(float))))
    show(f"metrics {word}: AUC, AP, Brier, log loss", (
        roc_auc_score(y, p, sample_weight=weights), average_precision_score(y, p, sample_weight=weights),
        brier_score_loss(y, p, sample_weight=weights), log_loss(y, p, sample_weight=weights)))
