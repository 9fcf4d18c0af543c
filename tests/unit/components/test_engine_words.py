"""Each engine's processes over machines, and the splits it refuses."""

from __future__ import annotations

import ipaddress
from typing import get_args

import pytest

from components.serving import EngineName, ServeArgs, find_engine
from components.serving.engine import GROUP_PORT, Peer
from planner import Refusal

NODES = [Peer("10.20.0.1", 8), Peer("10.20.0.2", 8)]
ENGINES = get_args(EngineName)


def args(tp=16, pp=1, **more):
    return ServeArgs("m", tp, pp, max_model_len=512, **more)


def words(engine, nodes=NODES, executor="ray", **more):
    return [list(p.argv) for p in find_engine(engine, executor).processes(args(**more), "/w", nodes)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("executor", ["ray", "mp"])
def test_an_engine_gives_one_process_a_container_and_its_api_on_loopback(engine, executor):
    kind = find_engine(engine, executor)
    nodes = NODES[:1] if engine == "ollama" else NODES
    found = words(engine, nodes, executor)
    assert len(found) == (1 if kind.ray_resource else len(nodes))
    assert not any("0.0.0.0" in word for one in found for word in one)  # noqa: S104  # nothing binds here
    assert str(args().port) in " ".join(found[0])
    assert GROUP_PORT not in kind.ports.values()


@pytest.mark.parametrize("engine", [e for e in ENGINES if e != "tensorrt-llm"])
def test_the_users_words_come_last(engine):
    assert words(engine, NODES[:1], arguments=("x=y",))[0][-1] == "x=y"


@pytest.mark.parametrize("engine", ENGINES)
def test_every_machine_gets_its_own_interface_and_no_other(engine):
    variables = find_engine(engine).environment("10.20.0.2", "bond0", 8)
    assert "eth0" not in variables.values()
    assert any(name.endswith("_SOCKET_IFNAME") for name in variables) == (engine not in ("llamacpp", "ollama"))


def test_llamacpp_waits_for_every_rpc_server():
    head, *others = find_engine("llamacpp").processes(args(1, 16), "/w", NODES)
    assert list(head.after) == ["10.20.0.2:50052"]
    assert [list(p.argv)[:3] for p in others] == [["ggml-rpc-server", "--host", "10.20.0.2"]]


def test_mpi_gets_a_network_that_holds_all_machines_and_not_more_than_needed():
    nodes = [Peer(f"10.20.{n}.9", 4) for n in (0, 1, 2)]
    found = words("tensorrt-llm", nodes, tp=12)[0]
    network = ipaddress.IPv4Network(found[found.index("oob_tcp_if_include") + 1])
    assert all(ipaddress.IPv4Address(n.address) in network for n in nodes)
    assert network.prefixlen == 22
    assert found[found.index("-np") + 1] == "12"
    assert "ppr:4:node" in found


@pytest.mark.parametrize(
    ("engine", "executor", "split", "machines", "code"),
    [
        ("llamacpp", "mp", (1, 16), (8, 8), "too_many_rpc_devices"),
        ("llamacpp", "mp", (2, 7), (7, 7), "no_tensor_parallelism"),
        ("ollama", "mp", (1, 14), (7, 7), "one_machine_only"),
        ("sglang", "mp", (3, 1), (2, 1), "uneven_machines"),
        ("vllm", "mp", (4, 1), (3, 1), "uneven_machines"),
        ("vllm", "ray", (16, 2), (8, 8), "too_few_accelerators"),
        ("tensorrt-llm", "mp", (32, 1), (8, 8), "too_few_accelerators"),
        ("vllm-ascend", "ray", (32, 1), (8, 8), "too_few_accelerators"),
    ],
)
def test_a_split_that_the_engine_cannot_run_is_refused(engine, executor, split, machines, code):
    with pytest.raises(Refusal) as caught:
        find_engine(engine, executor).check(args(*split), machines)
    assert caught.value.code == code
    assert caught.value.remedy


def test_ray_takes_machines_of_unequal_size():
    find_engine("vllm", "ray").check(args(4, 1), (3, 1))


@pytest.mark.parametrize(
    ("engine", "name", "value"),
    [
        ("vllm", "VLLM_ENGINE_READY_TIMEOUT_S", "7200"),
        ("vllm-ascend", "VLLM_ENGINE_READY_TIMEOUT_S", "7200"),
        ("sglang", "SGLANG_WARMUP_TIMEOUT", "7200"),
        ("ollama", "OLLAMA_LOAD_TIMEOUT", "7200s"),
    ],
)
def test_the_time_to_the_first_completion_is_the_engines_own_limit_too(engine, name, value):
    assert find_engine(engine).variables(args(ready_timeout=7200), (8, 8))[name] == value


@pytest.mark.parametrize(
    ("executor", "split", "machines", "over"),
    [
        ("mp", (4, 1), (2, 2), True),
        ("mp", (2, 2), (2, 2), False),
        ("mp", (2, 1), (1, 1), True),
        ("mp", (4, 1), (4,), False),
        ("mp", (8, 2), (8, 8), False),
        ("ray", (16, 1), (8, 8), True),
        ("ray", (2, 3), (4, 2), False),
        ("ray", (4, 2), (6, 2), True),
    ],
)
def test_symmetric_memory_is_off_where_a_tensor_parallel_group_lies_on_several_machines(
    executor, split, machines, over
):
    """There its ranks pass file descriptors to each other, and those on another machine are waited for for ever."""
    variables = find_engine("vllm", executor).variables(args(*split), machines)
    assert variables.get("VLLM_ALLREDUCE_USE_SYMM_MEM") == ("0" if over else None)


def test_sglang_counts_data_parallel_ranks_as_parts_of_its_tensor_parallel_size():
    found = words("sglang", tp=2, data_parallel_size=8, expert_parallel=True)
    for one in found:
        assert {"--tensor-parallel-size=16", "--dp-size=8", "--enable-dp-attention", "--ep-size=16"} <= set(one)
    assert "--nnodes=2" in found[0]
    engine, split = find_engine("sglang"), args(2, data_parallel_size=8)
    engine.check(split, (8, 8))
    assert engine.port_count(split, (8, 8)) == 14
    assert "--dist-init-addr=10.20.0.1:29501" in words("sglang", NODES[:1], tp=1, data_parallel_size=8)[0]


@pytest.mark.parametrize("engine", ["llamacpp", "ollama", "tensorrt-llm", "vllm-mindspore"])
@pytest.mark.parametrize(
    ("more", "name"),
    [({"data_parallel_size": 2}, "data_parallel_size"), ({"expert_parallel": True}, "enable_expert_parallel")],
)
def test_engines_without_data_or_expert_parallelism_say_so_by_name(engine, more, name):
    with pytest.raises(Refusal, match=f"{engine} has no") as caught:
        find_engine(engine).check(args(1, **more), (1, 1))
    assert [change.setting for change in caught.value.changes] == [name]


@pytest.mark.parametrize(
    ("engine", "executor", "split", "machines", "code"),
    [
        ("vllm", "mp", {"tp": 3, "data_parallel_size": 4}, (6, 6), None),
        ("vllm", "mp", {"tp": 4, "data_parallel_size": 3}, (6, 6), "copies_not_whole"),
        ("vllm", "mp", {"tp": 4, "data_parallel_size": 2}, (2, 2, 2, 2), "ranks_span_machines"),
        ("vllm", "mp", {"tp": 4, "data_parallel_size": 2, "expert_parallel": True}, (2, 2, 2, 2), None),
        ("vllm", "ray", {"tp": 4, "data_parallel_size": 2}, (2, 2, 2, 2), None),
        ("vllm", "mp", {"tp": 8, "data_parallel_size": 3}, (8, 8), "too_few_accelerators"),
        ("sglang", "mp", {"tp": 1, "data_parallel_size": 3}, (2, 1), "uneven_machines"),
        ("vllm-ascend", "mp", {"tp": 8, "data_parallel_size": 2}, (8, 8), None),
    ],
)
def test_where_data_parallel_ranks_can_lie(engine, executor, split, machines, code):
    kind, sizes = find_engine(engine, executor), args(**split)
    if code is None:
        kind.check(sizes, machines)
        return
    with pytest.raises(Refusal) as caught:
        kind.check(sizes, machines)
    assert caught.value.code == code
    assert caught.value.changes
