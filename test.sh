#!/usr/bin/env bash
# Builds failoverd and tests it. The last line is `tests: N passed, N failed, N skipped`; the exit
# status is 0 only if something ran and nothing failed.
#
#   ./test.sh            all that belongs to every change, in under 15 minutes: of the end-to-end
#                        tests not those that cut every op at each of its tasks
#   ./test.sh --full     that and the cut tests, four minutes of chaos, clang-tidy, a while of
#                        fuzzing, and a sanitizer build: unit, scenarios, simulation, and the
#                        end-to-end tests with its programs (without the cut ones, whose paths
#                        the simulation goes there). Nothing is begun after 80 minutes.
#   ./test.sh NAME...    parts: checks (format, layering, lengths, words, pages, shell, selftest,
#                        units, prometheus), unit, scenarios, simulation, tablet, nameserver,
#                        contract, e2e, bench, chaos, tidy, sanitizers, fuzz; a scenario or a file of the
#                        contract by its name; any other name is a regular expression of test
#                        names. Only what NAME needs is built.
#   ./test.sh --list     the names of all tests
#
# JOBS (default: the number of processors) says how much is done at a time. Packages that are
# missing are installed (tests/packages.txt); without any missing, the network is not touched.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
exec </dev/null
# shellcheck source=tests/install.sh
. tests/install.sh

export JOBS=${JOBS:-$(nproc)}
# What was compiled in one clone is not compiled again in another.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
readonly CHECKS=(format layering lengths words pages shell selftest units prometheus)
readonly STOREYS=(unit scenarios simulation tablet nameserver contract e2e bench chaos)
# What runs in the sanitizers' build. The end-to-end tests try its programs, and are themselves of
# the other build, but for these, which have what they test in their own process.
readonly SANITIZED=(unit scenarios simulation)
readonly SANITIZED_E2E=(e2e_zookeeper_{test,lifecycle_test,limits_test,lock_test})

# A daemon is killed, a write is lost or a tablet dies at each task of each op.
readonly CUT_TESTS='[./](CutAtCalls|CutAtWrites|DaemonKilled|SomethingElseFails|WriteCut)[.]'

passed=0 failed=0 skipped=0
failures=()
beside_others=() # They failed while others ran, and passed alone.
is_quick=0       # ./test.sh, without a name.
is_full=0        # --full.

title() { printf '\n== %s\n' "$*"; }

# count_check NAME COMMAND...: a command that is one test.
count_check() {
  local name=$1 began=$SECONDS
  shift
  if "$@"; then
    passed=$((passed + 1))
    echo "$name: passed ($((SECONDS - began)) s)"
  else
    failed=$((failed + 1))
    failures+=("$name")
    echo "$name: FAILED"
  fi
}

# With --full: so late PART is not begun any more, and has failed. Whoever runs all of it ends it after
# 90 minutes, and would see nothing of what there was to see.
out_of_time() {
  ((is_full && SECONDS > 80 * 60)) || return 1
  count_check "$1, not begun after 80 minutes" false
}

# An attribute of the <testsuite> in a JUnit file, 0 when it is not there.
junit() { sed -nE "/<testsuite/,/>/s/.*\\b$2=\"([0-9]+)\".*/\\1/p" "$1" 2>/dev/null | head -n 1; }

