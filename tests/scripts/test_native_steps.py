"""The host's steps on a machine that is lent as it is: run here, with stand-ins of nvidia-smi and Python where said."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.scripts.native_step import Step


@pytest.fixture
def step(tmp_path):
    return Step(tmp_path)


NVIDIA = ("nvidia_state.sh", "drivers.py", "rails.py", "pci.py")
SMI = """case $* in
  *driver_version*) for ((n = 0; n < {gpus}; n++)); do echo {driver}; done ;;
  *ecc*) for ((n = 0; n < {gpus}; n++)); do echo "$n, {errors}"; done ;;
esac"""


def proof(step, gpus=2, driver="580.95.05", errors="0", **variables):
    step.program("nvidia-smi", SMI.format(gpus=gpus, driver=driver, errors=errors))
    return step.run("nvidia_driver_proof", *NVIDIA, **{"COUNT": "2", "CUDA": "13.0", "HCAS": "", **variables})


def test_gpus_that_work_are_counted_by_their_driver(step):
    """Stand-in: a landlord's driver with two GPUs."""
    assert proof(step)[0]["driver"] == "580.95.05"
    assert proof(step, HCAS="=mlx5_0")[0]["hca"] == "=mlx5_0"


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"gpus": 1}, "2 GPUs are expected and the driver shows 1; correct accelerator.perMachine"),
        ({"driver": "550.54.14"}, "the driver is 550.54.14 and CUDA 13.0 needs 580 or newer"),
        ({"driver": "550.54.14", "CUDA": "12.9"}, ""),
        ({"errors": "3"}, "GPU 0 counts 3 uncorrected memory errors"),
        ({"CUDA": "9.0"}, "CUDA 9.0 is not known here"),
    ],
)
def test_gpus_that_will_not_do_are_named(step, state, sentence):
    assert proof(step, **state)[1].startswith(sentence)


SLICES = """case $* in
  *driver_version*) for n in 1 2 3 4 5 6 7 8; do echo 580.95.05; done ;;
  -L)
    for n in 0 1 2 3 4 5 6 7; do echo "GPU $n: NVIDIA H20 (UUID: GPU-0000000$n-aaaa)"; done
    echo "  MIG 1g.10gb     Device  0: (UUID: MIG-11111111-bbbb)" ;;
esac"""


@pytest.mark.parametrize(
    ("count", "devices", "used"),
    [
        ("4", "", "0,1,2,3"),
        ("8", "", "0,1,2,3,4,5,6,7"),
        ("2", "6 7", "6,7"),
        ("2", "GPU-00000007-aaaa GPU-00000002-aaaa", "7,2"),
        ("1", "MIG-11111111-bbbb", "MIG-11111111-bbbb"),
    ],
)
def test_of_more_gpus_the_named_ones_or_the_first_are_used(step, count, devices, used):
    """Stand-in: eight GPUs, one of them with a slice."""
    step.program("nvidia-smi", SLICES)
    found, said = step.run("nvidia_driver_proof", *NVIDIA, COUNT=count, DEVICES=devices, CUDA="13.0", HCAS="")
    assert (found.get("use"), found.get("gpus")) == (used, "8"), said


@pytest.mark.parametrize(
    ("count", "devices", "sentence"),
    [
        ("9", "", "9 GPUs are expected and the driver shows 8"),
        ("1", "8", "accelerator.devices names GPU 8, and the machine has 8, 0 to 7"),
        ("1", "GPU-99999999-aaaa", "accelerator.devices names GPU-99999999-aaaa, which is not on the machine"),
        ("1", "MIG-99999999-bbbb", "accelerator.devices names MIG-99999999-bbbb, which is not on the machine"),
    ],
)
def test_devices_that_are_not_there_are_named(step, count, devices, sentence):
    step.program("nvidia-smi", SLICES)
    said = step.run("nvidia_driver_proof", *NVIDIA, COUNT=count, DEVICES=devices, CUDA="13.0", HCAS="")[1]
    assert said.startswith(sentence)


PINNED = "engine==1 --hash=sha256:aa"


def environment(step, **variables):
    base = {
        "PROGRAMS": "engine",
        "MODULE": "",
        "PYTHON": "",
        "PACKAGES": "",
        "FOLDERS": "",
        "PIP_INDEX": "",
        "SETTING": "native.packages",
    }
    return step.run("environment", "pip.sh", **{**base, **variables})


def test_an_environment_that_is_there_is_used(step, tmp_path):
    step.program("engine", "true")
    python = step.program("python3", 'exec /usr/bin/python3 "$@"')
    found, _ = environment(step, PYTHON=str(python), FOLDERS=f"{tmp_path}/a:{tmp_path}/b")
    assert found["path"] == f"{tmp_path}/a:{tmp_path}/b:{step.programs}"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"PYTHON": "/nowhere/python"}, "native.python: there is no /nowhere/python on this machine"),
        ({"FOLDERS": "/nowhere"}, "there is no program engine on this machine, in /nowhere:"),
        ({"PROGRAMS": "bash", "MODULE": "no_such_module"}, "has no no_such_module; name its environment"),
    ],
)
def test_an_engine_that_is_not_there_is_named(step, variables, sentence):
    assert sentence in environment(step, **variables)[1]


