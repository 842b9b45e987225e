#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# A disk that fills up under each verb that writes: exit 1, one line that names the file and the reason, and nothing left
# behind. The disk is a small tmpfs in a mount namespace of the test's own.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir disk
unshare -rm true 2>/dev/null || { echo "skipped: unshare -rm is not permitted here"; exit 77; }

"$BIN/reseat-data" simulate --hosts 25 --days 40 --seed 7 --failure-rate 12 -o f.h5 --quiet >/dev/null
"$BIN/reseat-train" train f.h5 -o m.rsm --horizon 5d --learner logistic -C 0.1 --folds 0 --quiet
"$BIN/reseat" export m.rsm --format liblinear --features f.h5 -o rows.svm --quiet
seq 2000 | sed 's/.*/signal_&/' >many.list
{ printf 'solver_type L2R_LR\nnr_class 2\nlabel 1 -1\nnr_feature 2000\nbias -1\nw\n'; seq 2000; } >many.liblinear

cat >inside.sh <<'SH2'
die() {
    echo "full_disk: $*" >&2
    exit 1
}
# fails FILE COMMAND...: it exits with 1, says in one line what could not be written, and leaves nothing
fails() {
    local file=$1 code=0
    shift
    "$@" --quiet >out 2>err || code=$?
    told "$file" "$code" "$*"
}
# The same of a verb without --quiet.
fails_plain() {
    local file=$1 code=0
    shift
    "$@" >out 2>err || code=$?
    told "$file" "$code" "$*"
}
told() {
    [ "$2" = 1 ] || die "exit $2: $3 ($(cat err))"
    grep -qF "$1" err && grep -q 'No space left on device' err || die "no word of $1 or of the full disk: $3 ($(cat err))"
    [ "$(grep -vc '^level=' err)" = 1 ] || die "more than one line: $3 ($(cat err))"
    [ "$(ls disk)" = filler ] || die "left behind by $3: $(ls disk)"
}
mount -t tmpfs -o size=64k tmpfs disk || exit 77
head -c 57344 /dev/zero >disk/filler # leaves two pages
fails disk/scores.csv "$BIN/reseat-score" f.h5 -m m.rsm -o disk/scores.csv
fails disk/page.html "$BIN/reseat-eval" f.h5 -m m.rsm --bootstrap 0 --html disk/page.html
fails disk/rows "$BIN/reseat" export m.rsm --format c --features f.h5 -o disk/rows
fails_plain disk/many.rsm "$BIN/reseat" import-model many.liblinear --format liblinear --features many.list -o disk/many.rsm
fails disk/fleet.h5 "$BIN/reseat-data" simulate --hosts 20 --days 20 -o disk/fleet.h5
head -c 8192 /dev/zero >>disk/filler
TMPDIR=$PWD/disk fails temporary "$BIN/reseat-cohorts" f.h5
fails disk/model.rsm "$BIN/reseat-train" train f.h5 -o disk/model.rsm --horizon 5d --learner logistic -C 0.1 --folds 0
fails disk/page.html "$BIN/reseat-eval" f.h5 -m m.rsm --bootstrap 0 --html disk/page.html
fails_plain disk/model.json "$BIN/reseat" export m.rsm --format json -o disk/model.json

# Standard output that takes no more.
unheard() {
    local code=0
    "$@" >/dev/full 2>err || code=$?
    [ "$code" = 1 ] && grep -q 'stdout: .*No space left on device' err || die "a full stdout: exit $code: $* ($(cat err))"
}
for verb in score eval drift; do
    unheard "$BIN/reseat-$verb" f.h5 -m m.rsm --quiet
done
unheard "$BIN/reseat-eval" f.h5 -m m.rsm --quiet --bootstrap 0 --json
unheard "$BIN/reseat-cohorts" f.h5 --quiet
unheard "$BIN/reseat-info" f.h5
unheard "$BIN/reseat-info" f.h5 --json
unheard "$BIN/reseat" export f.h5 --quiet
unheard "$BIN/reseat-dump" m.rsm
unheard "$BIN/reseat-dump" m.rsm --json
unheard "$BIN/reseat-data" simulate --hosts 3 --days 5 -o other.h5 --quiet
unheard "$BIN/reseat-train" train f.h5 -o other.rsm --horizon 5d --learner logistic -C 0.1 --folds 0 --json --quiet
echo "a full disk ends each verb in one line and leaves nothing"
SH2
BIN=$BIN unshare -rm bash -eu inside.sh
