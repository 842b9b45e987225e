# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes the figures of reseat eval again, from the risks that reseat score prints and the failure times of the fleet
file, with scikit-learn, SciPy and NumPy, and compares.

    eval_peer.py FLEET.h5 SCORES.csv EVAL.json

Every measure of docs/math.md, section E: the pooled ones to rounding; the intervals, whose resamplings are other ones, to
a share of their own width. Prints one line for each figure that differs, and exits with 1 where there is one."""
import csv
import datetime
import json
import math
import sys

import h5py
import numpy as np
from scipy.optimize import brentq
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

EPS = 2.0**-52
REPLICATES = 500
INTERVAL_SHARE = 0.25  # of its width that the ends of an interval may lie apart: the low end of an AUC has a long tail


def read_scores(path):
    rows = [r for r in csv.DictReader(open(path)) if r["label"]]
    entities = {name: i for i, name in enumerate(dict.fromkeys(r["entity"] for r in rows))}
    cohorts = {name: i for i, name in enumerate(dict.fromkeys(r["cohort"] for r in rows))}
    time = [datetime.datetime.fromisoformat(r["time"].replace("Z", "+00:00")).timestamp() for r in rows]
    return (np.array([float(r["risk"]) for r in rows]), np.array([int(r["label"]) for r in rows]),
            np.array([entities[r["entity"]] for r in rows]), np.array([cohorts[r["cohort"]] for r in rows]),
            np.array(time).astype(np.int64), list(entities))


def read_failures(path, names):
    """Of each entity of names: its failure times, rising."""
    with h5py.File(path) as f:
        ids = [i.decode() for i in f["entities/id"][:]]
        times = {}
        for entity, time in zip(f["failures/entity"][:], f["failures/time"][:]):
            times.setdefault(ids[entity], []).append(int(time))
    return [sorted(times.get(name, [])) for name in names]


def clipped(p):
    return np.clip(p, EPS, 1 - EPS)


def logit(p):
    return np.log(clipped(p)) - np.log1p(-clipped(p))


def within(statistic, p, y, cohort, weight):
    """E12, E13: pairs of the same cohort weigh alike for the one, positive rows for the other."""
    top = bottom = 0
    for c in np.unique(cohort):
        at = cohort == c
        positive = weight[at][y[at] == 1].sum()
        negative = weight[at][y[at] == 0].sum()
        is_auc = statistic is roc_auc_score
        if positive == 0 or (is_auc and negative == 0):
            continue
        share = positive * negative if is_auc else positive
        value = 1.0 if negative == 0 else statistic(y[at], p[at], sample_weight=weight[at])
        top += share * value
        bottom += share
    return top / bottom if bottom else math.nan


def calibration_error(p, y, n_bins):
    """E5, E15: bins of equal count from the highest risk down, cut behind a run of equal risks."""
    order = np.argsort(-p, kind="stable")
    ends, error = [], 0
    for k in range(1, n_bins + 1):
        end = math.floor(len(p) * k / n_bins + 0.5)
        while 0 < end < len(p) and p[order[end]] == p[order[end - 1]]:
            end += 1
        ends.append(end)
    for first, last in zip([0] + ends, ends):
        if last > first:
            at = order[first:last]
            error += (last - first) * abs(p[at].mean() - y[at].mean())
    return error / len(p)


def line(p, y):
    """E6 by scikit-learn: slope and intercept of an unpenalised logistic regression on the log odds."""
    x = logit(p)[:, None]
    fit = LogisticRegression(penalty=None, solver="newton-cholesky", tol=1e-10, max_iter=200).fit(x, y)
    return fit.coef_[0, 0], fit.intercept_[0]


def in_the_large(p, y):
    z = logit(p)
    return brentq(lambda c: (1 / (1 + np.exp(-(z + c))) - y).sum(), -30, 30, xtol=1e-12)


def alerted(p, day, budget):
    """E7, with equal risks in the order of the rows."""
    chosen = np.zeros(len(p), bool)
    seen = used = 0
    for d in np.unique(day):
        at = np.flatnonzero(day == d)
        seen += len(at)
        n = math.floor(budget * seen * (1 + 4 * EPS)) - used
        best = at[np.argsort(-p[at], kind="stable")[:n]]
        chosen[best] = True
        used += len(best)
    return chosen


def budget_figures(p, y, entity, day, time, failures, budget):
    """E8, E9."""
    a = alerted(p, day, budget)
    lead = {}
    for i in np.flatnonzero(a & (y == 1)):
        failure = next((f for f in failures[entity[i]] if f > time[i]), None)
        if failure is not None:
            key = (entity[i], failure)
            lead[key] = max(lead.get(key, 0), failure - time[i])
    out = {
        "alerts": a.sum(),
        "precision": y[a].mean() if a.any() else math.nan,
        "recall": a[y == 1].mean(),
        "entities_caught": len(set(entity[a & (y == 1)])),
        "entity_recall": len(set(entity[a & (y == 1)])) / len(set(entity[y == 1])),
        "false_alarms_per_1000_entity_days":
            1000 * len(set(zip(entity[a & (y == 0)], day[a & (y == 0)]))) / len(set(zip(entity, day))),
    }
    if lead:
        for name, q in (("lead_q1_s", 0.25), ("lead_median_s", 0.5), ("lead_q3_s", 0.75)):
            out[name] = np.quantile(list(lead.values()), q)
    return out


def intervals(p, y, entity, cohort, n_replicates):
    """E10: percentiles over resampled entities."""
    random = np.random.default_rng(7)
    n = entity.max() + 1
    values = {"roc_auc": [], "average_precision": [], "brier": [], "within_roc_auc": [], "base_rate": []}
    for _ in range(n_replicates):
        w = np.bincount(random.integers(0, n, n), minlength=n)[entity].astype(float)
        at = w > 0
        if y[at].min() == y[at].max():
            continue
        values["roc_auc"].append(roc_auc_score(y[at], p[at], sample_weight=w[at]))
        values["average_precision"].append(average_precision_score(y[at], p[at], sample_weight=w[at]))
        values["brier"].append(brier_score_loss(y[at], p[at], sample_weight=w[at]))
        values["base_rate"].append((w * y).sum() / w.sum())
        values["within_roc_auc"].append(within(roc_auc_score, p[at], y[at], cohort[at], w[at]))
    return {name: np.percentile(v, [2.5, 97.5]) for name, v in values.items()}


class Check:
    def __init__(self):
        self.n = self.failed = 0

    def close(self, name, got, want, tolerance):
        self.n += 1
        if got is None or not abs(got - want) <= tolerance * max(1, abs(want)):
            self.failed += 1
            print(f"eval_peer: {name}: {got}, the peer has {want}")


def main():
    fleet, scores, report = sys.argv[1:4]
    p, y, entity, cohort, time, names = read_scores(scores)
    failures = read_failures(fleet, names)
    ev = json.load(open(report))
    pooled = ev["pooled"]
    check = Check()
    one = np.ones(len(p))
    base = y.mean()
    brier = brier_score_loss(y, p)
    slope, intercept = line(p, y)
    for name, want, tolerance in (
        ("base_rate", base, 1e-12),
        ("mean_risk", p.mean(), 1e-12),
        ("roc_auc", roc_auc_score(y, p), 1e-12),
        ("average_precision", average_precision_score(y, p), 1e-12),
        ("brier", brier, 1e-12),
        ("brier_skill", 1 - brier / (base * (1 - base)), 1e-10),
        ("log_loss", log_loss(y, clipped(p)), 1e-12),
        ("within_roc_auc", within(roc_auc_score, p, y, cohort, one), 1e-12),
        ("within_average_precision", within(average_precision_score, p, y, cohort, one), 1e-12),
        ("calibration_error", calibration_error(p, y, len(pooled["calibration"])), 1e-12),
        ("calibration_slope", slope, 1e-4),  # E6 takes neighbouring log odds together
        ("calibration_intercept", intercept, 1e-4),
        ("calibration_in_the_large", in_the_large(p, y), 1e-4),
    ):
        check.close(name, pooled[name]["value"], want, tolerance)
    day = time // 86400
    # Where risks are equal at the edge of a day, the rows that alert are a draw: one of them then counts either way.
    ties = len(p) - len(np.unique(p))
    for b in pooled["budgets"]:
        for name, want in budget_figures(p, y, entity, day, time, failures, b["budget"]).items():
            check.close(f"{name} at {b['budget']}", b[name]["value"], want, 1e-12 if ties == 0 else 0.02)
    if ev["bootstrap"]["replicates"] >= REPLICATES:
        for name, (low, high) in intervals(p, y, entity, cohort, REPLICATES).items():
            slack = INTERVAL_SHARE * (high - low)
            check.close(f"{name}, low end", pooled[name]["low"], low, slack)
            check.close(f"{name}, high end", pooled[name]["high"], high, slack)
    if check.failed == 0:
        print(f"{check.n} figures of {len(p)} rows agree with scikit-learn, SciPy and NumPy ({ties} equal risks)")
    sys.exit(check.failed > 0)


main()
