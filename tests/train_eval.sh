#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# From a fleet to figures: simulate, train, eval, score, dump, on two simulated fleets, the second one unseen. What eval
# prints is computed again from the CSV of score, by the definitions, in Python. Then the mistakes that people make.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
train=$BIN/reseat-train
data=$BIN/reseat-data
command -v jq >/dev/null || { echo "skipped: jq is not installed"; exit 77; }
command -v python3 >/dev/null || { echo "skipped: python3 is not installed"; exit 77; }

die() {
    echo "train_eval: $*" >&2
    exit 1
}
# is WHAT JSON JQ-CONDITION
is() {
    jq -e "$3" "$2" >/dev/null || die "$1: not so: $3"
}
# refused CODE TEXT COMMAND...: it exits with CODE and says TEXT on stderr, in one line (beside log events)
refused() {
    local want=$1 text=$2 code=0
    shift 2
    "$@" >out 2>err || code=$?
    [ "$code" = "$want" ] || die "exit $code, want $want: $* ($(cat err))"
    grep -qF -- "$text" err || die "no '$text' from: $* ($(cat err))"
    [ "$(grep -vc '^level=' err)" = 1 ] || die "more than one line from: $* ($(cat err))"
}

"$data" simulate --hosts 100 --days 60 --seed 5 --failure-rate 4 -o seen.h5 --quiet --json >seen.json
"$data" simulate --hosts 60 --days 60 --seed 6 --failure-rate 4 -o unseen.h5 --quiet --json >unseen.json
"$data" simulate --hosts 25 --days 45 --seed 7 --failure-rate 12 -o small.h5 --quiet >/dev/null

# ---- train: the same bytes from the same input
"$train" train small.h5 -o small.rsm --horizon 5d --seed 3 --quiet >/dev/null
"$train" train small.h5 -o again.rsm --horizon 5d --seed 3 --quiet >/dev/null
cmp small.rsm again.rsm || die "the same training gave another model"
"$train" train seen.h5 -o fleet.rsm --horizon 7d --seed 3 --learner logistic --quiet >/dev/null

# documented PAGE JSON: the man page names every member of it
documented() {
    local member
    for member in $(jq -r '[paths | map(strings) | last | strings] | unique | .[]' "$2"); do
        grep -qE "[\`\"]$member[\`\"]" "$SRC/docs/man/reseat-$1.md" || die "docs/man/reseat-$1.md says nothing of $member"
    done
}
"$train" train small.h5 -o small.rsm --horizon 5d --seed 3 --json --quiet >train.json 2>/dev/null
documented train train.json
"$train" cohorts seen.h5 --json --quiet --min-failures 2 --fdr 0.5 >cohorts.json
documented cohorts cohorts.json
"$train" drift unseen.h5 -m small.rsm --json --quiet >drift.json
documented drift drift.json

# ---- dump
"$train" dump fleet.rsm >dump.txt
grep -q '^  horizon       7d$' dump.txt || die "dump does not show the horizon"
"$train" dump fleet.rsm --json >dump.json
is dump dump.json '.meta.horizon_s == 604800 and .meta.seed == 3 and (.features | length) > 3'
is dump dump.json '.cohorts[0].name == "all" and .cohorts[0].entities == .meta.entities'
is dump dump.json '[.features[].standard_weight | fabs] | . == (sort | reverse)'

