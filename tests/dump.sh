#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What dump prints of the golden models, whose numbers stand in models/test_model.c: every part of each version.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
golden=$SRC/tests/golden
command -v jq >/dev/null || { echo "skipped: jq is not installed"; exit 77; }

die() {
    echo "dump: $*" >&2
    exit 1
}
# is JSON JQ-CONDITION
is() {
    jq -e "$2" "$1" >/dev/null || die "not so in $1: $2"
}
# says TEXT FILE: the file has it, blanks squeezed
says() {
    tr -s ' ' <"$2" | grep -qF -- "$1" || die "no '$1' in $2: $(cat "$2")"
}

cd "$work"
for model in model-v1 model-v2 model-v2-rbf; do
    "$BIN/reseat-train" dump "$golden/$model.rsm" >"$model.txt"
    "$BIN/reseat-train" dump "$golden/$model.rsm" --json >"$model.json"
done

# Platt, and nothing of version 2.
says 'calibration p = 1 / (1 + exp(-(a z + b))), a = 1.75, b = -4.5' model-v1.txt
is model-v1.json '.calibration == {kind: "platt", a: 1.75, b: -4.5, c: 0, knots: []} and .deltas == [] and .rbf == null'
is model-v1.json '.references.signals == [] and .meta.control_share == null and .meta.mitigated_samples == 0'

# Isotonic knots, deltas, events, hinges, references.
says 'mitigated 1234 samples without a label' model-v2.txt
says 'control 5 % left alone on purpose' model-v2.txt
says 'calibration isotonic, straight lines between 3 knots' model-v2.txt
says ' 0.5 0.0125' model-v2.txt
says 'model 2 values; any other falls back to the parent cohort' model-v2.txt
says 'Deltas: 2 cohorts' model-v2.txt
says 'all bias +0.0625' model-v2.txt
says ' smart_5_raw 12.500 % -1.5 40 40' model-v2.txt
is model-v2.json '.calibration | .kind == "isotonic" and .knots[2] == {z: 3, p: 0.75}'
is model-v2.json '.meta.mitigated_samples == 1234 and .meta.control_share == 0.05'
is model-v2.json '.events == ["failure", "event/reboot"] and .attributes[0].in_cohorts and (.attributes[1].in_cohorts | not)'
is model-v2.json '[.features[] | select(.index == 4 or .index == 5) | .knot] | sort == [-0.25, 3.5]'
is model-v2.json '.deltas[0] == {cohort: "all", bias: 0.0625, weights: []} and .deltas[1].cohort == "model=ST3000DM001"'
is model-v2.json '[.deltas[1].weights[].standard_weight | fabs] | length == 10 and . == (sort | reverse)'
is model-v2.json '.deltas[1].weights | any(.weight == 0.40625)'
is model-v2.json '.references.signals[0] == {signal: "smart_5_raw", reference: {edges: [-1.5, 40], shares: [0.25, 0.5, 0.25], missing: 0.125}}'
is model-v2.json '.references.signals[1].reference.edges == [] and .references.risk.missing == 0'

# A radial machine with a beta calibration.
says 'a = 1.25, b = 0.75, c = -2.5' model-v2-rbf.txt
says 'Support vectors: 2, 1 of them push the risk up; gamma 0.3' model-v2-rbf.txt
is model-v2-rbf.json '.learner == "rbf-svm" and .calibration.kind == "beta" and .calibration.c == -2.5'
is model-v2-rbf.json '.rbf.gamma == 0.3 and .rbf.vectors[1] == {coef: -0.6, x: [-1.5, 0.75, 0.125, 2]}'
echo "three golden models printed whole"
