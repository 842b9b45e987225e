#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# reseat simulate and reseat export: the same seed gives the same bytes, another one another fleet; the file holds what
# docs/simulator.md promises; exported samples are the file's, to the bit.
set -eu
py=/usr/bin/python3
if ! $py -c 'import h5py' 2>/dev/null; then
    echo "simulate: python3-h5py is missing" >&2
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
simulate() { "$BIN/reseat-simulate" --quiet "$@"; }

simulate --hosts 40 --days 30 --seed 3 -o a.h5 >/dev/null
simulate --hosts 40 --days 30 --seed 3 -o b.h5 >/dev/null
simulate --hosts 40 --days 30 --seed 4 -o c.h5 >/dev/null
cmp a.h5 b.h5
! cmp -s a.h5 c.h5

# A fleet of the default rate has failures enough to train on: 200 hosts x 90 days x 1.8 a host-year = 89 on average.
simulate --hosts 200 --days 90 --seed 1 --json -o demo.h5 >demo.json
jq -e '.failures >= 60 and .predictable < .failures and .entities == 1600 and .vms > 200 and .reboots > .vms' demo.json >/dev/null ||
    { echo "simulate: not what was promised:" >&2; cat demo.json >&2; exit 1; }
simulate --hosts 20 --days 3 --interval 1h --failure-rate 0 --vms-per-host 0 --json -o hourly.h5 |
    jq -e '.failures == 0 and .vms == 0 and .rows > 20 * 8 * 60' >/dev/null

$py - demo.h5 <<'P'
import h5py, sys, numpy as np
f = h5py.File(sys.argv[1])
text = lambda d: [s.decode() if isinstance(s, bytes) else s for s in d[:]]
ids, kinds = text(f["entities/id"]), f["entities/kind"][:]
off, time = f["samples/offsets"][:].astype(int), f["samples/time"][:]
values, names = f["samples/values"][:], text(f["signals/name"])
assert ids == sorted(ids) and len(ids) == 1600 and (kinds == 0).sum() == 200
fe, ft, fb = f["failures/entity"][:].astype(int), f["failures/time"][:], f["failures/back"][:]
for e, t, b in zip(fe, ft, fb):  # no sample while the entity is out of service, and it does come back
    own = time[off[e] : off[e + 1]]
    assert b > t and not ((own >= t) & (own < b)).any(), ids[e]
truth = set(zip(f["truth/entity"][:].tolist(), f["truth/time"][:].tolist()))
assert all((e, t) in truth for e, t in zip(fe.tolist(), ft.tolist()))
causes = text(f["truth/causes"])
assert "member bad-batch" in causes and "member bad-firmware" in causes, causes
types = text(f["entities/dictionaries/type"])
kind_of = [types[c] for c in f["entities/attributes/type"][:]]
row_type = np.repeat(kind_of, np.diff(off))
for name, where in (("smart_5_raw", "disk"), ("edac_ce_total", "dimm"), ("fan_rpm", "fan"), ("inlet_temp_c", "host")):
    present = ~np.isnan(values[:, names.index(name)])
    assert not present[row_type != where].any(), name
    assert 0.97 < present[row_type == where].mean() < 0.9999, (name, "1 % of the readings are missing")
vm, start, end = (f["vms/placement/" + c][:] for c in ("vm", "start", "end"))
order = np.lexsort((start, vm))
vm, start, end = vm[order], start[order], end[order]
assert (end > start).all() and (end[:-1] <= start[1:])[vm[:-1] == vm[1:]].all(), "a VM is in one place at a time"
assert set(text(f["vms/classes"])) == {"standard", "gold", "batch"}
assert set(text(f["reboots/causes"])) == {"user", "guest", "operator", "update"}
P

# The other scenarios: counts lie within four standard deviations of docs/simulator.md's.
simulate --scenario cohorts --hosts 1500 --batch-effect 3 --share 0.1 --seed 5 -o cohorts.h5 >/dev/null
simulate --scenario cohorts --hosts 1500 --batch-effect 3 --share 0.1 --seed 5 -o again.h5 >/dev/null
cmp cohorts.h5 again.h5
simulate --scenario pooling --hosts 3000 --interval 7d --seed 5 -o pooling.h5 >/dev/null
simulate --scenario bench --rows 20000 --seed 5 -o bench.h5 >/dev/null
"$BIN/reseat-info" cohorts.h5 >/dev/null
$py - <<'P'
import h5py, numpy as np
text = lambda d: [s.decode() if isinstance(s, bytes) else s for s in d[:]]
def words(f, a): return np.array(text(f["entities/dictionaries/" + a]))[f["entities/attributes/" + a][:]]
def truth(f):
    assert (np.sort(f["truth/entity"][:]) == np.arange(len(f["entities/id"]))).all()
    rate = np.empty(len(f["entities/id"]))
    rate[f["truth/entity"][:]] = f["truth/value"][:]
    return rate
