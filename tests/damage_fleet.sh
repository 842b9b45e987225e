#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Damaged fleet files are refused or read whole; RESEAT_DAMAGES (default 200; make it 1000 for a soak) of them, from RESEAT_SEED (default 1) on.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$BIN/reseat-data" simulate --hosts 8 --days 10 --seed 5 -o "$dir/fleet.h5" --quiet >"$dir/out"
RESEAT_CONTAIN_TIMEOUT=5s "$BIN/../tests/damage_fleet" "$dir/fleet.h5" "$dir/damaged.h5" "${RESEAT_DAMAGES:-200}" "${RESEAT_SEED:-1}"
