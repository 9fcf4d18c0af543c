"""Native packages come with a lock where the stack names none: the versions of stacks/versions.py, with hashes."""

import pytest

from components.serving import find_engine
from stacks import versions
from stacks.load_settings import parse
from stacks.programs import engine_programs, webui_programs
from tests.support.settings import values

NATIVE = {"runtime": "native", "storage": {"path": "/data"}}
LOCKED = {**versions.ENGINE_PACKAGES, "open-webui": versions.WEBUI_PACKAGES}


@pytest.mark.parametrize("name", sorted(LOCKED))
def test_a_lock_is_of_the_version_that_counts_for_both_processors(name):
    requirements = {
        line for line in (versions.LOCKS / f"{name}.in").read_text().splitlines() if not line.startswith("#")
    }
    assert requirements == {*LOCKED[name], *([versions.RAY_PACKAGE] if name == "vllm" else [])}
    lock = (versions.LOCKS / f"{name}.lock").read_text()
    for requirement in requirements:
        assert f"\n{requirement} \\\n" in f"\n{lock}", "another version, or only for some platforms"


def of_engine(**changes):
    settings = parse(values(**NATIVE, **changes))
    found = engine_programs(settings, find_engine(settings.serving.engine, settings.serving.executor)).environment
    return found and found.lock


def test_an_environment_has_its_lock_unless_the_stack_names_one_of_its_own():
    assert of_engine() == versions.LOCKS / "vllm.lock"
    assert of_engine(native={"packages": list(versions.ENGINE_PACKAGES["vllm"])}) == versions.LOCKS / "vllm.lock"
    assert of_engine(native={"packages": ["vllm==0.32.0"]}) is None
    assert of_engine(native={"packages": [*versions.ENGINE_PACKAGES["vllm"], "more==1"]}) is None
    assert of_engine(native={"python": "/opt/conda/bin/python"}) is None
    assert of_engine(native={"path": ["/opt/engine/bin"]}) is None


@pytest.mark.parametrize(("packages", "locked"), [({}, True), ({"packages": ["open-webui==0.1"]}, False)])
def test_the_page_has_its_lock_unless_the_stack_names_other_packages(packages, locked):
    webui = {"enabled": True, "allowedCidrs": ["10.0.0.0/8"], **packages}
    environment = webui_programs(parse(values(**NATIVE, webui=webui))).environment
    assert environment is not None
    assert environment.lock == (versions.LOCKS / "open-webui.lock" if locked else None)
