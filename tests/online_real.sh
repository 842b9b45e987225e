#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# online_offline.sh on real drives: every 8th drive of a whole fleet, daily SMART over 40 days, thousands of entities.
# SHARE=1 takes all of them.
set -eu
drives=${RESEAT_DATA:-$SRC/../shared/data}/backblaze-2013-40d/drive-days-dev.csv.xz
[ -r "$drives" ] || { echo "skipped: no real data at $drives (set RESEAT_DATA)"; exit 77; }
work=$(mktemp -d /tmp/reseat-real.XXXXXX)
trap 'rm -rf "$work"' EXIT
python3 - "$drives" "${SHARE:-8}" >"$work/drives.csv" <<'PYTHON'
import hashlib, lzma, sys

share = int(sys.argv[2])
with lzma.open(sys.argv[1], "rt") as source:
    head = next(source)
    sys.stdout.write(head)
    column = head.rstrip("\n").split(",").index("serial_number")
    for line in source:
        serial = line.split(",", column + 1)[column]
        if int(hashlib.sha256(serial.encode()).hexdigest()[:8], 16) % share == 0:
            sys.stdout.write(line)
PYTHON
"$BIN/reseat" import backblaze "$work/drives.csv" -o "$work/drives.h5" --quiet >/dev/null
FLEET=$work/drives.h5 bash "$SRC/tests/online_offline.sh"
