# What the checks in a fresh root have in common; `inside` sources it.
# shellcheck shell=bash

checks=0
failed=0
log=$(mktemp)

# check WHAT COMMAND...: counts whether the command succeeds, and shows what it printed if not.
check() {
  local what=$1
  shift
  checks=$((checks + 1))
  if "$@" >"$log" 2>&1; then
    echo "ok      $what"
  else
    failed=$((failed + 1))
    echo "FAILED  $what"
    sed 's/^/        /' "$log"
  fi
}

not() { ! "$@"; }

# equal EXPECTED COMMAND...: the command prints that, and nothing else.
equal() {
  local expected=$1 said
  shift
  said=$("$@") || return
  [[ $said == "$expected" ]] || { echo "expected: $expected"; echo "said:     $said"; return 1; }
}

# matches REGEX COMMAND...: what the command prints matches.
matches() {
  local expected=$1 said
  shift
  said=$("$@" 2>&1) || { echo "$said"; return 1; }
  grep -qE -- "$expected" <<<"$said" || { echo "expected: $expected"; echo "said:     $said"; return 1; }
}

# install PACKAGE...: with what it depends on and nothing else.
install() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install "$@"
}

# Everything that has our name, but for logs, caches, our own checkout and what was brought.
ours() {
  find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /latchkey -o -path /brought -o -path /tmp \
    -o -path /var/cache -o -path /var/log -o -path /var/lib/apt \) -prune -o -iname '*latchkey*' -print
}

server=
server_log=$(mktemp)
address=

# Starts latchkeyd as its user, by the line of the unit, with the limits of no unit at all.
start() {
  local line
  line=$(sed -n 's/^ExecStart=//p' /lib/systemd/system/latchkeyd.service) || return
  : >"$server_log"  # else what the last one said may be found
  # shellcheck disable=SC2086
  (cd / && exec setpriv --reuid latchkey --regid latchkey --clear-groups --no-new-privs \
    env -i $line) >"$server_log" 2>&1 &
  server=$!
  if ! grep -q -m1 'is serving on' <(timeout 60 tail -n +1 -f --pid "$server" "$server_log"); then
    cat "$server_log"
    return 1
  fi
  address=$(sed -n 's/^latchkeyd is serving on //p' "$server_log")
}

# Ends it as systemd would; it must say that all was well.
stop() {
  if ! kill -TERM "$server" || ! wait "$server"; then
    cat "$server_log"
    return 1
  fi
}

call() {
  local rpc=$1
  shift
  /brought/grpcurl -plaintext "$@" "$address" "$rpc"
}

# latchkey_says REGEX ARGUMENT...: the installed command line, asking that server.
latchkey_says() {
  local expected=$1
  shift
  matches "$expected" env LATCHKEY_ADDRESS="$address" latchkey "$@"
}

# Restores the newest backup as the server's user and looks whether the record of order:1 is in it.
restored() {
  local to
  to=$(setpriv --reuid latchkey --regid latchkey --clear-groups mktemp -d) || return
  setpriv --reuid latchkey --regid latchkey --clear-groups \
    latchkey restore --backup="$1" --to="$to/store" || return
  matches '"ch_1"' setpriv --reuid latchkey --regid latchkey --clear-groups \
    latchkey export --store="rocksdb:$to/store" || return
  rm -r "$to"
}

ps_uid() { awk '/^Uid:/ { print $2 }' "/proc/$1/status"; }

# against_a_server EXPECTED PROGRAM: what it prints when it asks a server of its own, which knows no key.
against_a_server() {
  local said pid status
  said=$(mktemp)
  latchkeyd --store=memory: --listen-address=127.0.0.1:0 >"$said" 2>/dev/null &
  pid=$!
  grep -q -m1 'is serving on' <(timeout 60 tail -n +1 -f --pid "$pid" "$said")
  equal "$1" "$2" "$(sed -n 's/^latchkeyd is serving on //p' "$said")"
  status=$?
  kill "$pid"
  wait "$pid"
  return "$status"
}

with_cmake() {
  local project=$1
  cmake -G Ninja -S "/latchkey/tests/packaging/$project" -B "/tmp/$project" -DWANTED_VERSION=0.1 &&
    cmake --build "/tmp/$project"
}

with_pkg_config() {
  local flags libraries
  flags=$(pkg-config --cflags latchkey) && libraries=$(pkg-config --libs latchkey) || return
  # shellcheck disable=SC2086
  g++ -std=c++20 $flags /latchkey/tests/packaging/client/main.cc $libraries -o /tmp/by_pkg_config
}

stubs_of_another_language() {
  mkdir -p /tmp/python_stubs &&
    (cd /usr/share/latchkey/proto && find . -name '*.proto' -exec protoc -I . --python_out=/tmp/python_stubs {} +) &&
    test -s /tmp/python_stubs/latchkey/v1/coordination_pb2.py
}
