# Shared by the commands in tools/; they source it. Goes to the top of the checkout.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# fail MESSAGE: says what is wrong and ends the command.
fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# step NAME COMMAND...: runs the command and prints how many seconds it took. Answers its status.
# A shell function run this way does not stop at its first failing line, so it must be a chain.
step() {
  local name=$1 start=$SECONDS status=0 result="done"
  shift
  echo "== $name"
  "$@" || status=$?
  ((status == 0)) || result="FAILED ($status)"
  echo "== $name: $result, $((SECONDS - start)) s"
  return "$status"
}

# Builds the judge of linearizability into build/tools.
build_linearizability() {
  local out=$PWD/build/tools/linearizability
  (cd tools/linearizability && /usr/bin/go build -buildvcs=false -o "$out" .)
}

# Builds the etcd that is pinned in tools/etcd into build/tools.
build_etcd() {
  local out=$PWD/build/tools/etcd
  if [[ $out -nt tools/etcd/go.mod && $out -nt tools/etcd/go.sum ]]; then return; fi
  (cd tools/etcd && /usr/bin/go build -buildvcs=false -o "$out" go.etcd.io/etcd/server/v3)
}

# Makes stubs and programs of the examples in other languages, into build/tools/examples.
build_examples() {
  local language
  for language in python go node; do
    PATH=/usr/bin:$PATH "examples/$language/build" "$PWD/build/tools/examples/$language" || return
  done
}

# The checked-in files that match the patterns, one a line.
our_files() {
  git ls-files -- "$@" | grep . || fail "git knows no file like $*; is this a clone that you own?"
}
