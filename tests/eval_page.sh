#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Two models on the same fleet, and the page of reseat eval in a real browser: its scripts run through, every plot is
# drawn, nothing stands on the console, nothing is fetched. A model against itself differs by 0 to the last bit.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
train=$BIN/reseat-train
data=$BIN/reseat-data
command -v jq >/dev/null || { echo "skipped: jq is not installed"; exit 77; }

die() {
    echo "eval_page: $*" >&2
    exit 1
}
# is WHAT JSON JQ-CONDITION
is() {
    jq -e "$3" "$2" >/dev/null || die "$1: not so: $3"
}

"$data" simulate --hosts 50 --days 60 --seed 5 --failure-rate 6 -o seen.h5 --quiet >/dev/null
"$data" simulate --hosts 50 --days 60 --seed 6 --failure-rate 6 -o unseen.h5 --quiet >/dev/null
"$train" train seen.h5 -o good.rsm --horizon 7d --learner logistic --quiet >/dev/null
# no failure of the simulator shows in the load of a cpu, so that this model ranks by nothing
printf 'cpu_load_ratio\n' >poor.list
printf 'solver_type L2R_LR\nnr_class 2\nlabel 1 -1\nnr_feature 1\nbias 1\nw\n1\n-5\n' >poor.liblinear
"$BIN/reseat" import-model poor.liblinear --format liblinear --features poor.list -o poor.rsm --horizon 7d >/dev/null
# a name that would end the block of JSON, were it not escaped
cp unseen.h5 '<script>x.h5'

"$train" eval unseen.h5 -m good.rsm --compare good.rsm --json --quiet --bootstrap 30 >same.json
is "a model against itself" same.json '.comparison | [.pooled, .cohorts[]] | all(.roc_auc.difference == 0)'
is "a model against itself" same.json '[.comparison.pooled | .roc_auc, .brier, .log_loss, .budgets[].recall | .low, .high] |
    all(. == 0)'
is "a model against itself" same.json '.comparison.pooled.roc_auc.verdict == "no difference shown"'

"$train" eval unseen.h5 -m good.rsm --compare poor.rsm --json --quiet --bootstrap 100 >poor.json
is "a poorer model" poor.json '.comparison.pooled.roc_auc | .low > 0 and .verdict == "better"'
is "a poorer model" poor.json '.comparison.pooled.roc_auc | .difference == .value - .other'
is "within cohorts" poor.json '.pooled.within_roc_auc | .low <= .value and .value <= .high'
"$train" eval unseen.h5 -m poor.rsm --compare good.rsm --json --quiet --bootstrap 100 >turned.json
is "turned round" turned.json '.comparison.pooled.roc_auc.verdict == "worse"'
[ "$(jq '.comparison.pooled.roc_auc.difference' poor.json)" = "$(jq '-.comparison.pooled.roc_auc.difference' turned.json)" ] ||
    die "the difference depends on the order"

"$train" eval '<script>x.h5' -m good.rsm --compare poor.rsm --quiet --bootstrap 30 --min-failing 3 --html page.html \
    --cohort-tables >text
grep -q '^Compared with poor.rsm' text || die "the text says nothing of the second model"
grep -q '^Calibration of model=' text || die "no calibration table of a cohort"
grep -qE '(src|href)="(https?:)?//' page.html && die "the page fetches something"
code=0
"$train" eval unseen.h5 -m good.rsm --quiet --bootstrap 0 --html no/page.html >/dev/null 2>err || code=$?
[ "$code" = 1 ] && grep -q 'no/page.html' err || die "a page in a folder that is not there: exit $code, $(cat err)"

command -v chromium >/dev/null || { echo "skipped: chromium is not installed"; exit 77; }
timeout 120 chromium --headless --no-sandbox --disable-gpu --enable-logging=stderr --v=0 --virtual-time-budget=10000 \
    --user-data-dir="$work/profile" --dump-dom "file://$work/page.html" >dom.html 2>console || die "chromium: $(tail -3 console)"
grep CONSOLE console && die "the page complains"
grep -q 'data-state="drawn"' dom.html || die "the scripts did not run through"
plots=$(sed -n 's/.*<html[^>]* data-plots="\([0-9]*\)".*/\1/p' dom.html)
[ "$plots" = 7 ] || die "$plots plots of 7 drawn"
for heading in Measures Alerts 'Ranking and lead time' Calibration Cohorts 'Compared with another model'; do
    grep -q "<h2>$heading</h2>" dom.html || die "no section $heading"
done
echo "the page draws $plots plots without a word on the console"
