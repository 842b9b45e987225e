#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""bench_sklearn.py ROWS [LOG]: scikit-learn's newton-cholesky on the rows of bench_solver --write ROWS.

ROWS holds n x 40 float32 and then n labels of one byte. Same problem as bench_solver's: C = 1, the intercept a penalised
column of ones, until |g| <= 1e-6 |g at 0|. The solver stops where no component of g / n is above tol, and half the squared
Newton decrement, over n, is not either.
float32 rows, as they are, and float64 copies are both timed, loading and copying excluded; BLAS uses all cores.
LOG is what bench_solver printed: the ratio is against its fit of the same rows.
"""
import re
import statistics
import sys
import time
import warnings

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info

D, REL_GRADIENT, STRIP = 40, 1e-6, 65536


def load(path):
    """The rows with a column of ones, and the labels."""
    raw = np.fromfile(path, np.uint8)
    n = len(raw) // (4 * D + 1)
    if n * (4 * D + 1) != len(raw):
        sys.exit(f"bench_sklearn.py: {path}: {len(raw)} bytes are no rows of {D} float32 and a label")
    x = np.ones((n, D + 1), np.float32)
    x[:, :D] = raw[: 4 * D * n].view(np.float32).reshape(n, D)
    return x, raw[4 * D * n :].copy()


def measure(x, y, w):
    """Objective and |gradient| at w, in double."""
    f, g = w @ w / 2, w.copy()
    for i in range(0, len(y), STRIP):
        part, s = x[i : i + STRIP].astype(float), np.where(y[i : i + STRIP], 1.0, -1.0)
        m = s * (part @ w)
        f += np.logaddexp(0, -m).sum()
        g -= part.T @ (s / (1 + np.exp(np.minimum(m, 700))))
    return f, np.linalg.norm(g)


def fit(x, y, tol, runs):
    seconds = []
    for _ in range(runs):
        model = LogisticRegression(solver="newton-cholesky", C=1, tol=tol, max_iter=100, fit_intercept=False)
        start = time.perf_counter()
        model.fit(x, y)
        seconds.append(time.perf_counter() - start)
    return sorted(seconds), model.coef_[0].astype(float), model.n_iter_[0]


def ours(path):
    """Seconds and objective of the first fit in the log, which is the logistic one."""
    with open(path, encoding="utf-8") as log:
        found = re.search(r"^logistic.*\n\s+ours\s+([0-9.]+) s .*?f = ([0-9.e+]+)", log.read(), re.M)
    if not found:
        sys.exit(f"bench_sklearn.py: {path}: no logistic fit of bench_solver in it")
    return float(found[1]), float(found[2])


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: bench_sklearn.py ROWS [LOG]")
    warnings.simplefilter("ignore")  # convergence is judged by the gradient that is printed
    x, y = load(sys.argv[1])
    start = measure(x, y, np.zeros(D + 1))[1]
    blas = ", ".join(f"{i['internal_api']} {i['version']} on {i['num_threads']} threads" for i in threadpool_info()
                     if i["user_api"] == "blas")
    print(f"scikit-learn {sklearn.__version__}, {blas or 'unknown BLAS'}, {len(y)} rows x {D}")
    tol = REL_GRADIENT * start / len(y)
    runs = 3 if len(y) <= 2000000 else 1
    for kind in (np.float32, np.float64):
        seconds, w, n = fit(x.astype(kind, copy=False), y, tol, runs)
        f, norm = measure(x, y, w)
        median = statistics.median(seconds)
        print(f"  newton-cholesky, {kind.__name__}   {median:9.4f} s  ({seconds[0]:.4f} to {seconds[-1]:.4f}, {runs} runs)  "
              f"f = {f:.9g}, |g|/|g0| = {norm / start:.2g}; {n} steps, tol {tol:.3g}")
        if len(sys.argv) == 3:
            own_seconds, own_f = ours(sys.argv[2])
            print(f"  ratio {median / own_seconds:.1f}; objectives differ by {(own_f - f) / f:.2g} relative")


main()