# passes_alone NAME BUILD FAILED...: a few end-to-end tests that failed while others ran. Processors
# that were not theirs for seconds end sessions and clients' patience, and are not what they test:
# they pass if they do so three times in a row with the machine for themselves. Both are said. A
# lost row has no such excuse.
passes_alone() {
  local name=$1 build=$2
  shift 2
  [[ $name == *e2e ]] && (($# <= 3)) || return 1
  ! grep -qE 'acknowledged row is |[^0-9][1-9][0-9]* times not found' "$build/Testing/Temporary/LastTest.log" || return 1
  title "$name: what failed, three times alone"
  ctest --test-dir "$build" --rerun-failed --repeat until-fail:3 --output-on-failure -j 1 || return 1
  beside_others+=("$@")
}

# run_ctest NAME BUILD ARGS...: tests of a build, counted one by one. Lines of quick passed tests are
# left out; a failed one's output is shown.
run_ctest() {
  local name=$1 build=$2 began=$SECONDS status total bad left names
  shift 2
  local report=$PWD/$build/report-${name//[^A-Za-z0-9_.-]/_}.xml
  rm -f "$report"
  title "$name"
  ctest --test-dir "$build" --no-tests=error --output-on-failure --output-junit "$report" "$@" 2>&1 |
    awk '/^ *Start +[0-9]+: / || / Passed +0\.[0-9]+ sec$/ || /^Internal ctest/ { next }
         /^Label Time Summary/ { is_summary = 1 } /^$/ { is_summary = 0 } is_summary { next } { print; fflush() }'
  status=${PIPESTATUS[0]}
  total=$(junit "$report" tests) bad=$(junit "$report" failures)
  left=$(($(junit "$report" skipped) + $(junit "$report" disabled)))
  total=${total:-0} bad=${bad:-0}
  # Not built, or none there: ctest fails, and the report does not say so.
  if ((status != 0 && bad == 0)); then
    bad=1
    failures+=("$name (ctest: $status)")
    ((total > 0)) || total=1
  fi
  ((left <= total - bad)) || left=$((total - bad))
  mapfile -t names < <(
    grep -E '<testcase .*status="fail"' "$report" 2>/dev/null | sed -E "s#.*<testcase name=\"([^\"]*)\".*#$name: \\1#")
  if ((bad > 0 && bad == ${#names[@]})) && passes_alone "$name" "$build" "${names[@]}"; then bad=0 names=(); fi
  passed=$((passed + total - bad - left)) failed=$((failed + bad)) skipped=$((skipped + left))
  failures+=("${names[@]}")
  echo "$name: $((total - bad - left)) passed, $bad failed, $left skipped ($((SECONDS - began)) s)"
}

# configure DIRECTORY [CMAKE_ARGS...]
configure() {
  local directory=$1
  shift
  # A directory that was configured for another place cannot be used here.
  if [[ -e $directory/CMakeCache.txt ]] &&
    ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$directory/CMakeCache.txt"; then
    rm -rf "$directory"
  fi
  mkdir -p "$directory"
  if ! cmake -S . -B "$directory" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo "$@" \
    >"$directory/configure.log" 2>&1; then
    cat "$directory/configure.log"
    return 1
  fi
}

# build DIRECTORY TARGET...: configured before.
build() {
  local directory=$1 began=$SECONDS quiet=(--quiet)
  shift
  title "build ($directory: $*)"
  if [[ -t 1 ]]; then quiet=(); fi
  ninja -C "$directory" -j "$JOBS" "${quiet[@]}" "$@" || return 1
  echo "built in $((SECONDS - began)) s"
}

# The names of the tests in source files, each in a line. Those with parameters have more around
# theirs; those of text files are named after their file.
test_names() {
  local label=$1 source file
  shift
  for source in "$@"; do
    sed -nE "s/^(TYPED_)?TEST(_F|_P)?\\(([A-Za-z0-9_]+), ?([A-Za-z0-9_]+)\\).*/$label.\\3.\\4/p" "$source"
    grep -q '^TEST_P(' "$source" || continue
    for file in "${source%/*}"/*.txt; do
      file=${file##*/} file=${file%.txt}
      case $label in
        scenarios) echo "$label.File/Scenarios.ComeOutAsWritten/${file//-/_}" ;;
        contract) printf '%s\n' "$label.File/Contract.IsKept/${file//-/_}_by_"{minitablet,simulation}_{rtidb,openmldb} ;;
      esac
    done
  done
}

# programs_with REGEX: the test programs that have such tests, each in a line.
programs_with() {
  local program label sources
  while read -r program label sources; do
    # All of it is read: -q would end test_names by SIGPIPE, which pipefail takes for no match.
    # shellcheck disable=SC2086  # One path a word.
    if test_names "$label" $sources | grep -E -- "$1" >/dev/null; then echo "$program"; fi
  done <build/tests.txt
}

# targets_of PART: what has to be built for it, each in a line.
targets_of() {
  if is_in "$1" "${STOREYS[@]}"; then
    echo "tests_$1"
  elif [[ $1 == sanitizers ]]; then
    if has_tests e2e; then echo tests_e2e; fi # With the other build's programs.
  elif [[ $1 == tidy ]]; then
    echo all # It asks the build which headers a file includes.
  else
    programs_with "$1" | grep . || echo all
  fi
}

has_tests() { [[ -e tests/$1/CMakeLists.txt ]]; }

# Is there anything for this check to look at?
has_matter() {
  case $1 in
    units) compgen -G 'systemd/*.service' >/dev/null ;;
    prometheus) compgen -G 'config/prometheus/*.yml' >/dev/null ;;
  esac
}

# run_storey NAME BUILD LABEL. Benchmarks and chaos want the machine for themselves; end-to-end
# tests wait more than they work.
run_storey() {
  local jobs=$JOBS left_out=()
  case $3 in
    bench | chaos) jobs=1 ;;
    e2e)
      if [[ $1 == sanitizers.* ]]; then
        left_out=(-E "$CUT_TESTS") # There they compute, too.
      else
        jobs=$((JOBS + (JOBS + 1) / 2))
      fi
      if ((is_quick)); then
        left_out=(-E "$CUT_TESTS")
        echo "tests that cut every op at each of its tasks take too long here: ./test.sh e2e, or --full"
      fi
      ;;
  esac
  run_ctest "$1" "$2" -j "$jobs" -L "^$3\$" "${left_out[@]}"
}

