#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Ctrl-C and SIGTERM in the middle of each long verb: it ends soon, with exit 1 and the word "interrupted", and leaves
# neither its output nor a temporary file; an older output stays as it was.
set -eu
command -v pgrep >/dev/null || { echo "skipped: pgrep is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
die() {
    echo "interrupt: $*" >&2
    exit 1
}
"$BIN/reseat-data" simulate --scenario bench --rows 200000 --seed 3 -o f.h5 --quiet >/dev/null
"$BIN/reseat-train" train f.h5 -o m.rsm --learner logistic -C 0.1 --folds 0 --features values --quiet 2>/dev/null

# interrupted SIGNAL DELAY OUTPUT COMMAND...: the signal comes DELAY after the process that does the work has started
interrupted() {
    local signal=$1 delay=$2 output=$3 code=0 pid
    shift 3
    [ -z "$output" ] || echo older >"$output"
    "$@" >out 2>err &
    pid=$!
    until pgrep -P $pid >/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.02; done
    sleep "$delay"
    kill -"$signal" $pid 2>/dev/null || die "already over when the signal came: $* ($(tail -n 3 err))"
    SECONDS=0
    wait $pid || code=$?
    [ "$code" = 1 ] && grep -q ': .*interrupted' err || die "exit $code after SIG$signal: $* ($(tail -n 3 err))"
    [ $SECONDS -le 20 ] || die "it took $SECONDS s to end: $*"
    [ -z "$output" ] || [ "$(cat "$output")" = older ] || die "its output was touched: $*"
    ! ls ./*.tmp* 2>/dev/null || die "a temporary file was left: $*"
}
for delay in 0.1 1; do
    interrupted INT $delay new.rsm "$BIN/reseat-train" train f.h5 -o new.rsm --quiet
done
interrupted TERM 2 new.rsm "$BIN/reseat-train" train f.h5 -o new.rsm --quiet
interrupted INT 0.3 page.html "$BIN/reseat-eval" f.h5 -m m.rsm --html page.html --bootstrap 5000 --quiet
interrupted TERM 3 page.html "$BIN/reseat-eval" f.h5 -m m.rsm --html page.html --bootstrap 5000 --quiet
interrupted INT 0.05 scores.csv "$BIN/reseat-score" f.h5 -m m.rsm -o scores.csv --quiet
interrupted INT 0.05 rows.svm "$BIN/reseat" export m.rsm --format libsvm --features f.h5 -o rows.svm --quiet
echo "train, eval, score and export end at a signal and leave nothing half-written"