# ---- eval: sound figures, the same each time, and honest about what it was trained on
"$train" eval unseen.h5 -m fleet.rsm --json --quiet --bootstrap 50 >eval.json
"$train" eval unseen.h5 -m fleet.rsm --json --quiet --bootstrap 50 >eval2.json
documented eval eval.json
cmp eval.json eval2.json || die "the same evaluation gave other figures"
is eval eval.json '.pooled.roc_auc.value > 0.6 and .pooled.roc_auc.value <= 1'
is eval eval.json '.pooled | .average_precision.value > 2 * .base_rate.value'
is eval eval.json '[.pooled, .cohorts[]] | all(.roc_auc | .low <= .value and .value <= .high)'
is eval eval.json '.training_overlap == "same-time"'
is eval eval.json '[.pooled.budgets[].entity_recall.value] | . == sort'
is eval eval.json '.pooled.budgets | length == 4'
is eval eval.json '[.pooled.calibration[].rows] | add == '"$(jq .labelled eval.json)"
"$train" eval seen.h5 -m fleet.rsm --json --quiet --bootstrap 0 >seen_eval.json
is eval seen_eval.json '.training_overlap == "same-data" and .pooled.roc_auc.low == null'
"$train" eval seen.h5 -m fleet.rsm --quiet --bootstrap 20 >eval.txt
grep -q 'These entities were trained on' eval.txt || die "eval keeps quiet about the training data"

