#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Partial pooling on cohorts of 20 to 200 hosts whose rates and slopes are drawn around their parents': on hosts that no
# model has seen, the expected log loss by the true rates is below that of one model for all with attributes one-hot
# (--no-pooling), over several fleets. Prints beside it what logistic regressions by numpy make of the three signals
# alone: one model per group, and one for all with the two attributes that matter.
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
for ((s = 1; s <= ${FLEETS:-3}; s++)); do
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
    $py "$SRC/tests/pooling.py" "$work/past.h5" "$work/fresh.h5" partial="$work/partial.csv" pooled="$work/pooled.csv" |
        tee -a "$work/losses"
done
awk '{ for (i = 1; i <= NF; i += 2) sum[$i] += $(i + 1) }
    END {
        gain = (sum["pooled"] - sum["partial"]) / NR
        printf "partial pooling: %.6f below one model for all, on average of %d fleets\n", gain, NR
        exit !(gain > 0)
    }' "$work/losses"