run_sanitizers() {
  # Warnings are the other build's business: gcc's sanitizers bring false ones.
  if ! configure build-asan -DFAILOVERD_SANITIZE=address,undefined -DFAILOVERD_WERROR=OFF \
    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1" ||
    ! build build-asan "${SANITIZED[@]/#/tests_}" "${SANITIZED_E2E[@]}" failoverd failoverctl; then
    count_check "build with sanitizers" false
    return
  fi
  export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
  export UBSAN_OPTIONS=print_stacktrace=1
  # Each takes six times as long there; those tests that need their own seeds take five minutes.
  export SIM_SEEDS=${SIM_SEEDS:-300} SIM_OPERATOR_SEEDS=${SIM_OPERATOR_SEEDS:-140}
  local storey
  for storey in "${SANITIZED[@]}"; do
    if has_tests "$storey" && ! out_of_time "sanitizers.$storey"; then
      run_storey "sanitizers.$storey" build-asan "$storey"
    fi
  done
  if has_tests e2e && ((needs_build > 0)) && ! out_of_time sanitizers.e2e; then
    run_storey sanitizers.zookeeper build-asan e2e
    FAILOVERD_PROGRAMS=$PWD/build-asan/bin run_storey sanitizers.e2e build e2e
  fi
  unset ASAN_OPTIONS UBSAN_OPTIONS SIM_SEEDS SIM_OPERATOR_SEEDS
}

# FUZZ_SECONDS (default: 20) for each target of tests/fuzz/; FUZZ_SEED is another beginning.
run_fuzz() {
  local name verdict before=$((passed + failed))
  # NDEBUG as in the other build: without it generated code complains of text that is not UTF-8.
  if ! CC=clang-19 CXX=clang++-19 configure build-fuzz -DFAILOVERD_FUZZ=ON -DFAILOVERD_WERROR=OFF \
    -DFAILOVERD_SANITIZE=address,undefined -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1 -DNDEBUG" ||
    ! build build-fuzz fuzz; then
    count_check "build of the fuzzer" false
    return
  fi
  title fuzz
  tests/fuzz/run build-fuzz "${FUZZ_SECONDS:-20}" || true # Counted below, target by target.
  while IFS=' ' read -r name verdict _; do
    if [[ $verdict == passed ]]; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
      failures+=("${name%:}")
    fi
  done < <(grep -E '^fuzz\.[a-z_]+: (passed|FAILED)' build-fuzz/fuzz.log)
  ((passed + failed > before)) || count_check "fuzz" false
}

