"""The host's steps on a machine that is lent as it is: run here, with stand-ins of nvidia-smi and Python where said."""

from __future__ import annotations

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


def proof(step, gpus=2, driver="580.95.05", errors="0", **told):
    step.program("nvidia-smi", SMI.format(gpus=gpus, driver=driver, errors=errors))
    return step.run("native_nvidia", *NVIDIA, **{"COUNT": "2", "CUDA": "13.0", "HCAS": "", **told})


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


def environment(step, **told):
    base = {"PROGRAMS": "engine", "MODULE": "", "PYTHON": "", "PACKAGES": "", "FOLDERS": "", "PIP_INDEX": ""}
    return step.run("environment", "pip.sh", **{**base, **told})


def test_an_environment_that_is_there_is_used(step, tmp_path):
    step.program("engine", "true")
    python = step.program("python3", 'exec /usr/bin/python3 "$@"')
    found, _ = environment(step, PYTHON=str(python), FOLDERS=f"{tmp_path}/a:{tmp_path}/b")
    assert found["path"] == f"{tmp_path}/a:{tmp_path}/b:{step.programs}"


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"PYTHON": "/nowhere/python"}, "native.python: there is no /nowhere/python on this machine"),
        ({"FOLDERS": "/nowhere"}, "there is no program engine on this machine, in /nowhere:"),
        ({"PROGRAMS": "bash", "MODULE": "no_such_module"}, "has no no_such_module; name its environment"),
    ],
)
def test_an_engine_that_is_not_there_is_named(step, told, sentence):
    assert sentence in environment(step, **told)[1]


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
    """Stand-in: a python3 whose venvs hold a pip that notes its words."""
    asked = tmp_path / "asked"
    step.program("engine", "true")
    pip = f'printf "%s\\n" "$@" >{asked}'
    step.program(
        "python3", f'mkdir -p "$3/bin"; printf "#!/bin/bash\\n%s" \'{pip}\' >"$3/bin/python"; chmod +x "$3/bin/python"'
    )
    assert not environment(step, PACKAGES="engine==1", PIP_INDEX=index)[1]
    said = asked.read_text().split()
    assert said[said.index("--cache-dir") + 2 :] == [*words, "engine==1"]


def test_a_shared_folder_is_looked_at_and_left_as_it_was(step, tmp_path):
    drive = tmp_path / "drive"
    drive.mkdir()
    found, _ = step.run("native_storage", FOLDER=str(drive), WRITES="yes")
    assert found["mount"] == str(drive)
    assert not list(drive.iterdir())


@pytest.mark.parametrize(
    ("script", "told", "sentence"),
    [
        ("native_storage", {"FOLDER": "/nowhere", "WRITES": "no"}, "there is no folder /nowhere on this machine"),
        ("native_storage", {"FOLDER": "/proc", "WRITES": "yes"}, "root may not write /proc, where the weights go"),
    ],
)
def test_a_shared_folder_that_will_not_do_is_named(step, script, told, sentence):
    assert step.run(script, **told)[1].startswith(sentence)


def test_weights_that_others_have_written_are_seen(step, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m/config.json").touch()
    assert step.run("native_weights", FOLDER=str(tmp_path / "m"))[0] == {"weights": str(tmp_path / "m")}


def test_weights_that_are_only_on_the_first_machine_are_named(step):
    step.program("sleep", "true")
    assert "is no folder that the machines share" in step.run("native_weights", FOLDER="/nowhere/m")[1]


def test_what_a_program_of_the_room_caches_lies_with_the_stack(step):
    """The collective before the weights: CUDA, Triton and others write where their environment says."""
    step.program("python3", 'printf "%s\n" "$XDG_CACHE_HOME" "$TRITON_HOME" "$CUDA_CACHE_PATH"')
    script = step.home / "run.sh"
    script.write_text(
        '. "$TANDEM_DIR/lib.sh"\n. "$TANDEM_DIR/room.sh"\n'
        'seen=$(room_run name "" "" "" file | sed "s|^$TANDEM_HOME|home|" | paste -sd,)\nresult "seen=$seen"\n'
    )
    found, _ = step.run(script)
    assert found["seen"] == "home/cache,home/cache,home/cache/nv"
