"""facts.sh: free disk is asked for where images really go. Stand-ins: ip, df, docker and containerd."""

from __future__ import annotations

import pytest

from tests.scripts.native_step import Step

IP = """case "$*" in
  *"address show"*) echo '2: bond0    inet 10.0.0.1/24 scope global bond0' ;;
  *"route get"*) echo '10.0.0.2 dev bond0 src 10.0.0.1' ;;
esac"""
DF = """for folder in "$@"; do :; done
case $folder in {full}*) echo Avail; echo 12 ;; *) echo Avail; echo 500 ;; esac"""
DOCKER = """case "$*" in
  *DriverStatus*) echo '{status}' ;;
  *DockerRootDir*) echo {root} ;;
  "image inspect vllm:there") exit 0 ;;
  *) exit 1 ;;
esac"""


def facts(step, *, full, docker=None, **variables):
    """What facts.sh says where the folder `full` has 12 GiB left and every other one 500."""
    step.program("ip", IP)
    step.program("df", DF.format(full=full))
    step.program("docker", DOCKER.format(**docker) if docker else "exit 1")
    base = {
        "PEER": "10.0.0.2",
        "OWN_ADDRESS": "10.0.0.1",
        "DISK_MINIMUM_GIB": "10",
        "IMAGE": "vllm:1",
        "IMAGE_GIB": "45",
        "ETC": str(step.home / "etc"),
    }
    return step.run("facts", **{**base, **variables})


def refusal(folder):
    return f"only 12 GiB are free in {folder}, where Docker keeps images, and vllm:1 takes 45, downloaded and unpacked"


@pytest.fixture
def step(tmp_path):
    return Step(tmp_path)


def test_dockers_own_folder_is_asked(step, tmp_path):
    (tmp_path / "data").mkdir()
    there = {"status": "[]", "root": tmp_path / "data/docker"}
    assert facts(step, full=tmp_path / "data", docker=there)[1].startswith(refusal(tmp_path / "data/docker"))
    assert facts(step, full="/var/lib", docker=there)[0]["images"] == str(tmp_path / "data/docker")


def test_before_docker_is_there_its_configuration_is(step, tmp_path):
    (tmp_path / "big").mkdir()
    assert facts(step, full="/var")[1].startswith(refusal("/var/lib/docker"))
    (step.home / "etc/docker").mkdir(parents=True)
    (step.home / "etc/docker/daemon.json").write_text(f'{{\n  "data-root": "{tmp_path}/big"\n}}\n')
    assert facts(step, full="/var")[0]["images"] == f"{tmp_path}/big"


def test_containerds_own_store_is_asked_where_docker_uses_it(step, tmp_path):
    (tmp_path / "containerd").mkdir()
    step.program("containerd", f"echo 'root = \"{tmp_path}/containerd\"'")
    there = {"status": '[["driver-type","io.containerd.snapshotter.v1"]]', "root": "/var/lib/docker"}
    assert facts(step, full=tmp_path / "containerd", docker=there)[1].startswith(refusal(tmp_path / "containerd"))


@pytest.mark.parametrize("variables", [{"IMAGE": "vllm:there"}, {"IMAGE_GIB": "0"}, {"IMAGE_GIB": "12"}])
def test_an_image_that_is_there_or_small_or_never_comes_needs_no_room(step, variables):
    there = {"status": "[]", "root": "/var/lib/docker"}
    assert facts(step, full="/var", docker=there, **variables)[1] == ""
