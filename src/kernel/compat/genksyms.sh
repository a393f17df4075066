#!/bin/sh
# A genksyms for CONFIG_MODVERSIONS: genksyms [-p PREFIX] [-k VERSION] < preprocessed C > file.ver
#
# modutils' own, which 2.4 asks for, is in no distribution of today. It computed a checksum of each exported
# symbol's type; this one takes all the text that the symbol's file is compiled from. So the versions of two
# kernels agree where that text does, and differ more often than modutils' would, never less.
set -eu
export LC_ALL=C
prefix=
while getopts p:k: option; do
  case $option in
    p) prefix=$OPTARG ;;
    k) ;;
    *) exit 2 ;;
  esac
done

text=$(mktemp)
trap 'rm -f "$text"' EXIT
# Line markers hold the tree's place.
sed '/^#/d' > "$text"
sum=$(cksum < "$text" | cut -d ' ' -f 1)

# Each symbol once: the preprocessor leaves the exports as they were written.
grep -Eo '\<EXPORT_SYMBOL(_GPL)?[[:space:]]*\([[:space:]]*[A-Za-z_][A-Za-z0-9_]*' "$text" | sed 's/.*(//' |
  tr -d ' \t' | sort -u |
  while read -r symbol; do
    version=$(printf '%s %s' "$symbol" "$sum" | cksum | cut -d ' ' -f 1)
    printf '#define __ver_%s\t%s%08x\n' "$symbol" "$prefix" "$version"
    printf '#define %s\t_set_ver(%s)\n' "$symbol" "$symbol"
  done
