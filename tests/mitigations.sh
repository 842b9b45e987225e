#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Hosts drained before they fail: training says how many labels that takes away, and the weights of the control share
# bring the level of the risks back to that of the same fleet where nobody drains anything.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
train=$BIN/reseat-train
command -v jq >/dev/null || { echo "skipped: jq is not installed"; exit 77; }
/usr/bin/python3 -c 'import h5py' 2>/dev/null || { echo "skipped: h5py is not installed"; exit 77; }

die() {
    echo "mitigations: $*" >&2
    exit 1
}
simulate() { # FILE OPTION...
    local file=$1
    shift
    "$BIN/reseat-data" simulate --hosts 150 --days 60 --failure-rate 8 --seed 3 --quiet --json "$@" -o "$file" >"$file.json"
}
refuse() { # MESSAGE OPTION...
    local message=$1 rc=0
    shift
    "$BIN/reseat-data" simulate -o x.h5 "$@" 2>err || rc=$?
    [ $rc = 2 ] && grep -qF -- "$message" err || die "$*: status $rc: $(cat err)"
}

simulate truth.h5
simulate drained.h5 --drain-share 0.8 --control-share 0.3
jq -e '.drained == 0 and .controls == 0' truth.h5.json >/dev/null || die "$(cat truth.h5.json)"
refuse '--control-share: of the hosts to be drained; --drain-share needed' --control-share 0.1
refuse '--control-share: 0 to 0.9 needed' --drain-share 0.5 --control-share 1
refuse '--drain-share: 0 to 1 needed' --drain-share 2
refuse '--drain-share: scenario fleet needed' --drain-share 0.5 --scenario cohorts

# What the file says of its drains; copies that keep silent about them, or about the lots.
cp drained.h5 silent.h5
cp drained.h5 unweighted.h5
/usr/bin/python3 - drained.h5.json <<'P'
import h5py, json, sys, numpy as np
text = lambda d: [s.decode() if isinstance(s, bytes) else s for s in d[:]]
want = json.load(open(sys.argv[1]))
with h5py.File("drained.h5") as f:
    m, t = f["mitigations"], f["truth"]
    kind = np.array(text(m["kinds"]))[m["kind"][:]]
    assert (kind == "drained").sum() == want["drained"] and (kind == "control").sum() == want["controls"]
    n, s = len(kind), m.attrs["control_share"]
    assert s == 0.3 and abs((kind == "control").sum() - n * s) < 4 * (n * s * (1 - s)) ** 0.5
    cause = np.array(text(t["causes"]))[t["cause"][:]]
    averted = np.char.endswith(cause.astype(str), " averted")
    failed = set(zip(f["failures/entity"][:], f["failures/time"][:]))
    assert averted.sum() == want["drained"] and len(failed) == want["failures"]
    at = dict(zip(zip(t["entity"][averted], t["time"][averted]), cause[averted]))
    assert not failed & set(at)  # what was averted did not happen
    off, time = f["samples/offsets"][:].astype(int), f["samples/time"][:]
    for e, start, until, k in zip(m["entity"][:], m["time"][:], m["until"][:], kind):
        inside = (time[off[e]:off[e + 1]] >= start) & (time[off[e]:off[e + 1]] < until)
        assert k == "control" or not inside.any()  # in repair
        end = [x for (a, x) in failed if a == e and x == until]
        assert k == "drained" or end or until >= f["samples/time"][:].max(), (e, until)
with h5py.File("silent.h5", "r+") as f:
    del f["mitigations"]
with h5py.File("unweighted.h5", "r+") as f:
    del f["mitigations"].attrs["control_share"]
P

# Fits with all that is chosen held fixed, so that the files alone make the difference.
fit() { # NAME
    "$train" train "$1.h5" -o "$1.rsm" --learner logistic -C 0.1 --features base --no-pooling --quiet --json >"$1.json"
    "$train" eval truth.h5 -m "$1.rsm" --quiet --json >"$1.eval"
    jq '[.. | objects | select(has("calibration_in_the_large")) | .calibration_in_the_large.value][0] | fabs' "$1.eval"
}
weighted=$(fit drained)
silent=$(fit silent)
unweighted=$(fit unweighted)
figures="distance of the log odds from the truth: $weighted with the control share, $unweighted without, $silent without mitigations"
jq -en "$weighted < 0.6 * $unweighted and $weighted < 0.6 * $silent and $unweighted < $silent" >/dev/null || die "$figures"

# How many labels it takes, in every place that says so.
n=$(jq .mitigated_rows drained.json)
[ "$n" -gt 300 ] || die "$n labels are unknown"
jq -e --argjson n "$n" '.rows - $n == input.rows' silent.json drained.json >/dev/null || die "labels are lost: $n"
jq -e '.control_rows > 0 and .control_share == 0.3' drained.json >/dev/null || die "$(cat drained.json)"
jq -e '.mitigated_rows == 0 and .control_rows == 0' silent.json >/dev/null || die "$(cat silent.json)"
"$train" dump drained.rsm --json | jq -e --argjson n "$n" '.meta.mitigated_samples == $n and .meta.control_share == 0.3' >/dev/null ||
    die "the model does not tell of $n labels"
"$train" train drained.h5 -o text.rsm --folds 0 --learner logistic -C 0.1 --features base --no-pooling 2>text
grep -qF "$n more have no label because a mitigation came first" text || die "$(cat text)"
grep -qF "samples of the control share (0.3) weigh for the mitigated ones" text || die "$(cat text)"
echo "$n labels unknown; $figures"
