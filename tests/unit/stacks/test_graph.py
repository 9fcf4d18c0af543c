"""The graph that the composition declares, seen through Pulumi's mocks: order, ownership, names.

Mocks prove what is declared. That the engine replaces, deletes and hides accordingly is tested with the
real engine (tests/engine, tests/e2e).
"""

from __future__ import annotations

import hashlib
import json
import socket

import pytest

from components.benchmark import Benchmark
from components.machine import Installation
from components.serving.replica import PROGRAMS
from stacks import measurements
from stacks.load_settings import parse
from stacks.platforms import hosts
from stacks.settings.errors import SettingsError
from tests.support.graph import graph, reaches, step_environment, urn_name
from tests.support.paths import ROOT
from tests.support.settings import values

NATIVE = {"runtime": "native", "storage": {"path": "/datadrive"}}


@pytest.mark.parametrize("executor", ["ray", "mp"])
def test_nothing_happens_on_a_machine_before_its_lease(monkeypatch, tmp_path, executor):
    seen = graph(monkeypatch, tmp_path, executor=executor)
    for name, request in seen.items():
        own = name.startswith("n1-") and not name.startswith("n1-lease")
        if own and request.type.startswith(("command:", "docker:index")):
            assert reaches(seen, name, "n1-lease"), name


@pytest.mark.parametrize("executor", ["ray", "mp"])
def test_everything_on_a_machine_goes_with_its_lease(monkeypatch, tmp_path, executor):
    seen = graph(monkeypatch, tmp_path, executor=executor)
    for name, request in seen.items():
        on_machine = request.type.startswith(("command:", "docker:index")) and name.startswith(("n0-", "n1-"))
        if on_machine and not name.endswith("-lease"):
            assert urn_name(request.deletedWith).endswith("-lease"), name


def test_machines_are_prepared_side_by_side(monkeypatch, tmp_path):
    """No step of one machine's preparation waits for another machine."""
    seen = graph(monkeypatch, tmp_path)
    assert not reaches(seen, "n1-prepare-run", "n0-lease")
    assert not reaches(seen, "n0-prepare-run", "n1-lease")


def test_weights_do_not_wait_for_images_nor_images_for_weights(monkeypatch, tmp_path):
    seen = graph(monkeypatch, tmp_path)
    assert not reaches(seen, "n0-weights-run", "n0-engine-image")
    assert not reaches(seen, "n0-ray", "n0-weights-run")


@pytest.mark.parametrize("executor", ["ray", "mp"])
def test_the_engine_waits_for_weights_and_the_answer_for_the_engine(monkeypatch, tmp_path, executor):
    seen = graph(monkeypatch, tmp_path, executor=executor)
    assert reaches(seen, "n0-engine", "n0-weights-done")
    assert reaches(seen, "answer-asked", "n0-engine-ready-done")
    assert reaches(seen, "answer-asked", "n0-gateway")
    if executor == "ray":
        assert reaches(seen, "n0-engine", "n0-ray-count-done")
        assert reaches(seen, "n0-ray-count-run", "n1-ray")
    else:
        assert "n0-ray" not in seen
        assert reaches(seen, "n0-engine-ready-run", "n1-engine")


def test_a_third_machine_changes_nothing_about_the_first_two(monkeypatch, tmp_path):
    """What a step does on a machine depends on that machine: its preparation isn't run again."""
    inputs = []
    for machines in (2, 3):
        seen = graph(monkeypatch, tmp_path, machines=machines)
        inputs.append(
            {name: r.object.fields["create"].string_value for name, r in seen.items() if name.endswith("-prepare-run")}
        )
    assert len(inputs[0]) == 2
    assert inputs[0].items() <= inputs[1].items()


def test_children_hang_below_their_component(monkeypatch, tmp_path):
    """Only components, the leases and the pulled images stand at the top."""
    seen = graph(monkeypatch, tmp_path)
    top = {name for name, r in seen.items() if urn_name(r.parent) in ("tandem-t", "")}
    alone = {n for n in top if not seen[n].type.startswith(("tandem:", "pulumi:"))}
    assert alone == {"n0-lease", "n1-lease", "n0-engine-image", "n1-engine-image", "gateway-image"}


def test_a_machine_costs_ten_resources(monkeypatch, tmp_path):
    """What a preview of many machines costs grows with this number."""
    two, three = (len(graph(monkeypatch, tmp_path, machines=n, executor="mp")) for n in (2, 3))
    assert three - two <= 10


@pytest.mark.parametrize("runtime", [None, NATIVE])
def test_an_engine_starts_when_every_machine_has_its_programs(monkeypatch, tmp_path, runtime):
    seen = graph(monkeypatch, tmp_path, executor="mp", runtime=runtime)
    programs = "engine-environment-done" if runtime else "engine-whole-done"
    for engine in ("n0-engine", "n1-engine"):
        assert {name for name in ("n0", "n1") if reaches(seen, engine, f"{name}-{programs}")} == {"n0", "n1"}