# To the parts of main(): the checks that have anything to look at.
add_checks() {
  local check
  for check in "${CHECKS[@]}"; do
    if has_matter "$check"; then parts+=("$check"); fi
  done
}

finish() {
  if ((${#failures[@]} > 0)); then
    title "failed"
    printf '%s\n' "${failures[@]}"
  fi
  if ((${#beside_others[@]} > 0)); then
    title "failed while others ran, passed three times alone"
    printf '%s\n' "${beside_others[@]}"
  fi
  if ((passed + failed == 0)); then echo "nothing ran"; fi
  printf '\ntests: %d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  ((failed == 0 && passed > 0))
  exit
}

# What is a text file may be named as it is: its test has _ for every -. A storey's name is that.
file_or_name() {
  if is_in "$1" "${STOREYS[@]}"; then
    echo "$1"
    return
  fi
  local name=${1#tests/scenarios/} && name=${name#tests/contract/} && name=${name%.txt}
  if [[ -e tests/scenarios/$name.txt ]]; then
    echo "/${name//-/_}( |\$)"
  elif [[ -e tests/contract/$name.txt ]]; then
    echo "/${name//-/_}_by_"
  else
    echo "$1"
  fi
}

is_in() {
  local word=$1
  shift
  [[ " $* " == *" $word "* ]]
}

main() {
  local list=0 parts=() part needs_build=0 targets=() groups=(build run test)
  for part in "$@"; do
    case $part in
      --full) is_full=1 ;;
      --list) list=1 ;;
      -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" && exit 0 ;;
      -*) echo "test.sh: $part is not known; see ./test.sh --help" >&2 && exit 2 ;;
      checks) add_checks ;;
      *) parts+=("$(file_or_name "$part")") ;;
    esac
  done
  if ((${#parts[@]} == 0)); then
    is_quick=$((!is_full))
    add_checks
    for part in "${STOREYS[@]}"; do
      if [[ $part == chaos ]] && ((!is_full)); then continue; fi
      if has_tests "$part"; then parts+=("$part"); fi
    done
    ((is_full)) && parts+=(tidy fuzz sanitizers)
  fi
  # What the parts need: packages, and a build.
  for part in "${parts[@]}"; do
    case $part in
      tidy | fuzz) groups+=(full) ;;
      units) groups+=(units) ;;
    esac
    if is_in "$part" "${CHECKS[@]}" fuzz; then continue; fi
    needs_build=1
  done
  if ! install_missing "${groups[@]}"; then
    count_check "packages" false
    finish
  fi
  if ((list)); then
    configure build && build build all && ctest --test-dir build -N
    exit
  fi

  if ((needs_build)); then
    configure build && for part in "${parts[@]}"; do
      if is_in "$part" "${CHECKS[@]}" fuzz; then continue; fi
      mapfile -t -O ${#targets[@]} targets < <(targets_of "$part")
    done
    if ((${#targets[@]} == 0)) || ! build build "${targets[@]}"; then
      count_check "build" false
      needs_build=-1
    fi
  fi
  for part in "${parts[@]}"; do
    if out_of_time "$part"; then
      continue
    elif is_in "$part" "${CHECKS[@]}"; then
      title "$part"
      count_check "$part" "tests/checks/$part"
    elif [[ $part == sanitizers ]]; then
      run_sanitizers
    elif [[ $part == fuzz ]]; then
      run_fuzz
    elif ((needs_build < 0)); then
      continue
    elif [[ $part == tidy ]]; then
      title tidy
      count_check tidy tests/checks/tidy build
    elif is_in "$part" "${STOREYS[@]}"; then
      run_storey "$part" build "$part"
    else
      run_ctest "$part" build -j "$JOBS" -R "$part"
    fi
  done
  finish
}

main "$@"