def noting_pip(step, calls):
    """Stand-in: a python3 whose venvs hold a pip that notes its words."""
    pip = f'printf "%s\\n" "$@" >{calls}'
    step.program(
        "python3", f'mkdir -p "$3/bin"; printf "#!/bin/bash\\n%s" \'{pip}\' >"$3/bin/python"; chmod +x "$3/bin/python"'
    )


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("", []),
        ("https://user:pw@mirror.example/simple", ["--index-url", "https://user:pw@mirror.example/simple"]),
        (
            "http://10.0.0.1:8600/simple",
            ["--index-url", "http://10.0.0.1:8600/simple", "--trusted-host", "10.0.0.1:8600"],
        ),
        ("http://u@m/simple", ["--index-url", "http://u@m/simple", "--trusted-host", "m"]),
    ],
)
def test_an_index_with_a_certificate_has_it_looked_at(step, tmp_path, index, words):
    calls = tmp_path / "asked"
    step.program("engine", "true")
    noting_pip(step, calls)
    assert not environment(step, PACKAGES=PINNED, PIP_INDEX=index)[1]
    *said, requirements = calls.read_text().split()
    assert said[said.index("--cache-dir") + 2 :] == [*words, "--requirement"]
    assert Path(requirements).read_text() == f"{PINNED}\n"


def test_packages_with_a_lock_are_those_of_the_lock_alone_and_new_with_another(step, tmp_path):
    calls, lock = tmp_path / "asked", step.dir / "requirements.lock"
    step.program("engine", "true")
    noting_pip(step, calls)
    folders = set()
    for content in (f"{PINNED}\nneeded==2 --hash=sha256:bb", f"{PINNED}\nneeded==3 --hash=sha256:cc"):
        lock.write_text(f"{content}\n")
        found, error = environment(step, PACKAGES="engine==1")
        assert not error
        folders.add(found["path"])
        *words, requirements = calls.read_text().split()
        assert words[-3:] == ["--require-hashes", "--no-deps", "--requirement"]
        assert Path(requirements).read_text() == f"{content}\n"
    assert len(folders) == 2


def test_a_shared_folder_is_looked_at_and_left_as_it_was(step, tmp_path):
    drive = tmp_path / "drive"
    drive.mkdir()
    found, _ = step.run("mounted_storage", FOLDER=str(drive), WRITES="yes")
    assert found["mount"] == str(drive)
    assert not list(drive.iterdir())


@pytest.mark.parametrize(
    ("script", "variables", "sentence"),
    [
        ("mounted_storage", {"FOLDER": "/nowhere", "WRITES": "no"}, "there is no folder /nowhere on this machine"),
        ("mounted_storage", {"FOLDER": "/proc", "WRITES": "yes"}, "root may not write /proc, where the weights go"),
    ],
)
def test_a_shared_folder_that_will_not_do_is_named(step, script, variables, sentence):
    assert step.run(script, **variables)[1].startswith(sentence)


