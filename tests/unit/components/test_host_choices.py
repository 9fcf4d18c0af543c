"""Drivers, packages and rails: pure choices of the host's scripts, from facts to what is done."""

import importlib
import itertools
import sys

import pytest

from tests.support.paths import ROOT

FILES = ROOT / "components/host/files"


for folder in (FILES, ROOT / "components/runtime/files"):  # on a machine these lie side by side
    sys.path.insert(0, str(folder))
pci, drivers, rails, collective, image_fits = (
    importlib.import_module(n) for n in ("pci", "drivers", "rails", "collective", "image_fits")
)

NAMES = {
    0x1DB6: "Volta",
    0x1EB8: "Turing",
    0x20B2: "Ampere",
    0x2236: "Ampere",
    0x2204: "Ampere",
    0x2684: "Ada",
    0x26BA: "Ada",
    0x2329: "Hopper",
    0x2330: "Hopper",
    0x2335: "Hopper",
    0x2901: "Blackwell",
    0x2B85: "Blackwell",
    0x3182: "Blackwell",
    0x15F8: "Pascal",
}
"""V100, T4, A100, A10, 3090, 4090, L20, H20, H100, H200, B200, 5090, B300, P100."""


def test_the_seeds_gpus_are_known_by_their_ids():
    assert {device: drivers.generation_of(device).name for device in NAMES} == NAMES


def test_no_id_belongs_to_two_generations():
    ranges = sorted(r for g in drivers.GENERATIONS for r in g.ids)
    assert all(first[1] < second[0] for first, second in itertools.pairwise(ranges))


@pytest.mark.parametrize(
    ("devices", "cuda", "branch", "plan"),
    [
        ([0x26BA, 0x26BA], "13.0", None, (580, 580, "open")),
        ([0x26BA], "12.8", None, (525, 580, "open")),
        ([0x26BA], "12.8", 550, (550, 550, "open")),
        ([0x2684], "12.8", None, (570, 580, "open")),
        ([0x2684], "12.4", None, (550, 580, "open")),
        ([0x2684, 0x26BA], "12.8", None, (570, 580, "open")),
        ([0x2684], "12.8", 570, (570, 570, "open")),
        ([0x1DB6], "12.8", None, (525, 580, "proprietary")),
        ([0x1DB6, 0x20B2], "12.4", None, (525, 580, "proprietary")),
        ([0x2901], "12.8", None, (570, 580, "open")),
        ([0x2330], "13.0", 590, (590, 590, "open")),
        ([0x2204], "13.1", None, (590, 590, "open")),
    ],
)
def test_a_plan_follows_from_gpus_and_cuda(devices, cuda, branch, plan):
    found = drivers.plan_driver(devices, cuda, branch)
    assert (found.minimum, found.branch, found.modules) == plan


@pytest.mark.parametrize(
    ("devices", "cuda", "branch", "says"),
    [
        ([0x1DB6], "13.0", None, "use an engine image of CUDA 12"),
        ([0x1DB6, 0x2901], "12.8", None, "no kernel modules drive Blackwell and Volta GPUs together"),
        ([0x26BA], "13.0", 550, "driver branch 550 is too old for CUDA 13.0"),
        ([0x1DB6], "12.8", 590, "does not drive Volta GPUs any more; use 580"),
        ([0x26BA], "14.1", None, "CUDA 14.1 is not known here"),
        ([], "13.0", None, "PCI bus has no NVIDIA GPU"),
        ([0x0001], "13.0", None, "GPU 10de:0001 is of no generation known here"),
    ],
)
def test_what_no_driver_can_do_is_said_in_one_sentence(devices, cuda, branch, says):
    with pytest.raises(drivers.Impossible, match=says.replace(".", r"\.")):
        drivers.plan_driver(devices, cuda, branch)


