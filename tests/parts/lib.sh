# For the scripts in this directory and tests/armhf/run: build trees, and counts of what passed.
# A script counts its tests with count, check and run_ctest; at its end, however that comes, a last
# line `N passed, N failed` is printed, and the exit status is 0 only where something passed and
# nothing failed.
# shellcheck shell=bash
set -euo pipefail

root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
build=${SHOAL_BUILD_ROOT:-$root/build}
passed=0
failed=0
cd "$root"
mkdir -p "$build"
trap finish EXIT

finish() {
    local status=$?
    # An end that no check caused is a failure too, and so is a part that tested nothing.
    if ((failed == 0 && (status != 0 || passed == 0))); then
        failed=1
    fi
    echo "$passed passed, $failed failed"
    exit $((failed != 0))
}

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# count PASSED FAILED
count() {
    passed=$((passed + $1))
    failed=$((failed + $2))
}

# check NAME COMMAND...: one test, which passes if the command does.
check() {
    local name=$1
    shift
    if "$@"; then
        echo "ok      $name"
        count 1 0
    else
        echo "FAILED  $name"
        count 0 1
    fi
}

# build_tree NAME OPTION...: configures and builds build/NAME; another script that wants the same
# tree waits.
build_tree() {
    local name=$1 lock
    shift
    mkdir -p "$build/$name"
    exec {lock}>"$build/$name/.lock"
    flock "$lock"
    cmake -S "$root" -B "$build/$name" -G Ninja -DSHOAL_WERROR=ON "$@" >"$build/$name/.configure.log" ||
        { cat "$build/$name/.configure.log"; return 1; }
    ninja -C "$build/$name" --quiet || return 1
    exec {lock}>&-
}

build_gcc() {
    build_tree gcc -DCMAKE_C_COMPILER=gcc
}

build_clang() {
    build_tree clang -DCMAKE_C_COMPILER=clang
}

# run_ctest TREE ARGUMENT...: counts the tests that CTest ran in build/TREE.
run_ctest() {
    local tree=$build/$1 log
    shift
    log=$tree/.ctest.log
    ctest --test-dir "$tree" --output-on-failure --no-tests=error -j 2 "$@" </dev/null 2>&1 |
        tee "$log" || true
    count_ctest "$log"
}

# CTest ends with "83% tests passed, 1 tests failed out of 6".
count_ctest() {
    local line
    line=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests? failed out of [0-9]+' "$1") || {
        count 0 1
        return
    }
    [[ $line =~ passed,\ ([0-9]+)\ tests?\ failed\ out\ of\ ([0-9]+) ]]
    count $((BASH_REMATCH[2] - BASH_REMATCH[1])) "${BASH_REMATCH[1]}"
}

# The C sources and headers, the shell scripts.
c_files() {
    find agent collector common tests -name '*.[ch]' | sort
}

shell_files() {
    find ansible tests .ci -type f \( -name '*.sh' -o -perm -u+x \) -print0 |
        xargs -0 grep -lE -m1 '^#!/bin/(ba)?sh|shellcheck shell=' | sort
}
