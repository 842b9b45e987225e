#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Partial pooling on cohorts of 20 to 200 hosts whose rates and slopes are drawn around their parents', against both
# extremes: one model for all with attributes one-hot (our own by --no-pooling, and one by numpy of the signals and the two
# attributes that matter), and one model per group (by numpy, of the signals). Judged is the expected log loss by the true
# rates, on hosts that no model has seen, paired over FLEETS fleets: the mean must lie below that of --no-pooling by more
# than its error, and above that of the two others, which know what matters, by no more than that; no fleet 2 % above.
set -eu
py=/usr/bin/python3
if ! $py -c 'import h5py' 2>/dev/null; then
    echo "pooling: python3-h5py is missing" >&2
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
simulate() { # SEED GROUPS FILE
    "$BIN/reseat-simulate" --quiet --scenario pooling --hosts "${HOSTS:-1000}" --days 91 --interval 7d --seed "$1" \
        --group-seed "$2" -o "$3" >/dev/null
}
for ((s = 1; s <= ${FLEETS:-10}; s++)); do
    simulate "$s" "$s" "$work/past.h5"
    simulate $((s + 1000)) "$s" "$work/fresh.h5"
    for kind in partial pooled; do
        option=--no-pooling
        [ $kind = pooled ] || option=
        # shellcheck disable=SC2086
        "$BIN/reseat-train" train "$work/past.h5" -o "$work/$kind.rsm" --horizon 7d --target logloss --learner logistic \
            --features values --quiet $option
        "$BIN/reseat-score" "$work/fresh.h5" -m "$work/$kind.rsm" --quiet -o "$work/$kind.csv"
    done
    $py "$SRC/tests/pooling.py" "$work/past.h5" "$work/fresh.h5" partial="$work/partial.csv" pooled="$work/pooled.csv" \
        >>"$work/losses"
    tail -n 1 "$work/losses"
done
$py "$SRC/tests/pooling.py" --judge "$work/losses"
