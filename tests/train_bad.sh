#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Bad input to reseat train: each has a clear outcome, an error in one line or a sound model.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
train=$BIN/reseat-train
command -v python3 >/dev/null || { echo "skipped: python3 is not installed"; exit 77; }

die() {
    echo "train_bad: $*" >&2
    exit 1
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

cat >map.yaml <<'YAML'
source: bad input
entity: "{host}"
kind: host
time: {column: day, format: date}
attributes:
  - tag
signals:
  - {name: errors, column: errors, kind: counter}
  - {name: heat, column: heat, kind: gauge}
  - {name: fixed, column: fixed, kind: gauge}
  - {name: never, column: never, kind: gauge}
failures:
  when: {column: failed, equals: 1}
YAML
# fleet NAME HOSTS FAILING DAYS [shape]: FAILING of the hosts fail on their last day; shapes: plain, separable, huge, tags
fleet() {
    python3 - "$@" <<'PYTHON' >"$1.csv"
import datetime, random, sys
name, hosts, failing, days = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
shape = sys.argv[5] if len(sys.argv) > 5 else "plain"
random.seed(7)
print("host,day,errors,heat,fixed,never,tag,failed")
for h in range(hosts):
    fails = h < failing
    last = days - 1 - (h % 5 + 8 if fails else 0)
    errors = 0
    for d in range(last + 1):
        soon = fails and last - d <= 7
        errors += random.random() < (0.6 if soon else 0.05)
        heat = random.gauss(40, 3)
        if shape == "separable":
            errors, heat = (1000 if soon else 0), random.gauss(40, 3)
        text = "%.3f" % heat
        if shape == "huge" and d % 3 == 0:
            text = random.choice(["3e38", "-3e38", ""])
        day = datetime.date(2026, 1, 1) + datetime.timedelta(days=d)
        tag = "t%d" % (h if shape == "tags" else h % 2)
        print(f"h{h:05d},{day},{errors},{text},5,,{tag},{int(fails and d == last)}")
PYTHON
    "$BIN/reseat-data" import csv --map map.yaml "$1.csv" -o "$1.h5" --quiet >/dev/null
}

fleet plain 60 20 40
fleet none 30 0 40
fleet one 30 1 40
fleet three 40 3 40
fleet separable 60 20 40 separable
fleet huge 60 20 40 huge
fleet tags 60 20 40 tags
fleet short 30 10 5

# ---- constant and missing signals are no features; the model is sound
"$train" train plain.h5 -o plain.rsm --quiet 2>err
grep -q 'signal="fixed" why="constant"' err || die "nothing is said of the constant signal: $(cat err)"
grep -q 'signal="never" why="never read"' err || die "nothing is said of the missing signal: $(cat err)"
"$train" dump plain.rsm --json >dump.json
grep -qE '"(fixed|never)"' dump.json && die "a constant or missing signal is part of the model"

# ---- classes and folds
refused 1 "nothing to learn from" "$train" train none.h5 -o x.rsm --quiet
refused 1 "at least 2 needed" "$train" train one.h5 -o x.rsm --quiet
{
    echo "host,day,errors,heat,fixed,never,tag,failed"
    for h in $(seq 20); do
        for d in 1 2 3; do echo "h$h,2026-01-0$d,$d,40,5,,t1,0"; done
        echo "h$h,2026-01-05,4,41,5,,t1,1"
    done
} >doomed.csv
"$BIN/reseat-data" import csv --map map.yaml doomed.csv -o doomed.h5 --quiet >/dev/null
refused 1 "every sample is followed by a failure" "$train" train doomed.h5 -o x.rsm --horizon 4d --quiet
[ ! -e x.rsm ] || die "a model without a second class was written"
"$train" train three.h5 -o three.rsm 2>err || die "three failing hosts: $(cat err)"
grep -q "validation: 3 folds" err || die "three failing hosts did not give three folds: $(cat err)"

# ---- separable data, readings at the edge of float, values that name entities
for name in separable huge tags; do
    "$train" train $name.h5 -o $name.rsm --quiet || die "$name: not trained"
    "$train" score $name.h5 -m $name.rsm -o $name.out --quiet
    python3 - $name.out <<'PYTHON' || die "$name: risks are not sound"
import csv, sys
risks = [float(r["risk"]) for r in csv.DictReader(open(sys.argv[1]))]
assert risks and all(0 <= p <= 1 for p in risks)
assert max(risks) > min(risks)
PYTHON
done
"$train" dump tags.rsm --json >dump.json
grep -q 'tag=t' dump.json && die "a value that names an entity became a feature"

# ---- readings that are no finite floats are malformed rows, named by line
for word in inf -inf nan 1e39 1e999; do
    { head -n 3 plain.csv; echo "h00000,2026-02-20,1,$word,5,,t0,0"; } >word.csv
    code=0
    "$BIN/reseat-data" import csv --map map.yaml word.csv -o word.h5 --quiet >/dev/null 2>err || code=$?
    [ "$code" = 1 ] && grep -qF "word.csv:4: heat: \"$word\": no number" err && [ ! -e word.h5 ] || die "a reading of $word: exit $code ($(cat err))"
done

# ---- an attribute with a million values is refused by name
awk 'BEGIN { print "host,day,errors,heat,fixed,never,tag,failed"
    for (h = 0; h < 1000000; h++) print "h" h ",2026-01-01,1,40,5,,t" h ",0" }' >million.csv
