#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# reseat cohorts on simulated fleets: known flaws are the findings, a fleet without flaws has none, mistakes are told.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
simulate() { "$BIN/reseat-simulate" --scenario cohorts --interval 7d --quiet "$@" >/dev/null; }
cohorts() { "$BIN/reseat-cohorts" --quiet "$@"; }
fail() { echo "cohorts: $*" >&2; exit 1; }

simulate --hosts 4000 --batch-effect 2.5 --firmware-effect 2.5 --seed 1 -o flawed.h5
cohorts flawed.h5 --json >flawed.json
standing='[.findings[] | select(.explained_by == null and .same_as == null)]'
jq -e "$standing | .[:2] | map(.name) | sort == [\"batch=B07\", \"firmware=1.4.2\"]" flawed.json >/dev/null ||
    { cat flawed.json >&2; fail "the two flaws are not the top findings"; }
jq -e "$standing | .[:2] | all(.direction == \"more\" and .q < 0.001 and .rate_ratio.low < 2.5 and .rate_ratio.high > 2)" \
    flawed.json >/dev/null || { cat flawed.json >&2; fail "the ratios are not 2.5"; }
cohorts flawed.h5 >flawed.txt
grep -qE 'batch=B07: [0-9.]+ x \([0-9.]+-[0-9.]+\), [0-9]+ of [0-9]+ entities failed, q = ' flawed.txt || fail "no line of B07"

simulate --hosts 4000 --pair-effect 4 --seed 2 -o pair.h5
cohorts pair.h5 --json >pair.json
jq -e "$standing | .[0].conditions | length == 2 and (map(.value) | sort == [\"1.3.0\", \"P3\"])" pair.json >/dev/null ||
    { cat pair.json >&2; fail "the pair is not the top finding"; }
cohorts pair.h5 --no-pairs --json | jq -e '.pairs_tested == 0 and all(.findings[]; .conditions | length == 1)' >/dev/null

# Fleets without flaws: of N at the rate of 5 %, more than these have a finding once in a thousand times.
fleets=${RESEAT_NULL_FLEETS:-6}
found=0
for ((i = 0; i < fleets; i++)); do
    simulate --hosts 600 --failure-rate 1 --seed $((100 + i)) -o null.h5
    n=$(cohorts null.h5 --json | jq '.findings | length')
    [ "$n" = 0 ] || found=$((found + 1))
done
most=$(awk -v n="$fleets" 'BEGIN { p = 0.95 ^ n; sum = p; k = 0
    while (sum < 0.999) { p *= (n - k) / (k + 1) * 0.05 / 0.95; sum += p; k++ } print k }')
[ "$found" -le "$most" ] || fail "$found of $fleets fleets without flaws have findings"

refuse() { # STATUS MESSAGE COMMAND...
    local status=$1 message=$2 rc=0
    shift 2
    "$@" >out 2>err || rc=$?
    [ $rc = "$status" ] && grep -qF -- "$message" err || { cat err >&2; fail "$*: status $rc"; }
}
simulate --hosts 30 --failure-rate 0 -o sound.h5
refuse 1 'none of the 30 entities failed' "$BIN/reseat-cohorts" sound.h5
refuse 2 'one fleet file needed' "$BIN/reseat-cohorts"
refuse 2 '--fdr: a value between 0 and 1' "$BIN/reseat-cohorts" flawed.h5 --fdr 1
refuse 2 '--within: the fleet file has no attribute "age_days"' "$BIN/reseat-cohorts" flawed.h5 --within age_days
refuse 1 'absent.h5' "$BIN/reseat-cohorts" absent.h5
TMPDIR=/nowhere refuse 1 'temporary file' "$BIN/reseat-cohorts" flawed.h5
echo "flaws found; $found of $fleets fleets without flaws have findings"
