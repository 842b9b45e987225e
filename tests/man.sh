#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Man pages and --help say the same: every verb has a page, with the same synopsis and the same options.
set -eu
cd "$SRC"
failed=0
verbs=$(for program in reseat reseat-data reseat-train; do "$BIN/$program" --help; done |
    sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' | sort -u)
[ -n "$verbs" ]
for verb in $verbs; do
    page=docs/man/reseat-$verb.md
    if [ ! -e "$page" ]; then
        echo "man: $verb has no page $page" >&2
        failed=1
        continue
    fi
    help=$("$BIN/reseat" "$verb" --help)
    synopsis=$(sed -n 's/^Usage: //p' <<<"$help" | head -n 1)
    grep -qF -- "$synopsis" "$page" || { echo "man: $page lacks the synopsis: $synopsis" >&2; failed=1; }
    in_help=$(grep -oE '^ +(-[a-zA-Z], )?--[a-z][a-z0-9-]*' <<<"$help" | grep -oE -- '--[a-z0-9-]+' | sort -u)
    in_page=$(sed -n '/OPTIONS/,/^## [^O]/p' "$page" | grep -oE '^(\*\*|`|- `|\| `)?.*' | grep -oE -- '--[a-z][a-z0-9-]*' | sort -u)
    for option in $in_help; do
        grep -qx -- "$option" <<<"$in_page" || { echo "man: $page lacks $option" >&2; failed=1; }
    done
    for option in $in_page; do
        grep -qx -- "$option" <<<"$in_help" || { echo "man: $page has $option, --help does not" >&2; failed=1; }
    done
done
[ $failed = 0 ] && echo "pages and help agree on $(wc -w <<<"$verbs") verbs"
exit $failed