refused 1 "attribute tag: more than 65536 different values" \
    "$BIN/reseat-data" import csv --map map.yaml million.csv -o million.h5 --quiet
[ ! -e million.h5 ] || die "a refused import left a file"

# ---- horizons
refused 1 "less than the horizon" "$train" train short.h5 -o x.rsm --horizon 30d --quiet
refused 2 "--horizon" "$train" train plain.h5 -o x.rsm --horizon 0s

# ---- words
refused 2 "--learner: trees: auto, logistic, svm or rbf needed" "$train" train plain.h5 -o x.rsm --learner trees
refused 2 "--target: f1: precision@P%, logloss, auc or ap needed" "$train" train plain.h5 -o x.rsm --target f1
refused 2 "--target: precision@0%" "$train" train plain.h5 -o x.rsm --target precision@0%
refused 2 "--memory: much: a size such as 512M or 2G needed" "$train" train plain.h5 -o x.rsm --memory much
refused 2 "--folds: 3:" "$train" train plain.h5 -o x.rsm --folds 3
refused 2 "--learner logistic and -C needed" "$train" train plain.h5 -o x.rsm --folds 0

# ---- a full disk, and a folder that is not there
refused 1 "/dev/full" "$train" train plain.h5 -o /dev/full/x.rsm --quiet
code=0
(trap '' XFSZ; ulimit -f 1; exec "$train" train plain.h5 -o full.rsm --quiet) >out 2>err || code=$?
[ "$code" = 1 ] || die "full disk: exit $code ($(cat err))"
[ ! -e full.rsm ] && ! ls ./*.tmp.* 2>/dev/null || die "a full disk left a file"

# ---- the same bytes on any number of threads, and with rows thinned
for threads in 1 2 3; do
    RESEAT_THREADS=$threads "$train" train plain.h5 -o t$threads.rsm --seed 5 --quiet
    RESEAT_THREADS=$threads "$train" train plain.h5 -o m$threads.rsm --memory 120k --features base --quiet --json >m$threads.json
done
cmp t1.rsm t2.rsm && cmp t1.rsm t3.rsm || die "threads changed the model"
cmp m1.rsm m2.rsm && cmp m1.rsm m3.rsm || die "threads changed the model of thinned rows"
python3 - <<'PYTHON' || die "--memory did not thin the rows"
import json
r = json.load(open("m1.json"))
assert r["kept_share_of_negatives"] < 1 and r["fitted_rows"] < r["rows"], r
PYTHON

# ---- no validation
"$train" train plain.h5 -o bare.rsm --learner logistic -C 1 --features values --folds 0 --quiet --json >bare.json
python3 -c 'import json; r = json.load(open("bare.json")); assert r["calibration_a"] == 1 and r["calibration_b"] == 0' ||
    die "without validation the calibration is not the identity"
echo "bad input has clear outcomes"
