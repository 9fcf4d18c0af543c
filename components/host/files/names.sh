#!/usr/bin/env bash
# Machines must have different host names: Ray and HCCL tell them apart by these. Environment: NAMES,
# machine=hostname words; IMAGES, an id for each, which is reported as one digest.
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"

status "comparing host names"
double=$(tr ' ' '\n' <<<"$NAMES" | sed 's/.*=//' | sort | uniq -d | head -1)
if [[ -n $double ]]; then
  same=$(tr ' ' '\n' <<<"$NAMES" | sed -n "s/=$double\$//p" | paste -sd' ' | sed 's/ / and /g')
  fail "$same have the same host name, $double; give each its own (hostnamectl set-hostname NAME) and run \`pulumi up\` again"
fi
result "names=$(wc -w <<<"$NAMES") images=$(sha256sum <<<"$IMAGES" | cut -c1-16)"
