#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accuracy of reseat train on a real set, fold by fold, beside logistic regressions fitted by scikit-learn.

    folds.py BIN SET ENTITY HORIZON FOLDS CSV[,ROLE=CSV...] IMPORT-ARGUMENTS...      (a CSV may be .xz)

ENTITY is the id of a row's entity, with the names of columns in braces; its fold is int(sha256(id)[8:16], 16) % 5. Both are
trained on the other folds, without sight of the fold's own rows, and judged on these where they have a label: ours by
reseat train with its defaults and the horizon, the peers (C = 1, intercept free, inputs of peers.py, standardised, missing
at the mean) on the samples and labels that reseat score gives.

Printed are ROC-AUC and average precision of each fold, and of all folds the mean paired differences from each peer and how
our risks are calibrated: ln(observed / expected) and the slope of the labels on the log odds (math.md E6). Brackets are 95 %
intervals from 500 resamplings of the entities of all held-out rows (E10). The last line is JSON. RESEAT_KEEP=DIR keeps the
labels, entities and scores of each fold's rows there.
"""
import csv, hashlib, json, lzma, os, shutil, subprocess, sys, tempfile, types
import h5py
import numpy as np
from sklearn.linear_model import LogisticRegression
import peers

DRAWS = 500
binary, name, entity_of, horizon, folds, paths = sys.argv[1:7]
arguments = sys.argv[7:]


def fold_of(entity):
    return int(hashlib.sha256(entity.encode()).hexdigest()[8:16], 16) % 5


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def unpack():
    """{role: path} of the files, as plain text."""
    for role, path in paths.items():
        with (lzma.open if path.endswith(".xz") else open)(path, "rb") as source, open(role + ".csv", "wb") as to:
            shutil.copyfileobj(source, to)
    return {role: role + ".csv" for role in paths}


def drop(path, fold, out):
    """The rows of all entities but those of the fold."""
    with open(path, newline="") as source, open(out, "w") as to:
        head = next(source)
        to.write(head)
        names, is_kept = next(csv.reader([head])), {}
        for line in source:
            row = next(csv.reader([line])) if '"' in line else line.rstrip("\r\n").split(",")
            entity = entity_of.format_map(dict(zip(names, row)))
            if entity not in is_kept:
                is_kept[entity] = fold_of(entity) != fold
            if is_kept[entity]:
                to.write(line)


def train(whole, fold):
    """Our model, of all but the fold."""
    files = []
    for role, path in whole.items():
        drop(path, fold, path + ".rest")
        files.append(("" if role == "main" else role + "=") + path + ".rest")
    run(f"{binary}/reseat-data", "import", *arguments, *files, "-o", "rest.h5", "--quiet")
    run(f"{binary}/reseat-train", "train", "rest.h5", "-o", "model.rsm", "--horizon", horizon, "--quiet")


def read(whole):
    """All samples as peers.py takes them."""
    files = [("" if role == "main" else role + "=") + path for role, path in whole.items()]
    run(f"{binary}/reseat-data", "import", *arguments, *files, "-o", "whole.h5", "--quiet")
    d = types.SimpleNamespace(files=whole, entity_of=entity_of, text={}, number={}, signal={})
    with h5py.File("whole.h5") as f:
        offsets = f["samples/offsets"][:].astype(int)
        d.unit = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        d.time = f["samples/time"][:].astype(float)
        if "values" in f["samples"]:
            d.signal = dict(zip(f["signals/name"].asstr()[:], f["samples/values"][:].T))
        for attribute, kind in zip(f["attributes/name"].asstr()[:], f["attributes/kind"][:]):
            values = f["entities/attributes/" + attribute][:]
            if kind == 0:
                words = np.append(f["entities/dictionaries/" + attribute].asstr()[:], "")
                d.text[attribute] = words[values][d.unit]
            else:
                d.number[attribute] = values[d.unit]
    return d


def score(d):
    """Entities and labels (NaN where there is none) of all samples, and our risks."""
    run(f"{binary}/reseat-train", "score", "whole.h5", "-m", "model.rsm", "-o", "scores.csv", "--quiet")
    with open("scores.csv") as scores:
        rows = list(csv.DictReader(scores))
    d.entity = [r["entity"] for r in rows]
    d.label = np.array([float(r["label"] or "nan") for r in rows])
    return np.array([float(r["risk"]) for r in rows])


def fit_peers(d, rest, held):
    """{label: decision values of the held-out rows}"""
    out = {}
    for label, x in peers.features(name, d, rest).items():
        mean, sd = np.nanmean(x[rest], axis=0), np.nanstd(x[rest], axis=0)
        sd[~(sd > 0)] = 1
        x = np.nan_to_num((x - mean) / sd)
        fit = LogisticRegression(C=1, solver="newton-cholesky", max_iter=100).fit(x[rest], d.label[rest] == 1)
        out[label] = fit.decision_function(x[held])
    return out


class Ranked:
    """ROC-AUC and average precision of fixed scores under changing weights, equal scores in one step."""

    def __init__(self, y, score):
        self.order = np.argsort(-score, kind="stable")
        self.y = y[self.order]
        self.starts = np.flatnonzero(np.diff(score[self.order], prepend=np.inf))

    def measure(self, weight):
        w = weight[self.order]
        p = np.add.reduceat(w * self.y, self.starts)
        n = np.add.reduceat(w, self.starts) - p
        above, all_above = np.cumsum(p), np.cumsum(p + n)
        auc = np.sum(n * (above - p / 2)) / (above[-1] * n.sum())
        return np.array([auc, np.sum(p * above / np.maximum(all_above, 1e-300)) / above[-1]])


def slope(z, seen, weight):
    """Of the logistic regression of the labels on the log odds z, both summed over rows of nearly equal z."""
    x = np.column_stack([np.ones(len(z)), z])
    b = np.array([0.0, 1.0])
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ b))
        step = np.linalg.solve((x * (weight * p * (1 - p))[:, None]).T @ x, x.T @ (seen - weight * p))
        b += step * min(1, 2 / np.abs(step).max())
    return b[1]


class Calibration:
    def __init__(self, y, risk):
        self.y, self.risk = y, risk
        clipped = np.clip(risk, 2**-52, 1 - 2**-52)
        z = np.log(clipped / (1 - clipped))
        self.bin = np.unique(np.round(z / 0.02), return_inverse=True)[1]
        self.z = np.bincount(self.bin, z) / np.bincount(self.bin)

    def measure(self, weight):
        all_of, seen = np.bincount(self.bin, weight), np.bincount(self.bin, weight * self.y)
        return np.array([np.log(seen.sum() / (weight * self.risk).sum()), slope(self.z, seen, all_of)])


def figures(out, weights):
    """Mean differences from each peer over the folds, then in the large and slope over all rows."""
    means = [[r.measure(w) for r in ranked] for (_, _, ranked), w in zip(out, weights)]
    gaps = np.mean([[m[0] - other for other in m[1:]] for m in means], axis=0)
    return np.concatenate([gaps.ravel(), calibration.measure(np.concatenate(weights))])


out, risks = [], []
with tempfile.TemporaryDirectory() as work:
    paths = {role: os.path.abspath(path) for role, path in (("main=" + w).split("=")[-2:] for w in paths.split(","))}
    os.chdir(work)
    whole = unpack()
    d = read(whole)
    for fold in map(int, folds.split()):
        train(whole, fold)
        risk = score(d)
        is_held = np.array([fold_of(e) == fold for e in d.entity])
        rows = ~np.isnan(d.label) & peers.ROWS.get(name, lambda d: True)(d)
        held = is_held & rows
        theirs = fit_peers(d, ~is_held & rows, held)
        y, unit = d.label[held], np.unique(d.unit[held], return_inverse=True)[1]
        if not 0 < y.sum() < len(y):
            print(f"fold {fold}: left out, it has one class", flush=True)
            continue
        out.append((y, unit, [Ranked(y, s) for s in (risk[held], *theirs.values())]))
        risks.append(risk[held])
        if "RESEAT_KEEP" in os.environ:
            kept = f"{os.environ['RESEAT_KEEP']}/{name}-{horizon}-{fold}.npz"
            np.savez(kept, y=y, unit=unit, risk=risk[held], **theirs)
        each = [r.measure(np.ones(len(y))) for r in out[-1][2]]
        print(f"fold {fold}: ROC-AUC {each[0][0]:.4f} AP {each[0][1]:.4f}" +
              "".join(f", LR {k} {m[0]:.4f} {m[1]:.4f}" for k, m in zip(theirs, each[1:])) +
              f" ({len(y)} rows, {int(y.sum())} positive)", flush=True)

calibration = Calibration(np.concatenate([o[0] for o in out]), np.concatenate(risks))
point = figures(out, [np.ones(len(y)) for y, _, _ in out])
rng, drawn = np.random.default_rng(1), []
for _ in range(DRAWS):
    weights = []
    for _, unit, _ in out:
        n = unit.max() + 1
        weights.append(np.bincount(rng.integers(n, size=n), minlength=n)[unit].astype(float))
    if all((w * y).sum() > 0 for w, (y, _, _) in zip(weights, out)):
        drawn.append(figures(out, weights))
low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
mean = np.mean([o[2][0].measure(np.ones(len(o[0]))) for o in out], axis=0)
labels = calibration.y
print(f"mean: ROC-AUC {mean[0]:.4f} AP {mean[1]:.4f}, {len(labels)} rows, {int(labels.sum())} positive")
result = {"set": name, "horizon": horizon, "roc_auc": mean[0], "average_precision": mean[1]}
words = [f"{m} - LR {k}" for k in theirs for m in ("ROC-AUC", "AP")] + ["ln(observed / expected)", "calibration slope"]
for word, p, a, b in zip(words, point, low, high):
    print(f"{word}: {p:+.4f} [{a:+.4f}, {b:+.4f}]")
    result[word] = [p, a, b]
print(json.dumps(result))
