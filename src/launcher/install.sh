#!/bin/sh
# Installs the pinned packages into a checkout.
# Usage: install.sh CHECKOUT runtime|development
# `development` adds what tests and checks need. Several at once wait for one another.
set -eu
root=$1
kind=$2
cd "$root"

stamp=node_modules/.kiln-lock
wanted() {
  cmp -s package-lock.json "$stamp" && { [ "$kind" = runtime ] || [ -e "$stamp.development" ]; }
}

if ! command -v npm >/dev/null 2>&1; then
  echo "kiln: npm is not on the PATH; it installs the packages that Kiln is made of" >&2
  echo "kiln: install Node 18 or later with npm, e.g. apt-get install nodejs npm" >&2
  exit 3
fi

mkdir -p artifacts
exec 9>artifacts/.install-lock
flock 9
wanted && exit 0

# What is there for development stays so.
[ "$kind" = runtime ] && [ -e "$stamp.development" ] && kind=development
# Said either way, since NODE_ENV and npm's settings have a say too; the Node that Kiln runs on is optional to npm,
# being one of several.
if [ "$kind" = development ]; then which='--include=dev --include=optional'; else which='--omit=dev --include=optional'; fi
echo "kiln: installing the pinned packages into $root/node_modules (once)" >&2
# npm's own Node may be older than what the packages ask for: they run on the pinned one.
log=artifacts/.install-log
if ! npm ci $which --no-audit --no-fund --loglevel=error >"$log" 2>&1; then
  cat "$log" >&2
  echo "kiln: npm ci failed; what it said is above" >&2
  exit 1
fi
. "$root/src/launcher/node.sh"
if ! [ -x "$KILN_NODE" ]; then
  cat "$log" >&2
  echo "kiln: npm ci has not installed $KILN_NODE; npm config list shows the settings that may have kept it from that" >&2
  exit 1
fi
rm -f "$log"
[ "$kind" = runtime ] || : >"$stamp.development"
cp package-lock.json "$stamp"