# ---- score: a row for each sample, and the figures of eval again from its CSV
"$train" score unseen.h5 -m fleet.rsm -o scores.csv --quiet
"$train" score unseen.h5 -m fleet.rsm --quiet >stdout.csv
cmp scores.csv stdout.csv || die "-o and standard output differ"
"$train" score unseen.h5 -m fleet.rsm --last --quiet -o last.csv
[ $(($(wc -l <scores.csv) - 1)) = "$(jq .rows unseen.json)" ] || die "scores.csv: not one row a sample"
ls ./*.tmp.* 2>/dev/null && die "a temporary file was left"
python3 - <<'PYTHON'
import csv, json, math
from collections import defaultdict

rows = list(csv.DictReader(open("scores.csv")))
assert list(rows[0]) == ["entity", "time", "cohort", "risk", "label", "fallback"], list(rows[0])
ev = json.load(open("eval.json"))
pooled = ev["pooled"]
labelled = [(float(r["risk"]), int(r["label"])) for r in rows if r["label"]]
assert all(len(r["time"]) == 20 and r["time"].endswith("Z") for r in rows)
assert len(rows) == ev["samples"] and len(labelled) == ev["labelled"]
assert sum(y for _, y in labelled) == pooled["positive_rows"]

def close(name, want, tolerance=1e-12):
    got = pooled[name]["value"]
    assert abs(got - want) <= tolerance * max(1, abs(want)), (name, got, want)

runs = defaultdict(lambda: [0, 0])
for p, y in labelled:
    runs[p][y] += 1
positives, n = pooled["positive_rows"], len(labelled)
above = pairs = ap = seen = 0
for p in sorted(runs, reverse=True):
    neg, pos = runs[p]
    pairs += neg * (above + pos / 2)
    above += pos
    seen += neg + pos
    ap += pos / positives * above / seen
close("roc_auc", pairs / positives / (n - positives))
close("average_precision", ap)
brier = math.fsum((p - y) ** 2 for p, y in labelled) / n
base = positives / n
close("brier", brier)
close("brier_skill", 1 - brier / (base * (1 - base)), 1e-10)
eps = 2.0 ** -52
clip = lambda p: min(max(p, eps), 1 - eps)
close("log_loss", -math.fsum(math.log(clip(p) if y else 1 - clip(p)) for p, y in labelled) / n)

# The newest sample of each entity, and nothing else.
newest = {}
for r in rows:
    assert r["entity"] not in newest or newest[r["entity"]]["time"] < r["time"], r
    newest[r["entity"]] = r
assert list(csv.DictReader(open("last.csv"))) == list(newest.values())

# Entities caught at 1 % of each day, unused parts of an alert saved for later.
days = defaultdict(list)
for r in rows:
    if r["label"]:
        days[r["time"][:10]].append((-float(r["risk"]), r["entity"], int(r["label"])))
total = alerts = 0
caught = set()
for day in sorted(days):
    total += len(days[day])
    for _, entity, label in sorted(days[day])[:math.floor(0.01 * total * (1 + eps)) - alerts]:
        alerts += 1
        if label:
            caught.add(entity)
budget = [b for b in pooled["budgets"] if b["budget"] == 0.01][0]
assert budget["alerts"]["value"] == alerts, (budget["alerts"], alerts)
# Ties at the edge of a day's allowance are broken differently here: one entity either way.
assert abs(budget["entities_caught"]["value"] - len(caught)) <= 1, (budget["entities_caught"], len(caught))
PYTHON

# ---- a damaged model is refused, or sound
"${BIN%/bin}/tests/damage_model" fleet.rsm 1000 1

# ---- mistakes
printf 'junk' >junk
cp fleet.rsm flipped.rsm
python3 - <<'PYTHON'
import struct, zlib
b = bytearray(open("fleet.rsm", "rb").read())
b[len(b) // 2] ^= 4
open("flipped.rsm", "wb").write(b)
b[len(b) // 2] ^= 4
struct.pack_into("<I", b, 8, 99)
struct.pack_into("<I", b, len(b) - 4, zlib.crc32(b[:-4]))
open("newer.rsm", "wb").write(b)
PYTHON
refused 1 "checksum" "$train" eval unseen.h5 -m flipped.rsm --quiet
refused 1 "checksum" "$train" dump flipped.rsm
refused 1 "newer" "$train" score unseen.h5 -m newer.rsm -o no.csv --quiet
refused 1 "not a Reseat model" "$train" dump junk
refused 1 "not a Reseat model" "$train" eval unseen.h5 -m seen.h5 --quiet
refused 1 "reseat score: model: absent.rsm: No such file" "$train" score unseen.h5 -m absent.rsm -o no.csv --quiet
refused 1 "absent.h5" "$train" eval absent.h5 -m fleet.rsm --quiet
refused 1 "junk" "$train" score junk -m fleet.rsm -o no.csv --quiet
refused 1 "no-such-folder" "$train" score unseen.h5 -m fleet.rsm -o no-such-folder/s.csv --quiet
refused 1 "no.csv: write: Input/output error" env RS_FAULT=outfile.write "$train" score unseen.h5 -m fleet.rsm -o no.csv --quiet
[ ! -e no.csv ] && ! ls ./*.tmp.* 2>/dev/null || die "a failed score left a file"
refused 2 "--model" "$train" eval unseen.h5
refused 2 "--budget" "$train" eval unseen.h5 -m fleet.rsm --budget 5%,1%
refused 2 "--budget" "$train" eval unseen.h5 -m fleet.rsm --budget 0
refused 2 "--bins" "$train" eval unseen.h5 -m fleet.rsm --bins 51
refused 2 "--kind" "$train" score unseen.h5 -m fleet.rsm --kind disk
refused 2 "one fleet file" "$train" eval seen.h5 unseen.h5 -m fleet.rsm
refused 2 "one model file" "$train" dump
refused 3 "ROC-AUC" "$train" eval unseen.h5 -m fleet.rsm --quiet --bootstrap 0 --min-auc 1
"$train" eval unseen.h5 -m fleet.rsm --quiet --bootstrap 0 --min-auc 0.5 >/dev/null

# ---- one class only
cat >map.yaml <<'YAML'
source: one class
entity: "{host}"
kind: host
time: {column: day, format: date}
signals:
  - {column: errors, kind: counter}
failures:
  when: {column: failed, equals: 1}
YAML
{
    echo "host,day,errors,failed"
    for host in a b c; do
        for day in 01 02 03 04 05 06 07 08 09 10 11 12; do
            echo "$host,2026-01-$day,$((10#$day % 4)),0"
        done
    done
} >quiet.csv
"$data" import csv --map map.yaml quiet.csv -o quiet.h5 --quiet >/dev/null
refused 1 "negative" "$train" eval quiet.h5 -m fleet.rsm --quiet
refused 1 "no" "$train" train quiet.h5 -o none.rsm --horizon 3d --quiet
[ ! -e none.rsm ] || die "a model was written without a failure to learn from"

echo "train, eval, score and dump agree: ROC-AUC $(jq .pooled.roc_auc.value eval.json) on an unseen simulated fleet"
