"""An image and this machine's driver, before and when a container starts. Stand-ins: Docker, nvidia-smi, apt."""

from __future__ import annotations

import json

import pytest

from tests.scripts.native_step import Step

SMI = """echo "==============NVSMI LOG=============="
echo "Driver Version                            : {driver}"
echo "CUDA Version                              : {cuda}"
echo "    Product Brand                         : {brand}"
"""
REQUIRE = "NVIDIA_REQUIRE_CUDA=cuda>=12.8 brand=tesla,driver>=535,driver<536"


@pytest.fixture
def step(tmp_path):
    return Step(tmp_path)


@pytest.mark.parametrize(
    ("driver", "cuda", "brand", "says"),
    [
        ("570.133.20", "12.8", "GeForce", ""),
        ("535.183.01", "12.2", "Tesla", ""),
        (
            "535.183.01",
            "12.2",
            "GeForce",
            "the image vllm:1 asks for cuda>=12.8 (NVIDIA_REQUIRE_CUDA), and this machine's driver 535.183.01 has "
            "CUDA 12.2 on geforce GPUs, so Docker refuses to start it; use driver branch 570 or newer",
        ),
    ],
)
def test_an_image_is_compared_with_the_driver_before_a_container_starts(step, driver, cuda, brand, says):
    step.program("docker", f"echo '{json.dumps(['PATH=/bin', REQUIRE])}'")
    step.program("nvidia-smi", SMI.format(driver=driver, cuda=cuda, brand=brand))
    found, error = step.run("image_fits", "image_fits.py", "drivers.py", IMAGE="vllm:1", IMAGE_ID="sha256:1")
    assert error.startswith(says)
    assert found == ({} if says else {"image": "sha256:1", "driver": driver})


REASON = (
    "requirement error: unsatisfied condition: cuda>=12.8, please update your driver to a newer version, or use an "
    "earlier cuda container"
)
REFUSED = f"""[[ $1 == rm ]] && exit 0
echo "docker: Error response from daemon: failed to create task for container: OCI runtime create failed: error running
prestart hook #0: exit status 1, stdout: , stderr: Auto-detected mode as 'legacy'
nvidia-container-cli: {REASON}{{end}}
{{hint}}" >&2; exit 125"""


@pytest.mark.parametrize(
    ("end", "hint"),
    [("", "\nRun 'docker run --help' for more information"), (": unknown.", ""), ("", "See 'docker run --help'.")],
)
def test_dockers_own_reason_is_reported_and_not_its_hint(step, end, hint):
    step.program("docker", REFUSED.format(end=end, hint=hint))
    script = step.home / "try.sh"
    step.home.mkdir(exist_ok=True)
    script.write_text(
        '. "$TANDEM_DIR/lib.sh"\n. "$TANDEM_DIR/docker.sh"\n'
        'RUN_OPTIONS="" RUN_ENVIRONMENT=""\n'
        'runtime_run name image /file 2>"$TANDEM_DIR/said" || fail "$(runtime_reason "$TANDEM_DIR/said")"\n'
    )
    assert step.run(script, "docker.sh")[1] == f"Docker could not start it on these GPUs: {REASON}"


def bus(root, ids):
    for number, device in enumerate(ids):
        entry = root / f"bus/pci/devices/0000:{number + 1:02x}:00.0"
        entry.mkdir(parents=True)
        for name, value in (("vendor", "0x10de"), ("device", f"0x{device:04x}"), ("class", "0x030200")):
            (entry / name).write_text(f"{value}\n")
    return str(root)


def drive(step, tmp_path, ids, driver, **variables):
    """The driver step where one is installed. Nothing can be installed: apt has no package."""
    step.program("nvidia-smi", f"for n in {' '.join('1' for _ in ids)}; do echo {driver}; done")
    for name in ("apt-get", "apt-cache", "dpkg", "dpkg-query", "apt-mark", "systemctl", "modprobe", "modinfo"):
        step.program(name, "exit 0")
    others = ("nvidia_state.sh", "pci.py", "drivers.py", "package_manager.sh")
    base = {
        "COUNT": str(len(ids)),
        "CUDA": "12.8",
        "BRANCH": "",
        "DRIVER": "present",
        "DRIVER_REPOSITORY": "",
        "ALIBABA_VERSIONS": "",
        "SYSFS": bus(tmp_path / "sys", ids),
    }
    return step.run("nvidia_driver", *others, **{**base, **variables})


@pytest.mark.parametrize(
    ("device", "driver", "variables", "says"),
    [
        (0x2684, "570.133.20", {}, ""),
        (0x26BA, "535.183.01", {}, ""),
        (0x2330, "550.127.08", {"CUDA": "13.0"}, ""),
        (0x2684, "535.183.01", {}, "CUDA 12.8 needs driver branch 570 or newer on these GPUs, this machine has 535.1"),
        (0x2684, "550.127.08", {"CUDA": "13.0"}, "CUDA 13.0 needs driver branch 580 or newer on these GPUs"),
        (0x2330, "545.23.08", {"CUDA": "13.0"}, "CUDA 13.0 needs driver branch 580 or newer on these GPUs"),
        # One that would do, and an older one than asked for: it is to be replaced, and no archive has another.
        (0x26BA, "535.183.01", {"BRANCH": "570", "DRIVER": "packages"}, "no archive of this machine has a driver of"),
        (0x26BA, "580.95.05", {"BRANCH": "570", "DRIVER": "packages"}, ""),
    ],
)
def test_a_driver_is_looked_at_for_this_cuda_on_these_gpus(tmp_path, device, driver, variables, says):
    found, error = drive(Step(tmp_path), tmp_path, [device, device], driver, **variables)
    assert error.startswith(says)
    assert bool(error) == bool(says)
    assert found.get("driver") == (None if says else driver)
