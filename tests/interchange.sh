#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A model in the formats of others and back: liblinear-predict prints the risks of reseat score, the C file gives their
# bits, PMML, evaluated by its specification, their values, and what import-model makes of the text model scores the same. Then mistakes.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for tool in liblinear-predict svm-predict xmllint python3; do
    command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
die() {
    echo "interchange: $*" >&2
    exit 1
}
refused() {
    local want=$1 text=$2 code=0
    shift 2
    "$@" >out 2>err || code=$?
    [ "$code" = "$want" ] || die "exit $code, want $want: $* ($(cat err))"
    grep -qF -- "$text" err || die "no '$text' from: $* ($(cat err))"
}
"$BIN/reseat-data" simulate --hosts 25 --days 40 --seed 7 --failure-rate 12 -o f.h5 --quiet >/dev/null
"$BIN/reseat-train" train f.h5 -o m.rsm --horizon 5d --seed 3 --learner logistic --quiet >/dev/null
"$BIN/reseat-score" f.h5 -m m.rsm -o want.csv --quiet
for format in libsvm liblinear pmml json c; do
    "$BIN/reseat" export m.rsm --format $format -o m.$format || die "export as $format"
done
grep -qE '<Application name="reseat" version="[0-9][0-9.]*"/>' m.pmml || die "the PMML does not name the program"
xmllint --noout m.pmml || die "the PMML is not well-formed"
python3 -c 'import json; m = json.load(open("m.json")); assert m["format"] == "reseat-model" and m["features"]'
"$BIN/reseat" export m.rsm --format liblinear --features f.h5 -o rows.svm --quiet
"$BIN/reseat" export m.rsm --format c --features f.h5 -o rows.csv --quiet
liblinear-predict -b 1 rows.svm m.liblinear theirs >/dev/null
svm-predict -q rows.svm m.libsvm labels || die "svm-predict does not take the model"
cc -std=c99 -O1 -shared -fPIC -Wall -Wextra -Wconversion -Werror -ffreestanding -ffp-contract=off -x c m.c -o m.so -lm
cat >check.py <<'PY'
import csv, ctypes, json
want = [float(r["risk"]) for r in csv.DictReader(open("want.csv"))]
theirs = [float(l.split()[1]) for l in open("theirs").read().splitlines()[1:]]
assert len(want) == len(theirs) > 100
assert all(abs(a - b) <= 1e-5 * b for a, b in zip(theirs, want)), "liblinear-predict"  # it prints six digits
lib = ctypes.CDLL("./m.so")
lib.reseat_risk.restype = ctypes.c_double
rows = list(csv.reader(open("rows.csv")))[1:]
for row, risk in zip(rows, want):
    x = [float(v) for v in row[5:]]
    assert lib.reseat_risk((ctypes.c_float * len(x))(*x), ctypes.c_uint(int(row[4]))) == risk, "C file"
m = json.load(open("m.json"))
if not m["deltas"]:
    for row, label in zip(rows, open("labels")):
        z = m["bias"] + sum(f["weight"] * (float(v) - f["mean"]) for f, v in zip(m["features"], row[5:]))
        assert abs(z) < 1e-9 or (z > 0) == (float(label) > 0), "svm-predict"
PY
python3 check.py || die "another program gives other risks"
python3 "$SRC/tests/pmml_eval.py" m.pmml rows.csv want.csv || die "the PMML gives other risks"

# ---- a radial machine
"$BIN/reseat-train" train f.h5 -o r.rsm --horizon 5d --seed 3 --learner rbf --quiet >/dev/null
"$BIN/reseat-score" f.h5 -m r.rsm -o radial.csv --quiet
"$BIN/reseat" export r.rsm --format pmml -o r.pmml
"$BIN/reseat" export r.rsm --format pmml --features f.h5 -o radial-rows.csv --quiet
xmllint --noout r.pmml || die "the PMML of a radial machine is not well-formed"
python3 "$SRC/tests/pmml_eval.py" r.pmml radial-rows.csv radial.csv || die "the PMML of a radial machine gives other risks"

if "$BIN/reseat" export m.rsm --format features -o m.list 2>/dev/null; then
    "$BIN/reseat" import-model m.liblinear --format liblinear --features m.list -o back.rsm --horizon 5d
    "$BIN/reseat-score" f.h5 -m back.rsm -o back.csv --quiet
    python3 - <<'PY' || die "the model does not come back"
import csv
a, b = ([float(r["risk"]) for r in csv.DictReader(open(n))] for n in ("back.csv", "want.csv"))
assert len(a) == len(b) and all(abs(x - y) <= 1e-10 * y for x, y in zip(a, b))
PY
fi

printf 'x\n' >one.list
printf 'solver_type L2R_LR\nnr_class 2\nlabel 1 -1\nnr_feature 2\nbias -1\nw\n1\n2\n' >two.model
refused 1 "two.model: the model has 2 inputs, the feature list 1" \
    "$BIN/reseat" import-model two.model --format liblinear --features one.list -o x.rsm
sed 's/^2$/two/' two.model >bad.model
printf 'x\ny\n' >two.list
refused 1 "bad.model: line 8: two: no number" \
    "$BIN/reseat" import-model bad.model --format liblinear --features two.list -o x.rsm
refused 2 "--format: word: libsvm, liblinear, pmml, json, c or features needed" "$BIN/reseat" export m.rsm --format word
refused 2 "--name: 3x: no C identifier" "$BIN/reseat" export m.rsm --format c --name 3x
refused 1 "absent.rsm: No such file" "$BIN/reseat" export absent.rsm --format c
[ ! -e x.rsm ] || die "a refused model was written"
echo "risks agree in liblinear, C and back"
