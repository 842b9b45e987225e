#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Every figure of reseat eval against scikit-learn, SciPy and NumPy on the same risks: ranking, pooled and within cohorts,
# calibration, alert budgets with lead times, and intervals under resampled entities. Where the real sets lie beside the
# checkout, on one of them too.
set -eu
python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import h5py, scipy, sklearn' 2>/dev/null || { echo "skipped: python3-h5py or python3-sklearn is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# peer FLEET MODEL REPLICATES
peer() {
    "$BIN/reseat-eval" "$1" -m "$2" --json --quiet --bootstrap "$3" >eval.json
    "$BIN/reseat-score" "$1" -m "$2" -o scores.csv --quiet
    "$python" "$SRC/tests/eval_peer.py" "$1" scores.csv eval.json
}

"$BIN/reseat-data" simulate --hosts 50 --days 60 --seed 5 --failure-rate 6 -o seen.h5 --quiet >/dev/null
"$BIN/reseat-data" simulate --hosts 40 --days 50 --seed 6 --failure-rate 6 -o unseen.h5 --quiet >/dev/null
"$BIN/reseat-train" train seen.h5 -o fleet.rsm --horizon 7d --learner logistic --quiet 2>/dev/null
peer unseen.h5 fleet.rsm 1000

# The peer must not agree with everything: one figure off by a millionth is found.
jq '.pooled.roc_auc.value += 1e-6 | .bootstrap.replicates = 0' eval.json >off.json
if "$python" "$SRC/tests/eval_peer.py" unseen.h5 scores.csv off.json >out; then
    echo "eval_peer: a wrong ROC-AUC was not noticed" >&2
    exit 1
fi
grep -q '^eval_peer: roc_auc: ' out

set=${RESEAT_DATA:-$SRC/../shared/data}/device-failure-2015
if [ -d "$set" ]; then
    "$BIN/reseat-import" csv --map device-failure-2015 "$set"/*.csv.xz -o real.h5 --quiet >/dev/null
    "$BIN/reseat-train" train real.h5 -o real.rsm --learner logistic -C 0.01 --features base --folds 0 --quiet 2>/dev/null
    peer real.h5 real.rsm 0
else
    echo "the real sets are absent ($set): simulated fleets alone"
fi
