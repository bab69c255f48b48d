# Sourced by test.sh and demo.sh: installs the Debian packages that are missing, by the names in
# packages.txt. Touches neither the network nor the package database when none is.
# shellcheck shell=bash

# missing_packages GROUP...: the names of those that are not installed, each in a line.
missing_packages() {
  local list wanted installed
  list=$(dirname "${BASH_SOURCE[0]}")/packages.txt
  wanted=$(awk -v groups=" $* " '!/^#/ && NF && index(groups, " " $2 " ") { print $1 }' "$list")
  # shellcheck disable=SC2016,SC2086  # dpkg-query's own variables; one name a word.
  installed=$(dpkg-query -W -f='${Package} ${Status}\n' $wanted 2>/dev/null |
    awk '$NF == "installed" { print $1 }')
  awk -v installed=" ${installed//$'\n'/ } " '!index(installed, " " $1 " ")' <<<"$wanted"
}

# Some packages start a service when they are installed; none of them is wanted. A policy that is
# there already is the machine's own business and stays.
forbid_services() {
  policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | "$@" tee "$policy" >/dev/null
    "$@" chmod 755 "$policy"
    # shellcheck disable=SC2064  # Expanded now: what is removed is what was made here.
    trap "$* rm -f $policy" EXIT
  fi
}

# install_missing GROUP...: 0 when everything is there in the end.
install_missing() {
  local missing as_root=()
  if ! command -v dpkg-query >/dev/null; then
    echo "This needs Debian 12 (no dpkg here)." >&2
    return 1
  fi
  missing=$(missing_packages "$@")
  [[ -z $missing ]] && return 0
  # shellcheck disable=SC2086  # One name a word.
  echo "installing" $missing
  if [[ $(id -u) -ne 0 ]]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null && [[ ! -t 1 ]]; then
      # shellcheck disable=SC2086
      echo "Not root, and no sudo without a password. As root: apt-get install" $missing >&2
      return 1
    fi
    as_root=(sudo)
  fi
  (
    forbid_services "${as_root[@]}"
    apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
      apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    # shellcheck disable=SC2086
    "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends $missing
  ) </dev/null || return 1
  missing=$(missing_packages "$@")
  [[ -z $missing ]] && return 0
  # shellcheck disable=SC2086
  echo "still missing:" $missing >&2
  return 1
}
