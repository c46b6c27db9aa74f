# scripts/lib/packages.sh — installs what Debian 12 ships and we need. Sourced, never run.
#
# Nothing happens when every package is there already. Otherwise apt installs the missing ones: it
# upgrades and removes nothing, and no daemon is started (policy-rc.d), because our servers are private.
# mariadb-server-core, not mariadb-server: the programs without the system service.
# shellcheck shell=bash

packages=(
  g++ cmake ninja-build pkg-config ccache
  libboost-dev libconcurrentqueue-dev libhiredis-dev default-libmysqlclient-dev libpistache-dev
  libjemalloc-dev rapidjson-dev libcli11-dev libspdlog-dev libtomlplusplus-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  redis-server mariadb-server-core mariadb-client-core
  python3 curl valgrind
)

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || printf '%s\n' "$package"
  done
}

# as_root COMMAND...: directly, or through sudo; never waits for a password where nobody can type one.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif ! command -v sudo >/dev/null; then
    die "packages are missing, and only root may install them: run as root, install sudo, or install them yourself and use --no-install: $(missing_packages | xargs)"
  elif [[ -t 0 && -z ${CI:-} ]]; then
    sudo "$@"
  else
    sudo -n "$@" </dev/null
  fi
}

policy_file=/usr/sbin/policy-rc.d
policy_mark="made by DeltaDyno Telemetry's scripts for one apt-get run; delete it if you find it"

# Debian's invoke-rc.d asks this file before it starts a service; 101 forbids it. One that exists is kept,
# but for one of ours that a killed run left behind.
forbid_daemons() {
  if [[ -e $policy_file ]] && ! grep -qF "$policy_mark" "$policy_file"; then return; fi
  # shellcheck disable=SC2016  # the inner shell expands them
  as_root sh -c 'printf "#!/bin/sh\n# %s\nexit 101\n" "$1" >"$2" && chmod 755 "$2"' - "$policy_mark" "$policy_file"
}

allow_daemons() {
  if [[ -e $policy_file ]] && grep -qF "$policy_mark" "$policy_file"; then as_root rm -f "$policy_file"; fi
}

install_packages() {
  local -a missing
  mapfile -t missing < <(missing_packages)
  if ((${#missing[@]} == 0)); then
    say "packages: all ${#packages[@]} are installed"
    return
  fi
  command -v apt-get >/dev/null ||
    die "this is no Debian: install the likes of these yourself and use --no-install: ${missing[*]}"
  say "packages: installing ${#missing[@]}: ${missing[*]}"
  local -a apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300
    -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)
  as_root "${apt[@]}" update || warn "packages: apt-get update failed; trying with the lists that are there"
  forbid_daemons
  trap allow_daemons EXIT
  local status=0
  as_root "${apt[@]}" install -y --no-install-recommends --no-upgrade --no-remove "${missing[@]}" || status=$?
  # A service that came with its package must not start at the next boot either.
  if [[ -d /run/systemd/system && " ${missing[*]} " == *" redis-server "* ]]; then
    as_root systemctl --quiet disable redis-server.service || true
  fi
  allow_daemons
  trap - EXIT
  ((status == 0)) || die "apt-get install failed (status $status)"
}