f = h5py.File("cohorts.h5")
rate, bad = truth(f), words(f, "batch") == "B07"
assert abs(bad.mean() - 0.1) < 4 * (0.09 / 1500) ** 0.5
assert np.allclose(rate[bad], 3 * rate[~bad][0]) and np.allclose(rate[~bad], 1.8 / 365.25 / 1.2)
n, want = len(f["failures/time"]), rate.sum() * 90
assert abs(n - want) < 4 * want**0.5 + 0.01 * want, (n, want)
f = h5py.File("pooling.h5")
rate, firmware = truth(f), words(f, "firmware")
sizes = np.unique(firmware, return_counts=True)[1]
assert sizes[:-1].max() <= 200 and np.sort(sizes)[1] >= 20 and len(sizes) > 20  # the last one may be cut short
n, want = len(f["failures/time"]), rate.sum() * 90
assert abs(n - want) < 4 * want**0.5 + 0.01 * want, (n, want)
logs = np.log([rate[firmware == w].mean() for w in np.unique(firmware)])
assert 0.3 < logs.std() < 0.9  # sqrt(0.4^2 + 0.4^2) = 0.57, and what the slopes add
f = h5py.File("bench.h5")
values, label = f["samples/values"][:], f["samples/label"][:]
assert values.shape == (20000, 40) and abs(label.mean() - 0.005) < 0.003
zero = (values[:, 20:35] == 0).mean(0)
assert np.abs(zero - (0.7 + 0.02 * np.arange(15))).max() < 0.02
assert len(f["entities/dictionaries/cohort"]) == 50 and 48 <= np.diff(f["samples/offsets"][:].astype(int)).max() <= 59
P

# Export: all samples to the bit; a host with its components in time order; under another name, at another time.
"$BIN/reseat-export" a.h5 --quiet >all.ndjson
"$BIN/reseat-export" a.h5 --quiet --entity host-0005 --last 3 --as lab-a --end 2030-01-01T00:00:00Z --ndjson >one.ndjson
$py - a.h5 <<'P'
import h5py, json, sys, numpy as np
from datetime import datetime
f = h5py.File(sys.argv[1])
text = lambda d: [s.decode() if isinstance(s, bytes) else s for s in d[:]]
ids, names, off = text(f["entities/id"]), text(f["signals/name"]), f["samples/offsets"][:].astype(int)
time, values, parent = f["samples/time"][:], f["samples/values"][:], f["entities/parent"][:]
ages = f["entities/attributes/age_days"][:]
seconds = lambda s: int(datetime.fromisoformat(s.replace("Z", "+00:00")).timestamp())
rows = [r for r in map(json.loads, open("all.ndjson")) if "event" not in r]
assert len(rows) == len(time)
r = 0
for e, i in enumerate(ids):
    for k in range(off[e], off[e + 1]):
        row = rows[r]
        r += 1
        assert row["entity"] == i and seconds(row["time"]) == time[k]
        want = {n: v for n, v in zip(names, values[k]) if not np.isnan(v)}
        assert want.keys() == row["signals"].keys()
        assert all(np.float32(row["signals"][n]) == v for n, v in want.items())
        assert row["attributes"]["age_days"] == ages[e]
        assert row.get("parent") == (ids[parent[e]] if parent[e] >= 0 else None)
one = [json.loads(l) for l in open("one.ndjson")]
assert len(one) == 24 and {o["entity"].split("/")[0] for o in one} == {"lab-a"}
assert [o["time"] for o in one] == sorted(o["time"] for o in one) and one[-1]["time"] == "2030-01-01T00:00:00Z"
assert all(o["entity"] == "lab-a" or o["parent"] == "lab-a" for o in one)
P

refuse() { # STATUS MESSAGE COMMAND...
    local status=$1 message=$2 rc=0
    shift 2
    "$@" >out 2>err || rc=$?
    [ $rc = "$status" ] && grep -qF -- "$message" err || { echo "simulate: $*: status $rc:" >&2; cat err >&2; exit 1; }
}
refuse 2 '-o FILE is missing' "$BIN/reseat-simulate" --hosts 3
refuse 2 '--hosts: 1 to' "$BIN/reseat-simulate" --hosts 0 -o x.h5
refuse 2 '--interval: 1m to 7d needed' "$BIN/reseat-simulate" --interval 5s -o x.h5
refuse 2 '--scenario: x: fleet, cohorts' "$BIN/reseat-simulate" --scenario x -o x.h5
refuse 2 '--share: 0 to 0.3 needed' "$BIN/reseat-simulate" --share 0.5 -o x.h5
refuse 2 '--rows: 1 to' "$BIN/reseat-simulate" --scenario bench --rows 0 -o x.h5
refuse 2 '--start: soon' "$BIN/reseat-simulate" --start soon -o x.h5
refuse 1 'has no entity host-9999' "$BIN/reseat-export" a.h5 --entity host-9999
refuse 2 '--end: later' "$BIN/reseat-export" a.h5 --end later
refuse 2 '--as: renames' "$BIN/reseat-export" a.h5 --as x
refuse 1 'x.h5' "$BIN/reseat-export" x.h5
[ ! -e x.h5 ]
echo "simulated fleets repeat by seed and export to the bit"
