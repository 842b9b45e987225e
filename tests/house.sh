#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The house rules that a compiler cannot see: doors to foreign libraries, licence lines, formulas that exist, error codes
# that are documented, headers that stand alone, a daemon free of the trainer's libraries.
set -eu
cd "$SRC"
failed=0
complain() {
    echo "house: $*" >&2
    failed=1
}

# One door for each foreign library: header, and who may include it.
while read -r header doors; do
    for file in $(git ls-files '*.c' '*.h' | xargs grep -lE "#include <($header)" || true); do
        [[ $file =~ ^($doors)$ ]] || complain "$file includes <$header>; the door is $doors"
    done
done <<'DOORS'
mpi predictor/comm_mpi\.c
hdf5 datasets/(h5(_private)?\.[ch]|test_fleet_side\.c)|tests/(damage_fleet|bench_read|bench_train)\.c
gsl/ predictor/ratio\.c
libsvm/|svm\.h predictor/(rbf.*\.[ch]|test_export\.c)|tests/bench_score\.c
libvirt/ executor/virt.*\.[ch]
libxml/ executor/domxml\.c
microhttpd executor/http\.c
sqlite3 executor/(test_)?journal.*\.c
curl/ executor/client\.c
systemd/ executor/reseatd\.c
yaml\.h common/yaml\.c
lzma datasets/.*\.c
libdeflate datasets/.*\.[ch]
DOORS

# docs/architecture.md names every module of the predictor, and no other.
for file in $(git ls-files 'predictor/*.c' | grep -v '/test_'); do
    grep -qF "\`$(basename "$file")\`" docs/architecture.md || complain "docs/architecture.md does not name $file"
done
for name in $(sed -n '/^## The predictor, file by file/,$p' docs/architecture.md | grep -oE '`[a-z0-9_]+\.(c|h|html)`' | tr -d '`'); do
    [ -e "predictor/$name" ] || complain "docs/architecture.md names predictor/$name, which is not there"
done

# Licences: common/ and models/ may be embedded anywhere, the rest is GPL.
for file in $(git ls-files '*.c' '*.h' '*.def' '*.sh' '*.cmake' '*CMakeLists.txt' run .ci/run); do
    case $file in
    common/*.[chd]* | models/*.[chd]*) want=Apache-2.0 ;;
    *) want=GPL-3.0-or-later ;;
    esac
    head -n 3 "$file" | grep -q "SPDX-License-Identifier: $want" || complain "$file: no SPDX line with $want"
done

# Every quoted formula exists in docs/math.md.
for label in $(git ls-files '*.c' '*.h' | xargs grep -ohE 'math\.md,? (eq\. )?[A-Z][0-9]+[a-z]?' | grep -oE '[A-Z][0-9]+[a-z]?$' | sort -u); do
    grep -qE "\*\*$label[a-z]?\*\*|^\| *$label" docs/math.md || complain "docs/math.md has no formula $label"
done

# Every error code is documented by its word.
for word in $(grep -oE '^RS_ERROR\([^"]*"[a-z-]+"' common/error.def | grep -oE '"[a-z-]+"' | tr -d '"'); do
    grep -q "\`$word\`" docs/errors.md || complain "docs/errors.md lacks $word"
done

# Each header compiles alone, in C and in C++.
flags=$(pkg-config --cflags hdf5-serial jansson libxml-2.0 2>/dev/null || true)
for header in $(git ls-files '*.h'); do
    for lang in c c++; do
        # shellcheck disable=SC2086
        gcc -x $lang -fsyntax-only -D_GNU_SOURCE -DRS_VERSION='""' -I. $flags "$header" 2>/tmp/house.$$ ||
            complain "$header does not compile alone as $lang: $(head -n 1 /tmp/house.$$)"
    done
done
rm -f /tmp/house.$$

# The daemon and its client bring none of the trainer's libraries.
for program in reseatd reseat; do
    if ldd "$BIN/$program" | grep -E 'hdf5|gsl|svm'; then
        complain "$program links a library of the trainer"
    fi
done

# Words and paths that do not belong in the product.
if git grep -nIwE 'TO[D]O|FIX[M]E|X{3}' -- '*.c' '*.h' '*.md' '*.sh' run; then
    complain "unfinished work is marked above"
fi
[ $failed = 0 ] && echo "the house is in order"
exit $failed
