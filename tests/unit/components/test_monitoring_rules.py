"""The alert rules by Prometheus' own promtool: each fires in its trouble, alone, and none in an hour of idle or load.

promtool is Debian's (package prometheus); times are minutes of made-up series, nothing waits.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from localcloud.fixtures.prometheus import ensure_prometheus
from tests.support.paths import ROOT

RULES = sorted((ROOT / "components/monitoring/files/rules").glob("*.yml"))
BEGIN, LENGTH = 20, 50
"""Minutes: when trouble begins, and how much of it is looked at."""
HOUR = 61
DAY = 86400.0


def constant(value, later=None):
    """One value, and from BEGIN on another."""
    return [value] * BEGIN + [value if later is None else later] * (HOUR - BEGIN)


def rising(each, later=None):
    """A counter: so much more each minute, and from BEGIN on so much."""
    found, now = [], 0.0
    for minute in range(HOUR):
        found.append(now)
        now += each if minute < BEGIN or later is None else later
    return found


def healthy(load):
    """What a deployment of two machines with a GPU each shows, by series."""
    full = load == "full"
    first, second = '{machine="n0"}', '{machine="n1"}'
    found = {
        'up{job="engine",machine="n0"}': constant(1),
        'up{job="gateway",machine="n0"}': constant(1),
        f"vllm:num_requests_running{first}": constant(64 if full else 0),
        # All clients at once after ten minutes: what waits is much, and no more each minute.
        f"vllm:num_requests_waiting{first}": [0] * 10 + [60, 62, 58] * 17 if full else constant(0),
        f"vllm:kv_cache_usage_perc{first}": constant(0.93 if full else 0),
        f"vllm:num_preemptions_total{first}": rising(2 if full else 0),
        f"vllm:generation_tokens_total{first}": rising(90000 if full else 0),
        f"vllm:prompt_tokens_total{first}": rising(200000 if full else 0),
        f"tandem_certificate_expiry_timestamp_seconds{first}": constant(60 * DAY),
        f"tandem_certificate_lifetime_seconds{first}": constant(90 * DAY),
    }
    for name, at in (("n0", first), ("n1", second)):
        rank, gpu = f'{{machine="{name}",rank="{name[1]}",state="%s"}}', f'{{machine="{name}",gpu="0"}}'
        found |= {
            f'up{{job="node",machine="{name}"}}': constant(1),
            f"tandem_rank_state{rank % 'serving'}": constant(1),
            f"tandem_rank_state{rank % 'stalled'}": constant(0),
            f"tandem_rank_state{rank % 'down'}": constant(0),
            f'tandem_rank_last_reason_info{{machine="{name}",rank="{name[1]}",reason="it ended"}}': constant(1),
            f"tandem_rank_restarts_total{at}": constant(1),
            f"tandem_gpus{at}": constant(1),
            f"tandem_storage_latency_seconds{at}": constant(0.05 if full else 0.001),
            f"tandem_storage_waiting_seconds{at}": constant(0),
            f"node_time_seconds{at}": rising(60),
            f'node_textfile_mtime_seconds{{machine="{name}",file="/state/tandem.prom"}}': rising(60),
            f'node_network_up{{machine="{name}",device="eth0"}}': constant(1),
            f'node_network_up{{machine="{name}",device="eth1"}}': constant(0),  # never had a cable
            f'node_infiniband_state_id{{machine="{name}",device="mlx5_0",port="1"}}': constant(4),
            f"node_netstat_Tcp_RetransSegs{at}": rising(6000 * 0.002 if full else 0),
            f"node_netstat_Tcp_OutSegs{at}": rising(6000 if full else 10),
            f'node_filesystem_avail_bytes{{machine="{name}",mountpoint="/",fstype="ext4"}}': constant(4e10),
            f'node_filesystem_size_bytes{{machine="{name}",mountpoint="/",fstype="ext4"}}': constant(1e11),
            f'node_filesystem_readonly{{machine="{name}",mountpoint="/",fstype="ext4"}}': constant(0),
            f"DCGM_FI_DEV_GPU_TEMP{gpu}": constant(83 if full else 35),
            f"DCGM_FI_DEV_XID_ERRORS{gpu}": constant(0),
            f"DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{gpu}": constant(0),
            f"DCGM_FI_DEV_ROW_REMAP_FAILURE{gpu}": constant(0),
            f"DCGM_FI_DEV_CLOCKS_EVENT_REASONS{gpu}": constant(4 if full else 1),  # power cap, idle
            f'npu_chip_info_health_status{{machine="{name}",id="0"}}': constant(1),
        }
    return found


N0, N1 = '{machine="n0"}', '{machine="n1"}'
ON_DISK = '{machine="n0",mountpoint="/",fstype="ext4"}'
TROUBLES = {
    "EngineStoodStill": {  # the first rank has found it, and another one is named
        'tandem_rank_last_stall_timestamp_seconds{machine="n0",rank="0",of_machine="n1",of_rank="1"}': constant(
            -10 * DAY, BEGIN * 60.0
        )
    },
    "EngineEnded": {
        'tandem_rank_last_exit_timestamp_seconds{machine="n0",rank="0",of_machine="n1",of_rank="1"}': constant(
            -10 * DAY, BEGIN * 60.0
        )
    },
    "RankGivesNoSign": {'tandem_rank_state{machine="n1",rank="1",state="stalled"}': constant(0, 1)},
    "GatewayDown": {'up{job="gateway",machine="n0"}': constant(1, 0)},
    "EngineDown": {'up{job="engine",machine="n0"}': constant(1, 0)},
    "EngineDown by its rank": {'tandem_rank_state{machine="n1",rank="1",state="down"}': constant(0, 1)},
    "EngineDown while it starts": {'tandem_rank_state{machine="n0",rank="0",state="starting"}': constant(0, 1)},
    "EngineRestarts": {f"tandem_rank_restarts_total{N0}": rising(0, 0.2)},
    "MakesNoTokens": {
        f"vllm:generation_tokens_total{N0}": rising(90000, 0),
        f"vllm:prompt_tokens_total{N0}": rising(200000, 0),
    },
    "QueueGrows": {f"vllm:num_requests_waiting{N0}": [5] * BEGIN + [5 + 2 * n for n in range(HOUR - BEGIN)]},
    "KvCacheFull": {f"vllm:kv_cache_usage_perc{N0}": constant(0.93, 0.99)},
    "Preemptions": {f"vllm:num_preemptions_total{N0}": rising(2, 12)},
    "MachineNotReached": {'up{job="node",machine="n1"}': constant(1, 0)},
    "StateNotWritten": {'node_textfile_mtime_seconds{machine="n1",file="/state/tandem.prom"}': rising(60, 0)},
    "LinkDown": {'node_network_up{machine="n1",device="eth0"}': constant(1, 0)},
    "LinkDown of InfiniBand": {'node_infiniband_state_id{machine="n1",device="mlx5_0",port="1"}': constant(4, 1)},
    "PacketLoss": {f"node_netstat_Tcp_RetransSegs{N1}": rising(12, 600)},
    "StorageSlow": {f"tandem_storage_latency_seconds{N1}": constant(0.01, 4)},
    "StorageSlow that hangs": {f"tandem_storage_waiting_seconds{N1}": constant(0, 400)},
    "DiskFull": {f"node_filesystem_avail_bytes{ON_DISK}": constant(4e10, 5e9)},
    "CertificateExpires": {f"tandem_certificate_expiry_timestamp_seconds{N0}": constant(60 * DAY, 5 * DAY)},
    "ClockOff": {
        f"node_time_seconds{N1}": [60 * m + (600 if m > BEGIN else 0) for m in range(HOUR)],
        'node_textfile_mtime_seconds{machine="n1",file="/state/tandem.prom"}': [
            60 * m + (600 if m > BEGIN else 0) for m in range(HOUR)
        ],
    },
    "GpuEcc": {'DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{machine="n1",gpu="0"}': constant(0, 2)},
    "GpuEcc not remapped": {'DCGM_FI_DEV_ROW_REMAP_FAILURE{machine="n1",gpu="0"}': constant(0, 1)},
    "GpuXid": {'DCGM_FI_DEV_XID_ERRORS{machine="n1",gpu="0"}': constant(0, 31)},
    "GpuThrottled": {'DCGM_FI_DEV_CLOCKS_EVENT_REASONS{machine="n1",gpu="0"}': constant(4, 0x44)},
    "GpuLost": {f"tandem_gpus{N1}": constant(1, 2)},
    "GpuLost with all others": {'DCGM_FI_DEV_GPU_TEMP{machine="n1",gpu="0"}': [83] * BEGIN + [None] * (HOUR - BEGIN)},
    "NpuUnhealthy": {'npu_chip_info_health_status{machine="n1",id="0"}': constant(1, 0)},
    "AutoReleaseNear": {
        'tandem_machine_release_timestamp_seconds{machine="n1",kind="auto"}': constant(BEGIN * 60.0 + 2100)
    },
    "SpotNotice": {
        'tandem_machine_release_timestamp_seconds{machine="n1",kind="spot"}': constant(0, BEGIN * 60.0 + 300)
    },
}
"""What is different in each rule's trouble, from BEGIN on; the first word is the rule."""
FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'