def test_weights_that_others_have_written_are_seen(step, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m/config.json").touch()
    assert step.run("weights_listing", FOLDER=str(tmp_path / "m"))[0] == {"weights": str(tmp_path / "m")}


def test_weights_that_are_only_on_the_first_machine_are_named(step):
    assert (
        "is no folder that the machines share" in step.run("weights_listing", FOLDER="/nowhere/m", WAIT_SECONDS="0")[1]
    )


def copies(step, tmp_path, *, here):
    """What a machine says whose own copy is `here`, where the first machine has a model of two shards."""
    folders = {}
    first = {"config.json": "{}", "sub/a.safetensors": "aaaa", "b.safetensors": "bb", ".cache/x": "note"}
    for name, files in (("first", first), ("here", {**first, **here})):
        folders[name] = tmp_path / name
        for path, text in files.items():
            if text is not None:
                (folders[name] / path).parent.mkdir(parents=True, exist_ok=True)
                (folders[name] / path).write_text(text)
    listed = step.run("weights_listing", "weights_listing.py", FOLDER=str(folders["first"]), LIST="yes")[0]["listed"]
    return step.run(
        "weights_listing", "weights_listing.py", FOLDER=str(folders["here"]), LISTED=listed, WAIT_SECONDS="0"
    )


@pytest.mark.parametrize(
    ("here", "says"),
    [
        ({}, ""),
        ({".cache/x": "another note", ".lock": "x"}, ""),
        ({"sub/a.safetensors": None}, "here lacks sub/a.safetensors; have the same drive mounted on all machines, or"),
        ({"b.safetensors": "b"}, "here holds b.safetensors of 1 bytes, and the first machine's has 2"),
        ({"c.safetensors": "c"}, "here holds c.safetensors, which the first machine has not"),
    ],
)
def test_a_copy_of_the_weights_is_the_first_machines(step, tmp_path, here, says):
    found, error = copies(step, tmp_path, here=here)
    assert says in error
    assert bool(says) == bool(error)
    assert bool(says) != ("weights" in found)


def test_a_folder_with_something_else_in_it_is_no_weights(step, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m/half-of-something.tmp").write_text("x")
    error = step.run("weights_listing", FOLDER=str(tmp_path / "m"), WAIT_SECONDS="0")[1]
    assert "m holds no model, neither a config.json nor GGUF or safetensors files, only half-of-something.tmp;" in error


def mounted(step, tmp_path, options, *, writes):
    """storage.sh where somebody has mounted the folder already; mount programs and the disk's rights are stand-ins."""
    folder = tmp_path / "share"
    folder.mkdir(exist_ok=True)
    step.program("systemd-escape", "echo none-such.mount")
    step.program(
        "findmnt", f"case $* in *OPTIONS*) echo {options} ;; *FSTYPE*) echo ext4 ;; *) echo nas:/share ;; esac"
    )
    step.program("mountpoint", "case $1 in -d) echo 0:1 ;; esac")
    variables = {"SERVER": "nas", "EXPORT": "/share", "MOUNT_POINT": str(folder), "MOUNT_OPTIONS": options}
    return step.run("storage", **variables, **({"WRITES": writes} if writes else {}))


@pytest.mark.parametrize("writes", ["", "no"])
def test_a_share_that_is_only_read_is_never_written(step, tmp_path, writes):
    found, error = mounted(step, tmp_path, "ro,vers=4.1", writes=writes)
    assert not error
    assert found["mount"] == str(tmp_path / "share")
    assert not list((tmp_path / "share").iterdir())


def test_a_share_that_weights_are_written_to_is_tried(step, tmp_path):
    assert not mounted(step, tmp_path, "rw,vers=4.1", writes="yes")[1]
    assert not list((tmp_path / "share").iterdir())
    (tmp_path / "share").rmdir()
    (tmp_path / "share").write_text("so that nothing can be written below it")
    step.program("ls", "true")
    step.program("mkdir", "true")
    for options, says in (
        ("ro", "is mounted read-only, and the weights are downloaded to it; take ro out of storage.options, or"),
        ("rw", "is mounted but can't be written, where the weights go; the export must allow writing by root"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pathlib.Path.mkdir", lambda *_, **__: None)
            assert says in mounted(step, tmp_path, options, writes="yes")[1]


def test_a_mount_points_name_is_a_word_wherever_it_goes(step, tmp_path):
    """The unit, its file, and what `destroy` runs."""
    made = tmp_path / "made"
    point = f"{tmp_path}/x;touch {made};y"
    for name in ("findmnt", "mountpoint"):
        step.program(name, "exit 1")
    step.program("systemd-escape", "echo x.mount")
    step.program("systemctl", "[[ $1 != enable ]]")
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    variables = {"SERVER": "n", "EXPORT": "/", "MOUNT_OPTIONS": "ro", "ETC": str(tmp_path / "etc")}
    assert "can't be mounted" in step.run("storage", MOUNT_POINT=point, **variables)[1]
    for line in (step.home / "undo").read_text().splitlines():
        if line.startswith("rmdir"):
            subprocess.run(["bash", "-c", line], check=False, capture_output=True)
            break
    else:
        raise AssertionError("nothing is undone")
    assert not made.exists()


@pytest.mark.parametrize("name", ["SERVER", "EXPORT", "MOUNT_POINT", "MOUNT_OPTIONS"])
def test_a_line_more_is_no_setting_more_of_the_unit(step, name):
    variables = {"SERVER": "nas", "EXPORT": "/", "MOUNT_POINT": "/mnt/x", "MOUNT_OPTIONS": "ro"}
    variables[name] += "\nExecStartPre=/bin/x"
    assert "has a character that no unit file can carry" in step.run("storage", **variables)[1]


def test_what_a_program_run_once_caches_lies_with_the_stack(step):
    """The collective before the weights: CUDA, Triton and others write where their environment says."""
    step.program("python3", 'printf "%s\n" "$XDG_CACHE_HOME" "$TRITON_HOME" "$CUDA_CACHE_PATH"')
    script = step.home / "run.sh"
    script.write_text(
        '. "$TANDEM_DIR/lib.sh"\n. "$TANDEM_DIR/runtime.sh"\n'
        'RUN_ENVIRONMENT=""\n'
        'seen=$(runtime_run name "" file | sed "s|^$TANDEM_HOME|home|" | paste -sd,)\nresult "seen=$seen"\n'
    )
    found, _ = step.run(script)
    assert found["seen"] == "home/cache,home/cache,home/cache/nv"