@pytest.mark.parametrize("runtime", [None, NATIVE])
def test_no_property_of_an_engine_takes_a_value_from_another_machines_step(monkeypatch, tmp_path, runtime):
    """Each would be a dependency of its own, on each machine: what a preview costs grew with their square."""
    seen = graph(monkeypatch, tmp_path, machines=3, executor="mp", runtime=runtime)
    needed = {urn_name(urn) for found in seen["n1-engine"].propertyDependencies.values() for urn in found.urns}
    assert "n1-prepare-done" in needed
    assert not [name for name in needed if name.startswith(("n0-prepare", "n2-"))]


def test_a_program_of_a_container_is_named_and_does_not_pass_through_the_state(monkeypatch, tmp_path):
    uploads = graph(monkeypatch, tmp_path, executor="mp")["n1-engine"].object.fields["uploads"].list_value.values
    found = {each.struct_value.fields["file"].string_value: each.struct_value.fields for each in uploads}
    programs = {path: fields for path, fields in found.items() if path.endswith(".py")}
    assert programs.keys() == {f"/tandem/{name}" for name in PROGRAMS}
    for fields in programs.values():
        content = (ROOT / fields["source"].string_value).read_bytes()
        assert fields["sourceHash"].string_value == hashlib.sha256(content).hexdigest()
        assert "content" not in fields


def test_the_key_is_in_no_plain_property(monkeypatch, tmp_path):
    seen = graph(monkeypatch, tmp_path)
    marker = "4dabf18193072939515e22adb298388d"  # how the engine marks a secret
    for name, request in seen.items():
        for key, value in request.object.fields.items():
            if key == "stdin":
                assert marker in json.dumps(list(value.struct_value.fields)), name


def parents_and_order(seen):
    """Workloads by name: what they hang below, and which of each other they wait for, over any number of others."""
    found = {}
    workloads = [n for n in seen if n.endswith(("-engine", "-ray", "-gateway", "-engine-ready-run", "answer-asked"))]
    for name in workloads:
        after = {other for other in workloads if other != name and reaches(seen, name, other)}
        found[name] = (urn_name(seen[name].parent), after)
    return found


@pytest.mark.parametrize("executor", ["ray", "mp"])
def test_processes_stand_where_containers_would(monkeypatch, tmp_path, executor):
    """The same names, below the same components, in the same order: only what they are differs."""
    containers = graph(monkeypatch, tmp_path, executor=executor)
    processes = graph(monkeypatch, tmp_path, executor=executor, runtime=NATIVE)
    assert parents_and_order(processes) == parents_and_order(containers)
    assert {processes[n].type for n in ("n0-engine", "n0-gateway")} == {"command:remote:Command"}
    assert not [
        r.type for r in processes.values() if r.type.startswith("docker:") or r.type == "pulumi:providers:docker"
    ]


def test_a_machine_that_is_lent_is_neither_tuned_nor_given_packages_nor_mounts(monkeypatch, tmp_path):
    seen = graph(monkeypatch, tmp_path, executor="mp", runtime=NATIVE)
    steps = {n for n in seen if n.startswith("n1-") and (n == "n1-engine" or n.endswith("-run"))}
    assert steps == {"n1-prepare-run", "n1-engine-environment-run", "n1-weights-seen-run", "n1-engine"}
    for name in steps:
        assert not seen[name].object.fields["create"].string_value.startswith("sudo")
        assert urn_name(seen[name].deletedWith) == "n1-lease"
        assert reaches(seen, name, "n1-lease")
    assert reaches(seen, "n1-engine", "n1-weights-seen-run")
    assert reaches(seen, "n1-weights-seen-run", "n0-weights-done")


@pytest.mark.parametrize("runtime", [None, NATIVE])
def test_the_page_is_an_output_when_it_has_been_logged_in_to_after_the_answer(monkeypatch, tmp_path, runtime):
    page = {"enabled": True, "allowedCidrs": ["192.0.2.0/24"]}
    seen = graph(monkeypatch, tmp_path, executor="mp", runtime=runtime, webui=page)
    assert reaches(seen, "webui-login-tried", "n0-webui")
    assert reaches(seen, "webui-login-tried", "answer-asked")
    assert not reaches(seen, "answer-asked", "n0-webui")
    assert "n1-webui" not in seen
    marker = "4dabf18193072939515e22adb298388d"
    hidden = seen["n0-webui"].object.fields["stdin" if runtime else "uploads"]
    assert marker in str(hidden)