UBUNTU = """
nvidia-headless-580-server-open | 580.126.09-0ubuntu0.24.04.1 | http://archive noble-updates/restricted amd64 Packages
nvidia-headless-580-server-open | 580.95.05-0ubuntu0.24.04.1 | http://archive noble/restricted amd64 Packages
nvidia-utils-580-server | 580.126.09-0ubuntu0.24.04.1 | http://archive noble-updates/restricted amd64 Packages
nvidia-utils-580-server | 580.95.05-0ubuntu0.24.04.1 | http://archive noble/restricted amd64 Packages
nvidia-fabricmanager-580 | 580.95.05-0ubuntu0.24.04.1 | http://archive noble/multiverse amd64 Packages
"""
NVIDIA_DEBIAN = """
nvidia-open | 590.10.01-1 | https://repository Packages
nvidia-open | 580.95.05-1 | https://repository Packages
nvidia-fabricmanager | 590.10.01-1 | https://repository Packages
nvidia-fabricmanager | 580.95.05-1 | https://repository Packages
nvidia-driver-pinning-580 | 580 | https://repository Packages
"""


@pytest.mark.parametrize(
    ("madison", "fabric", "pins", "transaction"),
    [
        (
            UBUNTU,
            False,
            [],
            [
                "nvidia-headless-580-server-open=580.126.09-0ubuntu0.24.04.1",
                "nvidia-utils-580-server=580.126.09-0ubuntu0.24.04.1",
            ],
        ),
        (
            UBUNTU,
            True,
            [],
            [
                "nvidia-headless-580-server-open=580.95.05-0ubuntu0.24.04.1",
                "nvidia-utils-580-server=580.95.05-0ubuntu0.24.04.1",
                "nvidia-fabricmanager-580=580.95.05-0ubuntu0.24.04.1",
            ],
        ),
        (
            NVIDIA_DEBIAN,
            True,
            ["nvidia-driver-pinning-580"],
            ["nvidia-open=580.95.05-1", "nvidia-fabricmanager=580.95.05-1"],
        ),
        ("nvidia-open-580 | 580.95.05-1 | x", False, [], ["nvidia-open-580=580.95.05-1"]),
    ],
)
def test_driver_and_fabric_manager_get_the_newest_version_that_both_have(madison, fabric, pins, transaction):
    assert drivers.choose_packages(madison, 580, "open", fabric=fabric) == (pins, transaction)


def test_a_fabric_manager_of_no_fitting_version_is_refused():
    madison = UBUNTU.replace("nvidia-fabricmanager-580 | 580.95.05", "nvidia-fabricmanager-580 | 580.65.06")
    with pytest.raises(drivers.Impossible, match=r"nvidia-fabricmanager-580 in 580\.65\.06: .* one version of both"):
        drivers.choose_packages(madison, 580, "open", fabric=True)


GEFORCE = {
    0x1E07: True,
    0x2204: True,
    0x2684: True,
    0x2685: True,
    0x2C05: True,
    0x2B85: True,
    0x1F82: True,
    0x1B80: True,
    0x1EB8: False,
    0x2230: False,
    0x2236: False,
    0x26B1: False,
    0x26BA: False,
    0x27B8: False,
    0x2BB1: False,
    0x20B2: False,
    0x2329: False,
    0x2321: False,
    0x2901: False,
    0x2E12: False,
    0x1DB6: False,
    0x15F8: False,
    0x3182: False,
}
"""2080 Ti, 3090, 4090, 4090 D, 5070 Ti, 5090, 1650, 1080; T4, A6000, A10, 6000 Ada, L20, L4, PRO 6000; others."""


def test_a_geforce_is_known_by_its_id():
    assert {device: drivers.is_geforce(device) for device in GEFORCE} == GEFORCE


