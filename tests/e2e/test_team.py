"""Virtual keys for a team on a real machine: LiteLLM from its package, Debian's PostgreSQL, the gateway, an engine.

Real are LiteLLM, PostgreSQL, Caddy, llama.cpp and Docker; what stands in for what is as in tests/scripts/test_team.py,
which has budgets, limits and faults. One deployment is changed step by step, so the tests run in this order.
"""

from __future__ import annotations

import json

import pytest

from stacks import backup
from tests.support.deployment import Deployment, Reply, fetch
from tests.support.team_image import LITELLM_IMAGE, POSTGRES_IMAGE, ensure_team_images
from tests.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.long, pytest.mark.timeout(1800)]

MODEL, ALIAS = "tiny-qwen2", "gpt-4o"
PRICE = 1000.0
"""Of a million tokens: a token counts 0.001."""
PROXY, DATABASE = "tandem-test-node-0-team", "tandem-test-node-0-team-database"
DATA = "/var/lib/tandem/data/tandem-test/team"
BACK_SECONDS = 400
"""LiteLLM takes half a minute of one processor to start; the tests' share of one may be a tenth."""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("team")
    made = Deployment(folder, "tandemq", "10.90.0.0/24", ["node-0"], engines=["llamacpp"], images=ensure_team_images())
    yield made
    made.close()


def up(deployment, **team):
    registry = deployment.config["images"]["engine"].partition("/")[0]
    deployment.config["serving"] = {
        "engine": "llamacpp",
        "tensorParallelSize": 1,
        "maxModelLen": 512,
        "arguments": ["--threads", "1"],
    }
    mounts = ["/opt/tandem/engine/usr:/usr:ro", "/opt/tandem/llamacpp:/usr/local/bin:ro"]
    section = {
        "enabled": True,
        "allowedCidrs": [deployment.subnet.replace(".0/24", ".1/32")],
        "aliases": [ALIAS],
        "inputPrice": PRICE,
        "outputPrice": PRICE,
        "image": f"{registry}/{LITELLM_IMAGE}",
        "databaseImage": f"{registry}/{POSTGRES_IMAGE}",
        **team,
    }
    return deployment.up(
        timeout=1500,
        model={"id": "tandem/tiny-qwen2-gguf", "servedName": MODEL},
        images={"engine": f"{registry}/tandem/llamacpp-cpu:b11434", "mounts": mounts},
        gateway={"team": section},
    )


@pytest.fixture(scope="module")
def stack(deployment):
    """The outputs of a deployment that stands."""
    up(deployment).good()
    return deployment.outputs()


def admin(stack, path: str, body: dict[str, object] | None = None) -> Reply:
    data = None if body is None else json.dumps(body).encode()
    return fetch(stack["teamUrl"] + path, stack["teamKey"], data, stack["apiCa"])


def new_key(stack, **options: object) -> str:
    reply = admin(stack, "/key/generate", options)
    assert reply.code == 200, reply.body
    return str(json.loads(reply.body)["key"])


def ask(stack, key: str, model: str = MODEL, path: str = "/chat/completions", tokens: int = 8) -> Reply:
    question = {"model": model, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": tokens}
    return fetch(stack["apiUrl"] + path, key, json.dumps(question).encode(), stack["apiCa"])


def spent(stack, key: str) -> float:
    return float(json.loads(admin(stack, f"/key/info?key={key}").body)["info"]["spend"])


def test_the_page_of_keys_is_an_output_when_it_has_its_database_and_shows_the_model(deployment, stack):
    address = deployment.machine("node-0").record.address
    assert stack["teamUrl"] == f"https://{address}:4000"
    assert stack["teamKey"].startswith("sk-")
    page = fetch(f"{stack['teamUrl']}/ui/", authority=stack["apiCa"])
    assert (page.code, "<html" in page.body) == (200, True)
    assert admin(stack, "/key/list").code == 200
    assert fetch(f"{stack['teamUrl']}/key/list", "sk-wrong", authority=stack["apiCa"]).code == 401
    # What makes keys is on that port alone.
    assert (
        fetch(stack["apiUrl"].removesuffix("/v1") + "/key/list", stack["teamKey"], authority=stack["apiCa"]).code == 404
    )


def test_containers_are_unprivileged_and_no_secret_is_in_a_list_of_them(deployment, stack):
    format_ = "{{.Config.User}} {{json .HostConfig.CapDrop}} {{.HostConfig.Privileged}}"
    for name, user in ((PROXY, "65532:65532"), (DATABASE, "999:999")):
        seen = deployment.ssh("node-0", f"docker inspect --format '{format_}' {name}").split()
        assert seen == [user, '["ALL"]', "false"]
    listed = deployment.ssh("node-0", "docker ps -q | xargs docker inspect; cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert not [name for name in ("teamKey", "teamSaltKey") if stack[name] in listed]
    listening = deployment.ssh("node-0", "ss -Hltn '( sport = :4180 or sport = :4181 )'")
    assert {line.split()[3] for line in listening.splitlines()} == {"127.0.0.1:4180", "127.0.0.1:4181"}


def test_a_virtual_key_is_answered_by_any_of_the_model_s_names_and_its_usage_is_seen(stack):
    key = new_key(stack, key_alias="alice", max_budget=1)
    assert {ask(stack, key, name).code for name in (MODEL, ALIAS)} == {200}
    assert ask(stack, "sk-wrong").code == 401
    assert ask(stack, stack["apiKey"]).code == 200
    until(lambda: spent(stack, key) > 0, 120)


def test_an_up_without_changes_runs_nothing(deployment, stack):
    assert up(deployment).good().changed() == set()


def test_what_is_backed_up_is_what_is_there_after_a_restore(deployment, stack, monkeypatch, tmp_path):
    for name, value in deployment.environment.items():
        monkeypatch.setenv(name, value)
    deployment.ssh("node-0", "true")  # writes the known hosts that the output names
    before = new_key(stack, key_alias="before")
    file = tmp_path / "team.dump"
    assert backup.main(["test", "--to", str(file)]) == 0
    assert file.stat().st_mode & 0o077 == 0
    after = new_key(stack, key_alias="after")
    assert (ask(stack, before).code, ask(stack, after).code) == (200, 200)
    assert backup.main(["test", "--restore", str(file)]) == 0
    until(lambda: ask(stack, before).code == 200, BACK_SECONDS)
    assert ask(stack, after).code == 401


def test_destroy_keeps_the_data_and_a_later_deployment_finds_it(deployment, stack):
    key = new_key(stack, key_alias="kept")
    said = deployment.destroy().good().text
    assert f"kept the team's database in {DATA}" in said
    assert not deployment.ssh("node-0", "docker ps -aq; ls /var/lib/tandem/tandem-test 2>/dev/null; true").strip()
    up(deployment).good()
    again = deployment.outputs()
    assert again["teamKey"] != stack["teamKey"]
    assert ask(again, key).code == 200


def test_without_keep_destroy_leaves_nothing(deployment):
    changed = up(deployment, keep=False).good().changed()
    assert changed == {"node-0-team-data-run"}
    deployment.destroy().good()
    assert not deployment.ssh("node-0", "docker ps -aq; ls /var/lib/tandem 2>/dev/null; true").strip()
