#!/usr/bin/env bash
# Builds the benchmark and runs it: how long a failover takes, and a recovery, what the machine could
# do at best, what failoverd costs while nothing happens. Prints tables, and JSON into
# BUILD/bench.json.
#
#   tests/bench/run.sh [--runs=N] [--only=NAME,...] [--idle-seconds=N] [--json=FILE]
#
# It wants the machine for itself: what else runs on it is in the figures. BUILD=DIRECTORY builds
# somewhere else than in build; TMPDIR must be on a disk, or ZooKeeper syncs to nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec </dev/null
# shellcheck source=tests/install.sh
. tests/install.sh
build=${BUILD:-build}
install_missing build run
if [[ ! -e $build/build.ninja ]]; then
  cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo >/dev/null
fi
ninja -C "$build" --quiet bench_failover
exec "$build/bin/bench_failover" "--json=$build/bench.json" "$@"
