#!/usr/bin/env bash
# NVIDIA's container toolkit, and Docker's runtime of that name. Environment: TOOLKIT_REPOSITORY NVITOP (yes, or empty) PIP_INDEX
# shellcheck source=components/machine/files/lib.sh
. "$TANDEM_DIR/lib.sh"
# shellcheck source=components/machine/files/package_manager.sh
. "$TANDEM_DIR/package_manager.sh"

# NVIDIA's key (gpgkey in github.com/NVIDIA/nvidia-docker, the site's source).
NVIDIA_KEY=C95B321B61E88C1809C4F759DDCAE044F796ECB0
mirror="set accelerator.toolkitRepository to a mirror of NVIDIA's own that the machine reaches"

add_by_dnf() {
  local file=$ETC/yum.repos.d/tandem-nvidia-container-toolkit.repo key=$ETC/pki/rpm-gpg/tandem-nvidia-container-toolkit.asc
  if ! dnf --quiet list --available nvidia-container-toolkit >/dev/null 2>&1; then
    undo rm -f "$file"
    signing_key "$TOOLKIT_REPOSITORY/gpgkey" "$key" "$NVIDIA_KEY" "$mirror"
    # As NVIDIA's own file has it: its lists are signed, its packages are not.
    # shellcheck disable=SC2016 # $basearch is dnf's
    printf '[tandem-nvidia-container-toolkit]\nname=NVIDIA container toolkit\nbaseurl=%s/stable/rpm/$basearch\nenabled=1\nrepo_gpgcheck=1\ngpgcheck=0\ngpgkey=file://%s\n' \
      "$TOOLKIT_REPOSITORY" "$key" >"$file"
    chmod 644 "$file"
  fi
  status "installing the container toolkit"
  tries 2 by_dnf install nvidia-container-toolkit ||
    fail "dnf install nvidia-container-toolkit failed; the log says why: where $TOOLKIT_REPOSITORY does not answer, $mirror"
  kept "the package nvidia-container-toolkit"
}

if ! have nvidia-ctk && [[ $manager == dnf ]]; then
  add_by_dnf
elif ! have nvidia-ctk; then
  update_lists nvidia-container-toolkit
  if [[ -z $(apt-cache madison nvidia-container-toolkit 2>/dev/null) ]]; then
    key=/usr/share/keyrings/tandem-nvidia-container-toolkit.asc
    list=/etc/apt/sources.list.d/tandem-nvidia-container-toolkit.list
    undo rm -f "$list"
    signing_key "$TOOLKIT_REPOSITORY/gpgkey" "$key" "$NVIDIA_KEY" "$mirror"
    echo "deb [signed-by=$key] $TOOLKIT_REPOSITORY/stable/deb/$(dpkg --print-architecture) /" >"$list"
    update_lists nvidia-container-toolkit
  fi
  status "installing the container toolkit"
  tries 2 apt install --yes --no-install-recommends nvidia-container-toolkit ||
    fail "apt-get install nvidia-container-toolkit failed; the log says why"
  kept "the package nvidia-container-toolkit"
fi

runtime_known() { docker info --format '{{json .Runtimes}}' 2>/dev/null | grep -q '"nvidia"'; }
if ! runtime_known; then
  status "telling Docker of the nvidia runtime"
  nvidia-ctk runtime configure --runtime=docker
  kept "the nvidia runtime in /etc/docker/daemon.json"
  systemctl restart docker
fi
tries 5 runtime_known || fail "Docker does not know the nvidia runtime after \`nvidia-ctk runtime configure --runtime=docker\`; see /etc/docker/daemon.json and \`journalctl -u docker\`"

if [[ -n $NVITOP && ! -x /opt/tandem-nvitop/bin/nvitop ]]; then
  status "installing nvitop"
  undo rm -rf /opt/tandem-nvitop /usr/local/bin/nvitop
  python3 -m venv /opt/tandem-nvitop
  # shellcheck source=components/machine/files/pip.sh
  . "$TANDEM_DIR/pip.sh"
  read_index "$PIP_INDEX"
  /opt/tandem-nvitop/bin/pip install --quiet "${pip_words[@]}" --require-hashes --requirement "$TANDEM_DIR/nvitop.lock" ||
    fail "nvitop can't be installed from ${PIP_INDEX:-the default pip index}; set mirrors.pip, or leave nvitop out"
  ln -sf /opt/tandem-nvitop/bin/nvitop /usr/local/bin/nvitop
fi
result "toolkit=$(nvidia-ctk --version 2>/dev/null | awk 'NR == 1 {print $NF}')"
