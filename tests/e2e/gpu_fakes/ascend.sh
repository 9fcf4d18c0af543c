#!/usr/bin/env bash
# An Ascend server with two accelerators, as its driver leaves it: PCI bus, device files, versions, ports.
set -euo pipefail
rm -rf /opt/fake-sys /opt/fake-dev /opt/fake-ascend /etc/hccn.conf /etc/fake-npu-fault /var/lib/tandem
for number in 1 2; do
  folder=/opt/fake-sys/bus/pci/devices/0000:c$number:00.0
  mkdir -p "$folder"
  echo 0x19e5 >"$folder/vendor"
  echo 0xd802 >"$folder/device"
  echo 0x120000 >"$folder/class"
done
mkdir -p /opt/fake-dev /opt/fake-ascend/driver/tools /opt/fake-ascend/firmware
touch /opt/fake-dev/davinci{0,1,_manager} /opt/fake-dev/{devmm_svm,hisi_hdc}
printf 'Version=24.1.rc3\nascendhal_version=7.35.23\n' >/opt/fake-ascend/driver/version.info
printf 'Version=7.5.0.1.129\n' >/opt/fake-ascend/firmware/version.info
printf '#!/bin/sh\necho "link status: UP"\n' >/opt/fake-ascend/driver/tools/hccn_tool
chmod 755 /opt/fake-ascend/driver/tools/hccn_tool
printf 'address_0=192.168.1.10\nnetmask_0=255.255.255.0\naddress_1=192.168.1.11\nnetmask_1=255.255.255.0\n' >/etc/hccn.conf
install -m 755 /opt/fakes/npu-smi.sh /usr/local/bin/npu-smi
