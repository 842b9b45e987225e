# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of the logistic regressions that reseat train is held against, set by set: what a person chose who knew the set.

features(name, d, train) yields {label: matrix}, a matrix having a row for each of d's samples; train marks those that the
fit will see, from which the categories come. A set can have several peers; one that is not named here gets log1p of every
signal and its categories.
"""
import csv, datetime
import numpy as np


def log1p(x):
    return np.log1p(np.maximum(x, 0))


def hot(d, train, name, least=0, of_entities=False):
    """One-hot of the values that at least so many training samples, or entities, have."""
    words = d.text[name][train]
    if of_entities:
        words = words[np.unique(d.unit[train], return_index=True)[1]]
    values, counts = np.unique(words, return_counts=True)
    return [d.text[name] == v for v in values[counts >= least]]


def change(d, name, days=7):
    """log1p of a signal's growth since the entity's earliest sample of the last days."""
    x, t = d.signal[name], d.time
    first = np.searchsorted(d.unit * 1e12 + t, d.unit * 1e12 + t - days * 86400)
    return log1p(x - x[first])


def backblaze(d, train):
    s, number = d.signal, d.number
    plain = [log1p(s["smart_5_raw"]), log1p(s["smart_197_raw"]), log1p(s["smart_1_raw"]), s["smart_9_raw"] / 1000,
             s["smart_194_raw"], number["capacity_bytes"] / 1e12]
    more = [f(n) for n in ("smart_5_raw", "smart_197_raw") for f in (lambda n: change(d, n), lambda n: s[n] > 0)]
    return {"F0": plain, "F1": plain + more + hot(d, train, "model", 100, True)}


def devices(d, train):
    s, names = d.signal, [f"attribute{k}" for k in (2, 3, 4, 5, 7, 9)]
    plain = [log1p(s[n]) for n in names] + [s["attribute1"] / 1e8, s["attribute6"] / 1e5]
    more = [change(d, n) for n in names] + [s[n] > 0 for n in names]
    return {"F0": plain, "F1": plain + more + hot(d, train, "family", 1000)}


def lastday_raw(d, train):
    names = [f"smart_{k}_raw" for k in (5, 10, 184, 187, 188, 196, 197, 198, 199)]
    return {"E9": [log1p(d.signal[n]) for n in names] + hot(d, train, "model")}


def as_they_are(d, train):
    return {"E": list(d.signal.values())}


def smartmem(d, train):
    return {"all": [log1p(x) for x in d.signal.values()] + [d.text["serial_number_type"] == "B"]}


def everything(d, train):
    return {"all": [log1p(x) for x in d.signal.values()] + [h for n in d.text for h in hot(d, train, n, 100)]}


def seconds(text):
    text = text.replace("T", " ").rstrip("Z")
    return (datetime.datetime.fromisoformat(text) - datetime.datetime(1970, 1, 1)).total_seconds()


def by_entity(path, entity, time, kind):
    """{entity: {kind: sorted times}} of a file of events."""
    out = {}
    for row in csv.DictReader(open(path)):
        if row[time]:
            out.setdefault(entity.format(**row), {}).setdefault(row[kind], []).append(seconds(row[time]))
    return {e: {k: np.sort(t) for k, t in kinds.items()} for e, kinds in out.items()}


def machine_history(d):
    """Means over 3 h, means and deviations over 24 h, errors in 24 h, days since each part was replaced."""
    errors = by_entity(d.files["errors"], d.entity_of, "datetime", "errorID")
    parts = by_entity(d.files["maintenance"], d.entity_of, "datetime", "comp")
    out = np.full((len(d.time), 21), np.nan)
    x = np.column_stack([d.signal[n] for n in ("volt", "rotate", "pressure", "vibration")]).astype(float)
    for unit in np.unique(d.unit):
        rows = np.flatnonzero(d.unit == unit)
        entity = d.entity[rows[0]]
        for i in rows:
            back = lambda h: x[max(rows[0], i - h + 1):i + 1]
            spread = back(24).std(axis=0, ddof=1) if i > rows[0] else np.zeros(4)
            out[i, :12] = *back(3).mean(axis=0), *back(24).mean(axis=0), *spread
            for k in range(5):
                t = errors.get(entity, {}).get(f"error{k + 1}", np.array([]))
                out[i, 12 + k] = np.sum((t > d.time[i] - 86400) & (t <= d.time[i]))
            for k in range(4):
                t = parts.get(entity, {}).get(f"comp{k + 1}", np.array([]))
                t = t[t <= d.time[i]]
                out[i, 17 + k] = (d.time[i] - t[-1]) / 86400 if len(t) else np.nan
    return out


def node_history(d):
    """Counts of all and of hardware failures in 7, 30, 90 and 365 days, days since the last, age of the system."""
    of, first = by_entity(d.files["main"], d.entity_of, "started", "hw_failure"), {}
    system = d.text["system"]
    for entity, s in dict(zip(d.entity, system)).items():
        first[s] = min([first.get(s, np.inf)] + [t[0] for t in of[entity].values()])
    out = np.empty((len(d.time), 10))
    for i, (entity, t) in enumerate(zip(d.entity, d.time)):
        hardware = of[entity].get("1", np.array([]))
        both = np.sort(np.concatenate(list(of[entity].values())))
        counts = [np.sum((e > t - w * 86400) & (e <= t)) for e in (both, hardware) for w in (7, 30, 90, 365)]
        before = both[both <= t]
        since = (t - before[-1]) / 86400 if len(before) else 3650
        out[i] = *np.log1p(counts), np.log1p(since), (t - first[system[i]]) / 86400 / 365
    return out


def once(of, d):
    if not hasattr(d, "history"):
        d.history = list(of(d).T)
    return d.history


def machines(d, train):
    return {"26": once(machine_history, d) + [d.number["age"]] + hot(d, train, "model")}


def nodes(d, train):
    return {"27": once(node_history, d) + [log1p(d.number["procsinnode"])] + hot(d, train, "system")}


def every_third_hour(d):
    first = np.array([d.time[d.unit == u].min() for u in range(d.unit.max() + 1)])
    return (d.time // 3600 % 3 == 0) & (d.time - first[d.unit] >= 86400)


ROWS = {"azure-pdm": every_third_hour}  # of the samples, those that train the peer and are judged; elsewhere all
PEERS = {
    "backblaze-2013-40d": backblaze,
    "device-failure-2015": devices,
    "lastday-raw": lastday_raw,
    "lastday-normalised": as_they_are,
    "st4000dm000": as_they_are,
    "smartmem-dimm": smartmem,
    "azure-pdm": machines,
    "lanl-failures": nodes,
}


def features(name, d, train):
    return {k: np.column_stack(v).astype(float) for k, v in PEERS.get(name, everything)(d, train).items()}
