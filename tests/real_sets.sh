#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# reseat train with its defaults against a logistic regression by scikit-learn, on the real sets beside the checkout:
# tests/folds.py prints both figures for every set and fold, and the paired difference with its interval. The test fails
# where an interval lies below 0. FOLDS="0 1 2 3 4" runs more than fold 0, SETS="smartmem-dimm ..." fewer sets.
set -eu
sets=${RESEAT_DATA:-$SRC/../shared/data}
[ -d "$sets" ] || { echo "skipped: no real data at $sets (set RESEAT_DATA)"; exit 77; }
python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import h5py, sklearn' 2>/dev/null || { echo "skipped: python3-h5py or python3-sklearn is not installed"; exit 77; }
maps=$SRC/datasets/maps
failed=0

# judge NAME FILE ENTITY-COLUMN HORIZON IMPORT-ARGUMENTS...
judge() {
    local name=$1 file=$sets/$2 column=$3 horizon=$4
    shift 4
    [[ " ${SETS:-$name} " == *" $name "* ]] || return 0
    [ -r "$file" ] || { echo "$name: absent"; return 0; }
    echo "== $name, horizon $horizon"
    RESEAT_LOG=error "$python" "$SRC/tests/folds.py" "$BIN" "$file" "$column" "$horizon" "${FOLDS:-0}" "$@" | tee out.txt
    tail -n 1 out.txt | "$python" -c '
import json, sys
r = json.load(sys.stdin)
sys.exit(any(r[k][2] < 0 for k in ("roc_auc", "average_precision")))' || { echo "$name: below logistic regression"; failed=1; }
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
judge backblaze-2013-40d backblaze-2013-40d/drive-days-dev.csv.xz serial_number 7d backblaze
judge smartmem-dimm smartmem-dimm/dimm-features-dev.csv.xz serial_number 7d csv --map "$maps/smartmem-dimm.yaml"
judge lastday-raw backblaze-2019-lastday/raw-4models-dev.csv.xz serial_number 7d csv --map "$maps/backblaze-2019-lastday-raw.yaml"
judge lastday-normalised backblaze-2019-lastday/st4000dm000-normalised-dev.csv.xz serial_number 7d \
    csv --map "$maps/backblaze-2019-lastday-normalised.yaml"
judge st4000dm000 backblaze-st4000dm000-2019q4-7d/snapshot-dev.csv.xz serial_number 7d csv --map "$maps/st4000dm000-2019q4-7d.yaml"
judge device-failure-2015 device-failure-2015/device-days-dev.csv.xz device 7d csv --map "$maps/device-failure-2015.yaml"
judge lanl-failures lanl-failures/node-events-dev.csv.xz node_id 30d csv --map "$maps/lanl-failures.yaml"
exit $failed