@pytest.mark.parametrize(
    ("devices", "cuda", "branch", "compatible"),
    [
        ([0x2330], "13.0", None, (535, 550, 570)),
        ([0x2684], "13.0", None, ()),
        ([0x2901], "13.0", None, (570,)),
        ([0x2330], "13.0", 580, ()),
    ],
)
def test_older_drivers_run_newer_images_on_some_gpus(devices, cuda, branch, compatible):
    assert drivers.plan_driver(devices, cuda, branch).compatible == compatible


REQUIRE = (
    "cuda>=12.8 brand=unknown,driver>=470,driver<471 brand=tesla,driver>=470,driver<471 "
    "brand=tesla,driver>=535,driver<536 brand=nvidiartx,driver>=550,driver<551"
)
"""As CUDA's images have it, shortened."""


@pytest.mark.parametrize(
    ("environment", "driver", "cuda", "brand", "unmet"),
    [
        ({"NVIDIA_REQUIRE_CUDA": REQUIRE}, "570.86.10", "12.8", "GeForce", None),
        ({"NVIDIA_REQUIRE_CUDA": REQUIRE}, "535.183.01", "12.2", "Tesla", None),
        ({"NVIDIA_REQUIRE_CUDA": REQUIRE}, "535.183.01", "12.2", "GeForce", "cuda>=12.8"),
        ({"NVIDIA_REQUIRE_CUDA": REQUIRE}, "545.23.08", "12.3", "Tesla", "cuda>=12.8"),
        ({"NVIDIA_REQUIRE_CUDA": REQUIRE}, "550.54.14", "12.4", "NVIDIA RTX", None),
        ({"NVIDIA_REQUIRE_CUDA": REQUIRE, "NVIDIA_DISABLE_REQUIRE": "1"}, "535.1", "12.2", "GeForce", None),
        ({"CUDA_VERSION": "12.8.1"}, "535.183.01", "12.2", "GeForce", "cuda>=12.8"),
        ({"CUDA_VERSION": "12.2.2"}, "535.183.01", "12.2", "GeForce", None),
        ({"NVIDIA_REQUIRE_CUDA": "cuda>=9.0", "NVIDIA_REQUIRE_X": "driver>=560"}, "550.1", "12.4", "", "driver>=560"),
        ({"PATH": "/usr/bin"}, "450.1", "11.0", "Tesla", None),
    ],
)
def test_what_an_image_asks_of_the_driver_is_read_as_the_runtime_reads_it(environment, driver, cuda, brand, unmet):
    have = {"driver": driver, "cuda": cuda, "brand": image_fits.brand_of(brand)}
    assert image_fits.unmet(environment, have) == unmet
    assert bool(image_fits.sentence("i", environment, have)) == bool(unmet)


def port(name, rate=400, link="InfiniBand", active=True, above=()):
    return pci.Port(name=name, active=active, link=link, rate=rate, above=list(above))


def gpu(address, *above):
    return pci.Device(address, 0x10DE, 0x2329, 0x302, list(above))


@pytest.mark.parametrize(
    ("case", "ports", "gpus", "chosen"),
    [
        (
            "seed 001: 4 x 400 for compute, 2 x 200 for storage",
            [port("mlx5_0"), port("mlx5_1"), port("mlx5_2", 200), port("mlx5_3", 200), port("mlx5_4"), port("mlx5_5")],
            [],
            ["mlx5_0", "mlx5_1", "mlx5_4", "mlx5_5"],
        ),
        ("Ethernet bond beside InfiniBand", [port("mlx5_bond_0", 400, "Ethernet"), port("mlx5_1")], [], ["mlx5_1"]),
        ("only Ethernet (RoCE, eRDMA)", [port("erdma_0", 100, "Ethernet")], [], ["erdma_0"]),
        ("a port without a link", [port("mlx5_0", active=False), port("mlx5_1")], [], ["mlx5_1"]),
        ("nothing is up", [port("mlx5_0", active=False)], [], []),
        (
            "same rate, but only one shares a switch with a GPU",
            [
                port("mlx5_0", above=("pci0000:10", "0000:10:01.0", "0000:11:00.0")),
                port("mlx5_1", above=("pci0000:80", "0000:80:01.0", "0000:81:00.0")),
            ],
            [gpu("0000:13:00.0", "pci0000:10", "0000:10:01.0", "0000:11:00.0", "0000:12:00.0")],
            ["mlx5_0"],
        ),
        ("ten comes after two", [port("mlx5_10"), port("mlx5_2")], [], ["mlx5_2", "mlx5_10"]),
    ],
)
def test_rails(case, ports, gpus, chosen):
    assert rails.choose_rails(pci.Bus(gpus=gpus, switches=[], npus=[], ports=ports)) == chosen, case