def case(series, checks):
    return {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": " ".join("_" if value is None else f"{value:.10g}" for value in values)}
            for name, values in series.items()
        ],
        "promql_expr_test": [
            {
                "expr": expression,
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in expected],
            }
            for expression, minute, expected in checks
        ],
    }


def judged(tmp_path: Path, interval: str, *cases) -> None:
    file = tmp_path / "cases.json"
    file.write_text(
        json.dumps({"rule_files": [str(rule) for rule in RULES], "evaluation_interval": interval, "tests": cases})
    )
    promtool = ensure_prometheus() / "promtool"
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def test_nothing_fires_in_an_hour_of_idle_and_of_full_load(tmp_path):
    ever = 'count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[1h]))'
    judged(tmp_path, "1m", *(case(healthy(load), [(ever, HOUR - 1, [])]) for load in ("idle", "full")))


def test_nothing_fires_while_one_long_prompt_is_computed(tmp_path):
    """vLLM counts its tokens only when all of it is; what it takes of the KV cache grows meanwhile."""
    ever = 'count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[1h]))'
    long = {
        f"vllm:num_requests_running{N0}": constant(0, 1),
        f"vllm:kv_cache_usage_perc{N0}": [0.9 * max(0, minute - BEGIN) / HOUR for minute in range(HOUR)],
    }
    judged(tmp_path, "1m", case({**healthy("idle"), **long}, [(ever, HOUR - 1, [])]))


def test_each_rule_fires_in_its_trouble_and_no_other_does(tmp_path):
    soon = ("EngineStoodStill", "EngineEnded", "SpotNotice", "GpuEcc")
    cases = []
    for name, changes in TROUBLES.items():
        expected = name.split()[0]
        fires = BEGIN + 4 if expected in soon else LENGTH - 2
        checks = [(FIRING, BEGIN - 1, []), (FIRING, fires, [expected])]
        series = {key: values[:LENGTH] for key, values in {**healthy("full"), **changes}.items()}
        cases.append(case(series, checks))
    judged(tmp_path, "2m", *cases)


def rules():
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_every_rule_has_its_trouble_above():
    assert {rule["alert"] for rule in rules()} == {name.split()[0] for name in TROUBLES}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_it_is_where_and_what_mends_it(rule):
    words = rule["annotations"]
    assert "{{ $labels" in words["summary"] or "{{ $value" in words["summary"]
    assert len(words["remedy"]) > 60
    assert rule["labels"]["severity"] in ("critical", "warning")
