#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# reseat train with its defaults against logistic regressions by scikit-learn, on the real sets beside the checkout:
# tests/folds.py prints both figures for every set and fold, the paired differences and the calibration with their
# intervals. The test fails where an interval of a difference lies below 0, and, where all five folds ran, where that of
# the calibration in the large leaves out 0 or that of its slope 1. FOLDS="0 1 2 3 4" runs more than fold 0,
# SETS="smartmem-dimm ..." fewer sets.
set -eu
sets=${RESEAT_DATA:-$SRC/../shared/data}
[ -d "$sets" ] || { echo "skipped: no real data at $sets (set RESEAT_DATA)"; exit 77; }
python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import h5py, sklearn' 2>/dev/null || { echo "skipped: python3-h5py or python3-sklearn is not installed"; exit 77; }
maps=$SRC/datasets/maps
failed=0

# judge NAME HORIZON ENTITY FILE[,ROLE=FILE...] IMPORT-ARGUMENTS...
judge() {
    local name=$1 horizon=$2 entity=$3 files=$4
    shift 4
    [[ " ${SETS:-$name} " == *" $name "* ]] || return 0
    [ -r "$sets/${files%%,*}" ] || { echo "$name: absent"; return 0; }
    files=$sets/${files//=/=$sets/}
    echo "== $name, horizon $horizon"
    RESEAT_LOG=error "$python" "$SRC/tests/folds.py" "$BIN" "$name" "$entity" "$horizon" "${FOLDS:-0}" "$files" "$@" |
        tee out.txt
    tail -n 1 out.txt | "$python" -c '
import json, sys
bad = []
for word, value in json.load(sys.stdin).items():
    is_good = {"calibration slope": lambda v: v[1] <= 1 <= v[2], "ln(observed / expected)": lambda v: v[1] <= 0 <= v[2]}
    if isinstance(value, list) and not is_good.get(word, lambda v: v[2] >= 0)(value):
        bad.append(word)
if len(sys.argv) < 6:
    bad = [b for b in bad if "LR" in b]
sys.exit(", ".join(bad) if bad else 0)' ${FOLDS:-0} || { echo "$name: misses the bar"; failed=1; }
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
pdm=azure-pdm-subset
judge st4000dm000 7d '{serial_number}' backblaze-st4000dm000-2019q4-7d/snapshot-dev.csv.xz csv --map "$maps/st4000dm000-2019q4-7d.yaml"
judge lastday-raw 7d '{serial_number}' backblaze-2019-lastday/raw-4models-dev.csv.xz \
    csv --map "$maps/backblaze-2019-lastday-raw.yaml"
judge lastday-normalised 7d '{serial_number}' backblaze-2019-lastday/st4000dm000-normalised-dev.csv.xz \
    csv --map "$maps/backblaze-2019-lastday-normalised.yaml"
for horizon in 7d 30d; do
    judge device-failure-2015 $horizon '{device}' device-failure-2015/device-days-dev.csv.xz \
        csv --map "$maps/device-failure-2015.yaml"
done
judge azure-pdm 24h 'pdm-machine-{machineID}' \
    "$pdm/telemetry-dev.csv.xz,failures=$pdm/failures-dev.csv.xz,errors=$pdm/errors-dev.csv.xz,maintenance=$pdm/maint-dev.csv.xz,machines=$pdm/machines-dev.csv.xz" \
    csv --map "$maps/azure-pdm.yaml"
judge lanl-failures 30d '{node_id}' lanl-failures/node-events-dev.csv.xz csv --map "$maps/lanl-failures.yaml"
judge smartmem-dimm 7d '{serial_number}' smartmem-dimm/dimm-features-dev.csv.xz csv --map "$maps/smartmem-dimm.yaml"
for horizon in 7d 14d; do
    judge backblaze-2013-40d $horizon '{serial_number}' backblaze-2013-40d/drive-days-dev.csv.xz backblaze
done
exit $failed
