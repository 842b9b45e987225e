#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accuracy of reseat train on a real set, fold by fold, beside a logistic regression fitted by scikit-learn.

    folds.py BIN CSV ENTITY-COLUMN HORIZON FOLDS IMPORT-ARGUMENTS...      (the CSV may be .xz)

The fold of an entity is int(sha256(id)[8:16], 16) % 5. Both are trained on the other folds and judged on the labelled rows
of their own: ours by reseat train with its defaults and the horizon, the peer (C = 1, intercept free, standardised log1p
of every signal, missing at the mean, categories of 100 rows or more one-hot) on the same samples and labels as reseat
score gives them. Printed are ROC-AUC, average precision, and over all folds the paired difference with its 95 % interval
from 500 resamplings of entities, and the calibration of our risks, in the large and as slope, with their own.

Sets without signals (node-events of lanl-failures) get the peer's features from the records: log1p of the counts of all and
of hardware failures in 7, 30, 90 and 365 days and of the days since the last record, age of the system, log1p of
the processors, the system one-hot.
"""
import csv, datetime, hashlib, json, lzma, subprocess, sys, tempfile
import h5py
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

binary, path, column, horizon, folds = sys.argv[1:6]
arguments = sys.argv[6:]


def fold_of(entity):
    return int(hashlib.sha256(entity.encode()).hexdigest()[8:16], 16) % 5


def split(fold, names):
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rt", newline="") as source, open(names[0], "w") as rest, open(names[1], "w") as held:
        head = next(source)
        index = next(csv.reader([head])).index(column)
        rest.write(head)
        held.write(head)
        for line in source:
            entity = next(csv.reader([line]))[index] if '"' in line else line.split(",", index + 1)[index]
            (held if fold_of(entity.rstrip("\r\n")) == fold else rest).write(line)


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def days(text):
    text = text.replace("T", " ").rstrip("Z")
    return (datetime.datetime.fromisoformat(text) - datetime.datetime(1970, 1, 1)).total_seconds() / 86400


def history(records, rows):
    """Features of the peer where the entities have records and no signals, for rows of (entity, time)."""
    first, of = {}, {}
    for r in csv.DictReader(open(records)):
        if not r["started"]:
            continue
        t = days(r["started"])
        first[r["System"]] = min(t, first.get(r["System"], t))
        e = of.setdefault(r["node_id"], {"all": [], "hw": [], "system": r["System"], "procs": float(r["procsinnode"] or 0)})
        e["all"].append(t)
        if r["hw_failure"] == "1":
            e["hw"].append(t)
    for e in of.values():
        e["all"].sort()
        e["hw"].sort()
    out, systems = [], []
    for entity, time in rows:
        e, t = of[entity], days(time)
        end = {k: np.searchsorted(e[k], t, "right") for k in ("all", "hw")}
        counts = [end[k] - np.searchsorted(e[k], t - w, "right") for k in ("all", "hw") for w in (7, 30, 90, 365)]
        since = t - e["all"][end["all"] - 1] if end["all"] else 3650
        out.append([*np.log1p(counts), np.log1p(since), (t - first[e["system"]]) / 365, np.log1p(e["procs"])])
        systems.append(e["system"])
    return np.array(out), np.array(systems)


def samples(fleet, scores, records):
    """Features of the peer, labels, entities, our risks of the labelled rows."""
    with h5py.File(fleet) as f:
        values = np.log1p(np.maximum(f["samples/values"][:], 0)) if "values" in f["samples"] else None
        offsets = f["samples/offsets"][:].astype(int)
        unit = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        texts = []
        for name, kind in zip(f["attributes/name"].asstr()[:], f["attributes/kind"][:]):
            if kind == 0:
                words = np.append(f["entities/dictionaries/" + name].asstr()[:], "")
                texts.append(words[f["entities/attributes/" + name][:]][unit])
    rows = list(csv.DictReader(open(scores)))
    known = np.array([r["label"] != "" for r in rows])
    if values is None:
        values, systems = history(records, [(r["entity"], r["time"]) for r in rows])
        texts = [systems]
    label = np.array([r["label"] == "1" for r in rows])
    risk = np.array([float(r["risk"]) for r in rows])
    return values[known], [t[known] for t in texts], label[known], unit[known], risk[known]


def peer(train, test):
    x, texts, y = train[:3]
    mean, sd = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    sd[~(sd > 0)] = 1
    parts = [np.nan_to_num((part[0] - mean) / sd) for part in (train, test)]
    for t, other in zip(texts, test[1]):
        words, counts = np.unique(t, return_counts=True)
        for word in words[(counts >= 100) & (counts < len(t))][:200]:
            hot = (t == word).astype(float)
            for k, column_of in enumerate((t, other)):
                parts[k] = np.column_stack([parts[k], ((column_of == word) - hot.mean()) / hot.std()])
    fit = LogisticRegression(C=1, solver="newton-cholesky", max_iter=100).fit(parts[0], y)
    return fit.decision_function(parts[1])


out = []
with tempfile.TemporaryDirectory() as work:
    at = lambda name: f"{work}/{name}"
    for fold in map(int, folds.split()):
        split(fold, (at("rest.csv"), at("held.csv")))
        for part in ("rest", "held"):
            run(f"{binary}/reseat-data", "import", *arguments, at(part + ".csv"), "-o", at(part + ".h5"), "--quiet")
        run(f"{binary}/reseat-train", "train", at("rest.h5"), "-o", at("m.rsm"), "--horizon", horizon, "--quiet")
        for part in ("rest", "held"):
            run(f"{binary}/reseat-train", "score", at(part + ".h5"), "-m", at("m.rsm"), "-o", at(part + ".out"), "--quiet")
        train, test = (samples(at(part + ".h5"), at(part + ".out"), at(part + ".csv")) for part in ("rest", "held"))
        y, theirs, ours = test[2], peer(train, test), test[4]
        print(f"fold {fold}: ROC-AUC {roc_auc_score(y, ours):.4f} (LR {roc_auc_score(y, theirs):.4f}), "
              f"AP {average_precision_score(y, ours):.4f} (LR {average_precision_score(y, theirs):.4f})", flush=True)
        out.append((y, test[3], ours, theirs))

def line(y, risk, weight):
    """Intercept and slope of the logistic regression of the labels on the log odds."""
    x = np.column_stack([np.ones(len(risk)), np.log(risk / (1 - risk))])
    b = np.array([0.0, 1.0])
    for _ in range(8):
        p = 1 / (1 + np.exp(-x @ b))
        b += np.linalg.solve((x * (weight * p * (1 - p))[:, None]).T @ x, x.T @ (weight * (y - p)))
    return b


rng = np.random.default_rng(1)
gaps, large, slopes = [], [], []
rows_of = []
for y, unit, ours, theirs in out:
    order = np.argsort(unit, kind="stable")
    _, starts = np.unique(unit[order], return_index=True)
    rows_of.append(np.split(order, starts[1:]))
for draw in range(500):
    auc, ap, seen, expected, all_weights = [], [], 0, 0, []
    for (y, unit, ours, theirs), groups in zip(out, rows_of):
        pick = np.bincount(rng.integers(len(groups), size=len(groups)), minlength=len(groups))
        weight = np.empty(len(y))
        sizes = np.array([len(g) for g in groups])
        weight[np.concatenate(groups)] = np.repeat(pick, sizes)
        all_weights.append(weight)
        if not 0 < (weight * y).sum() < weight.sum():
            continue
        auc.append(roc_auc_score(y, ours, sample_weight=weight) - roc_auc_score(y, theirs, sample_weight=weight))
        ap.append(average_precision_score(y, ours, sample_weight=weight) -
                  average_precision_score(y, theirs, sample_weight=weight))
        seen += (weight * y).sum()
        expected += (weight * ours).sum()
    gaps.append((np.mean(auc), np.mean(ap)))
    large.append(np.log(seen / expected))
    if draw < 100:
        slopes.append(line(*(np.concatenate([o[k] for o in out]) for k in (0, 2)), np.concatenate(all_weights))[1])
point = [np.mean([m(y, o) - m(y, t) for y, _, o, t in out]) for m in (roc_auc_score, average_precision_score)]
low, high = np.percentile(gaps, [2.5, 97.5], axis=0)
for k, name in enumerate(("ROC-AUC", "AP")):
    print(f"mean difference of {name}: {point[k]:+.4f} [{low[k]:+.4f}, {high[k]:+.4f}]")
a, b = np.percentile(large, [2.5, 97.5])
c, d = np.percentile(slopes, [2.5, 97.5])
print(f"calibration in the large (ln observed / expected): [{a:+.3f}, {b:+.3f}]")
print(f"calibration slope: [{c:.3f}, {d:.3f}]")
print(json.dumps({"roc_auc": [point[0], low[0], high[0]], "average_precision": [point[1], low[1], high[1]],
                  "in_the_large": [a, b], "slope": [c, d]}))
