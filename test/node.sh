root=/work/main
. /work/main/src/launcher/node.sh