def test_without_the_setting_there_is_no_page(monkeypatch, tmp_path):
    assert not [name for name in graph(monkeypatch, tmp_path) if "webui" in name]


def test_weights_on_each_machines_own_disk_are_looked_at_on_each_and_nothing_is_mounted(monkeypatch, tmp_path):
    own = {"storage": {"path": "/data/models", "export": "/"}, "model": {"source": "path", "id": "M"}}
    seen = graph(monkeypatch, tmp_path, executor="mp", runtime=own)
    assert reaches(seen, "n1-engine", "n1-weights-seen-run")
    assert reaches(seen, "n1-weights-seen-run", "n0-weights-listed-run")
    assert reaches(seen, "n0-weights-listed-run", "n0-weights-done")
    assert {"n0-prepare-run", "n1-prepare-run"} <= seen.keys()
    volumes = str(seen["n1-engine"].object.fields["volumes"])
    assert "/data/models" in volumes


def test_weights_on_a_share_are_looked_at_once(monkeypatch, tmp_path):
    assert not [name for name in graph(monkeypatch, tmp_path) if "weights-seen" in name or "weights-listed" in name]


def test_what_is_half_made_is_made_anew_by_the_next_up(monkeypatch, tmp_path):
    seen = graph(monkeypatch, tmp_path)
    docker = [
        r for r in seen.values() if r.type.startswith("docker:") and not r.type.startswith("docker:index/provider")
    ]
    assert {r.type.rsplit(":", 1)[-1] for r in docker} == {"Container", "RemoteImage"}
    assert all("#initerror" in r.replaceOnChanges for r in docker)


def test_a_ssh_agent_that_is_gone_is_reported_before_anything_is_declared(monkeypatch, tmp_path):
    """Pulumi's command plugin asks it before each remote command, whichever key is given, and fails."""
    gone = tmp_path / "agent"
    monkeypatch.setenv("SSH_AUTH_SOCK", str(gone))
    with pytest.raises(SettingsError, match=f"no SSH agent answers at {gone} .*`unset SSH_AUTH_SOCK`"):
        graph(monkeypatch, tmp_path)
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(gone))
        agent.listen()
        assert graph(monkeypatch, tmp_path)


def test_an_rsa_host_key_alone_is_refused_with_the_command_that_adds_another(monkeypatch, tmp_path):
    known = tmp_path / "known"
    known.write_text("10.0.0.1 ssh-rsa AAAAB3NzaC1yc2EAAAA=\n")
    settings = parse(
        values(
            machines=[{"name": f"n{n}", "address": f"10.0.0.{n + 1}"} for n in range(2)],
            ssh={"privateKeyFile": str(tmp_path / "known"), "knownHostsFile": str(known)},
        )
    )
    with pytest.raises(SettingsError) as caught:
        hosts.machines(settings, "tandem-t", Installation())
    assert "only a key of type ssh-rsa for n0 (10.0.0.1)" in str(caught.value)
    assert f"ssh-keyscan -t ed25519 -p 22 10.0.0.1 >> {known}" in str(caught.value)


def test_load_is_put_on_the_engine_after_its_first_completion_where_it_is_asked_for(monkeypatch, tmp_path):
    assert not [name for name in graph(monkeypatch, tmp_path) if "benchmark" in name]
    seen = graph(monkeypatch, tmp_path, benchmark="quick")
    assert reaches(seen, "n0-benchmark-run", "answer-asked")
    assert step_environment(seen["n0-benchmark-run"])["LEVELS"].startswith("1:1024:128:8 16:")


def test_a_measurement_is_kept_with_the_very_words_that_the_engine_gets(monkeypatch, tmp_path):
    monkeypatch.setattr("tests.support.graph.RECORDED", {})
    kept: list[list[str]] = []

    class Seen(Benchmark):
        def __init__(self, *args, arguments, **more):
            arguments.apply(kept.append)
            super().__init__(*args, arguments=arguments, **more)

    monkeypatch.setattr(measurements, "Benchmark", Seen)
    more = {"tensorParallelSize": 1, "dataParallelSize": 2}
    seen = graph(monkeypatch, tmp_path, executor="mp", benchmark="quick", **more)
    command = list(seen["n0-engine"].object.fields["command"].list_value)
    assert kept == [command[command.index("--") + 1 :]]
    assert "--data-parallel-size=2" in kept[0]


def test_a_setting_that_the_engine_has_nothing_to_do_with_measures_nothing_again(monkeypatch, tmp_path):
    """Its step is the same to the letter."""
    page = {"enabled": True, "allowedCidrs": ["10.0.0.0/8"]}
    made = [graph(monkeypatch, tmp_path, benchmark="quick", webui=webui) for webui in (None, page)]
    first, second = (seen["n0-benchmark-run"].object.fields["create"] for seen in made)
    assert first == second