def test_nccl_gets_exact_names():
    assert rails.nccl_value(["mlx5_1"]) == "=mlx5_1"
    assert rails.nccl_value([]) == ""


def test_a_bus_is_read_from_sysfs(tmp_path):
    """Links as in sysfs; Huawei's own display and network devices are no accelerators."""
    devices = {
        "0000:13:00.0": ("0x10de", "0x2329", "0x030200"),
        "0000:14:00.0": ("0x10de", "0x22a3", "0x068000"),
        "0000:15:00.0": ("0x19e5", "0xd802", "0x120000"),
        "0000:16:00.0": ("0x19e5", "0x1711", "0x030000"),
        "0000:17:00.0": ("0x15b3", "0x1021", "0x020700"),
        "0000:18:00.1": ("0x10de", "0x22a4", "0x040300"),
    }
    (tmp_path / "bus/pci/devices").mkdir(parents=True)
    for address, values in devices.items():
        real = tmp_path / "devices/pci0000:10/0000:10:01.0/0000:11:00.0" / address
        real.mkdir(parents=True)
        for name, value in zip(("vendor", "device", "class"), values, strict=True):
            (real / name).write_text(f"{value}\n")
        (tmp_path / "bus/pci/devices" / address).symlink_to(real)
    infiniband = tmp_path / "class/infiniband/mlx5_0/ports/1"
    infiniband.mkdir(parents=True)
    for name, value in {"state": "4: ACTIVE", "link_layer": "InfiniBand", "rate": "400 Gb/sec (4X NDR)"}.items():
        (infiniband / name).write_text(f"{value}\n")
    (infiniband.parents[1] / "device").symlink_to(tmp_path / "bus/pci/devices/0000:17:00.0")
    bus = pci.read_bus(tmp_path)
    assert [d.address for d in bus.gpus] == ["0000:13:00.0"]
    assert [d.address for d in bus.switches] == ["0000:14:00.0"]
    assert [d.address for d in bus.npus] == ["0000:15:00.0"]
    assert bus.ports == [port("mlx5_0", above=("pci0000:10", "0000:10:01.0", "0000:11:00.0"))]
    assert rails.choose_rails(bus) == ["mlx5_0"]


def test_an_empty_sysfs_is_a_machine_without_anything(tmp_path):
    assert pci.read_bus(tmp_path) == pci.Bus(gpus=[], switches=[], npus=[], ports=[])


@pytest.mark.parametrize(
    ("log", "transports"),
    [
        (
            "n1:7:9 [0] NCCL INFO Channel 00/0 : 1[1] -> 2[0] [receive] via NET/IB/0(1)/GDRDMA",
            ["NET/IB/GDRDMA", "NET/IB"],
        ),
        ("n1:7:9 [0] NCCL INFO Channel 00/0 : 1[1] -> 2[0] [send] via NET/IB/0", ["NET/IB"]),
        ("n1:7:9 [0] NCCL INFO Using network Socket", ["NET/Socket"]),
        ("n1:7:9 [0] NCCL INFO Channel 01/0 : 0[0] -> 1[1] via P2P/CUMEM/read", ["P2P"]),
        ("", []),
    ],
)
def test_nccls_log_says_what_carried_the_bytes(log, transports):
    assert collective.transports_of(log) == transports
