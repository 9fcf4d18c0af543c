"""Prometheus' and Alertmanager's files by their own checkers; what writes a machine's state, and the alerts' relay."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import io
import json
import os
import re
import socket
import socketserver
import ssl
import subprocess
import tarfile
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from components.gateway.certificate import make_pair
from components.monitoring.alertmanager import MailServer, relayed, render_alertmanager
from components.monitoring.files import relay, state
from components.monitoring.prometheus import DROPPED, Ports, Target, render_prometheus
from localcloud.fixtures.prometheus import ensure_prometheus
from tests.support.monitoring import panels, recorded, rules
from tests.support.paths import ROOT

FILES = ROOT / "components/monitoring/files"
PORTS = Ports.starting_at(9390, 9490)
TARGETS = [Target("n0", "10.0.0.1", gpus=True), Target("n1", "fd00::2", gpus=True)]
EVERYWHERE = {
    "webhook": "https://hooks.example/x",
    "dingtalk": "https://oapi.dingtalk.com/robot/send?access_token=t",
    "dingtalkSecret": "SECdingtalk",
    "feishu": "https://open.feishu.cn/open-apis/bot/v2/hook/h",
    "feishuSecret": "feishu-secret",
    "mailPassword": "p",
}
MAIL = MailServer(("a@b.example", "c@d.example"), "tandem@b.example", "smtp.example:587", "tandem")
NOTIFICATION: Any = {
    "status": "firing",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "EngineDown", "machine": "n0"},
            "annotations": {"summary": "the engine does not answer", "remedy": "wait, then read its log"},
        }
    ],
}


def checked(program, *words):
    done = subprocess.run([ensure_prometheus() / program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_its_file_and_the_rules_beside_it(tmp_path):
    text = render_prometheus(TARGETS, PORTS, engine=8100, ray=6385, npu=8082)
    (tmp_path / "prometheus.json").write_text(text)
    (tmp_path / "rules").symlink_to(FILES / "rules")
    checked("promtool", "check", "config", tmp_path / "prometheus.json")
    jobs = {job["job_name"]: job["static_configs"] for job in json.loads(text)["scrape_configs"]}
    assert jobs["engine"] == [{"targets": ["127.0.0.1:8100"], "labels": {"machine": "n0"}}]
    assert [one["targets"] for one in jobs["gpu"]] == [["10.0.0.1:9491"], ["[fd00::2]:9491"]]
    assert jobs.keys() == {
        "node",
        "gateway",
        "keys",
        "prometheus",
        "relay",
        "alertmanager",
        "engine",
        "ray",
        "npu",
        "gpu",
    }


def test_nothing_is_dropped_that_a_panel_or_a_rule_asks_for():
    asked = " ".join(expression for _, expression in (*panels(), *rules())) + recorded()
    names = set(re.findall(r"[a-zA-Z_]\w*(?::\w+)*", asked))
    assert {"vllm:generation_tokens_total", "node_netstat_Tcp_OutSegs", "up"} <= names
    assert not [name for name in names if re.fullmatch(DROPPED, name)]
    assert re.fullmatch(DROPPED, "caddy_http_request_size_bytes_bucket")


def test_what_a_deployment_does_not_have_is_not_asked():
    text = render_prometheus([Target("n0", "10.0.0.1")], PORTS, engine=None, ray=None, npu=None)
    jobs = {job["job_name"] for job in json.loads(text)["scrape_configs"]}
    assert jobs == {"node", "gateway", "keys", "prometheus", "relay", "alertmanager"}


@pytest.mark.parametrize(
    ("receivers", "mail"), [({}, None), (EVERYWHERE, MAIL), ({}, MailServer(("a@b.c",), "d@e.f", "m:25"))]
)
def test_alertmanager_takes_its_file(tmp_path, receivers, mail):
    file = tmp_path / "alertmanager.json"
    file.write_text(render_alertmanager(receivers, mail, 9393))
    checked("amtool", "check-config", file)


def test_robots_get_theirs_from_the_relay_and_others_at_once():
    everybody = json.loads(render_alertmanager(EVERYWHERE, MAIL, 9393))["receivers"][0]
    assert [hook["url"] for hook in everybody["webhook_configs"]] == [
        "https://hooks.example/x",
        "http://127.0.0.1:9393/dingtalk",
        "http://127.0.0.1:9393/feishu",
    ]
    assert json.loads(relayed(EVERYWHERE))["feishu"] == {"url": EVERYWHERE["feishu"], "secret": "feishu-secret"}
    assert relayed({"webhook": "https://hooks.example/x"}) == "{}"


class Robots(ThreadingHTTPServer):
    """Know what they sign with, and keep what they got."""

    key = "SECRET"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Robot)
        self.got: list[Any] = []


class Robot(BaseHTTPRequestHandler):
    """Looks at signatures as the two services' documentation has them, and answers as they do."""

    server: Robots

    def log_message(self, format, *args):
        pass

    def do_POST(self):
        url, body = urllib.parse.urlsplit(self.path), json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/robot/send":
            text = f"{query['timestamp']}\n{self.server.key}"
            mac = hmac.new(self.server.key.encode(), text.encode(), hashlib.sha256).digest()
            good = "access_token=t" in url.query and abs(time.time() * 1000 - int(query["timestamp"])) < 3600_000
            good = good and base64.b64encode(mac).decode() == query["sign"]
            said = {"errcode": 0, "errmsg": "ok"} if good else {"errcode": 310000, "errmsg": "sign not match"}
        else:
            key = f"{body['timestamp']}\n{self.server.key}"
            mac = hmac.new(key.encode(), digestmod=hashlib.sha256).digest()
            good = base64.b64encode(mac).decode() == body["sign"] and abs(time.time() - int(body["timestamp"])) < 3600
            said = {"code": 0, "msg": "success"} if good else {"code": 19021, "msg": "sign match fail"}
        self.server.got.append(body)
        answer = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@pytest.fixture
def serving():
    servers = []

    def start(server):
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def robot(serving):
    return serving(Robots())


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        ("dingtalk", "/robot/send?access_token=t", lambda body: body["markdown"]["text"]),
        ("feishu", "/open-apis/bot/v2/hook/h", lambda body: body["content"]["text"]),
    ],
)
def test_a_robot_takes_a_signed_alert_with_its_remedy_and_refuses_a_wrong_signature(serving, robot, name, path, said):
    url = f"http://127.0.0.1:{robot.server_address[1]}{path}"
    for secret, code in (("SECRET", 200), ("another", 502)):
        server = serving(relay.Relay(0, {name: {"url": url, "secret": secret}}))
        reply = requests.post(f"http://127.0.0.1:{server.server_address[1]}/{name}", json=NOTIFICATION, timeout=60)
        assert reply.status_code == code, reply.text
    assert "sign" in reply.text
    text = said(robot.got[0])
    assert "EngineDown" in text
    assert "the engine does not answer (n0)" in text
    assert "What mends it: wait, then read its log" in text


def test_a_robot_that_is_down_is_reported_to_alertmanager_without_its_address(serving):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/robot/send?access_token=token-of-it"
    server = serving(relay.Relay(0, {"dingtalk": {"url": url, "secret": ""}}))
    base = f"http://127.0.0.1:{server.server_address[1]}"
    reply = requests.post(f"{base}/dingtalk", json=NOTIFICATION, timeout=60)
    assert (reply.status_code, "dingtalk is not reached" in reply.text) == (502, True)
    assert "token-of-it" not in reply.text
    assert requests.post(f"{base}/feishu", json=NOTIFICATION, timeout=60).status_code == 404
    assert requests.post(f"{base}/dingtalk", data=b"x", timeout=60).status_code == 400


STALLED = {"rank": 1, "where": "VLLM::Worker stands in spin (a.py:3)", "kind": ""}


class DockerSocket(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Docker's API as version 20.10 and newer answer (docs.docker.com/reference/api/engine): a rank, and a gateway."""

    daemon_threads = True


class DockerApi(BaseHTTPRequestHandler):
    def log_message(self, format, *args):
        pass

    def address_string(self):
        return "docker"

    def do_GET(self):
        path, _, query = self.path.partition("?")
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as opened:
            content = json.dumps({"attempt": 1, "exits": 4, "error": "", "stalled": {"1": STALLED}}).encode()
            entry = tarfile.TarInfo("group.json")
            entry.size = len(content)
            opened.addfile(entry, io.BytesIO(content))
        label = urllib.parse.quote('{"label": ["tandem.stack=tandem-x"]}')
        answers = {
            "/containers/json": json.dumps(
                [
                    {"Id": "a1", "Names": ["/tandem-x-n1-engine"], "Command": "python3 /tandem/rank_supervisor.py --x"},
                    {"Id": "b2", "Names": ["/tandem-x-n1-gateway"], "Command": "caddy run"},
                ]
            ).encode()
            if query == f"all=1&filters={label}"
            else b"",
            "/containers/a1/json": json.dumps(
                {
                    "Path": "python3",
                    "Args": ["/tandem/rank_supervisor.py", "--rank=1", "--"],
                    "State": {"Running": True, "Pid": 0},
                }
            ).encode(),
            "/containers/a1/archive": archive.getvalue() if query == "path=/tandem/group.json" else b"",
        }
        body = answers.get(path, b"")
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_ranks_are_read_out_of_their_containers(monkeypatch, tmp_path, serving):
    serving(DockerSocket(str(tmp_path / "socket"), DockerApi))
    monkeypatch.setattr(state, "DOCKER", str(tmp_path / "socket"))
    (found,) = state.containers("tandem-x")
    shown = samples(state.rank_samples([found], 0))
    assert shown["tandem_rank_state", "1", "stalled"] == 1
    assert shown["tandem_rank_restarts_total", "1"] == 4


def test_a_file_of_a_container_is_read_by_its_root_and_no_link_or_pipe_leads_out_of_it(tmp_path):
    inside, outside = tmp_path / "root/tandem", tmp_path / "secret"
    inside.mkdir(parents=True)
    outside.write_text("secret")
    (inside / "group.json").write_text("{}")
    (inside / "link").symlink_to(outside)
    (tmp_path / "root/away").symlink_to(inside)
    os.mkfifo(inside / "pipe")
    assert state.read_inside(tmp_path / "root", "tandem", "group.json") == b"{}"
    for names in (("tandem", "link"), ("away", "group.json"), ("tandem", "pipe"), ("tandem", "none"), ("tandem",)):
        assert state.read_inside(tmp_path / "root", *names) == b""
    assert state.read_inside(tmp_path / "gone", "tandem", "group.json") == b""


def samples(found):
    return {(one.name, *one.labels.values()): one.value for one in found}


def rank(running=True, number=0, **known):
    base = {"attempt": 1, "exits": 0, "error": "", "exit": None, "stalled": {}, "stalls": []}
    return state.Rank(running, ["x", f"--rank={number}"], {**base, **known})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (rank(), "serving"),
        (rank(number=1), "running"),
        (rank(number=1, attempt=0), "starting"),
        (rank(number=1, stalled={"1": STALLED}), "stalled"),
        (rank(number=1, stalled={"1.3": STALLED}), "stalled"),  # one of its data parallel ranks
        (rank(number=1, stalled={"1": {**STALLED, "kind": "computes"}}), "running"),
        (rank(stalled={"1": STALLED}), "serving"),  # another rank's
        (rank(error="stood still 3 times in an hour"), "down"),
        (rank(running=False), "down"),
        (state.Rank(True, ["x"], None), "serving"),
    ],
)
def test_a_rank_is_in_one_state(monkeypatch, found, expected):
    monkeypatch.setattr(state, "answers", lambda port: True)
    shown = samples(state.rank_samples([found], 8100))
    number = "1" if "--rank=1" in found.words else "0"
    assert [each for each in state.STATES if shown["tandem_rank_state", number, each]] == [expected]


def test_the_first_rank_serves_once_its_api_answers(monkeypatch):
    monkeypatch.setattr(state, "answers", lambda port: False)
    assert samples(state.rank_samples([rank()], 8100))["tandem_rank_state", "0", "starting"] == 1


def test_restarts_and_the_last_reason_are_shown(monkeypatch):
    monkeypatch.setattr(state, "answers", lambda port: True)
    stalls = [{"time": 5.0, "why": 'no token for 61 s: rank 1 on "n1"', "rank": 1, "machine": "n1", "where": "in x"}]
    shown = samples(state.rank_samples([rank(exits=2, stalls=stalls)], 8100))
    assert shown["tandem_rank_restarts_total", "0"] == 3
    assert shown["tandem_rank_last_stall_timestamp_seconds", "0", "1", "n1", "in x"] == 5
    assert shown["tandem_rank_last_reason_info", "0", 'no token for 61 s: rank 1 on "n1"'] == 1


def test_an_engine_that_ended_is_told_of_and_the_newest_reason_is_shown(monkeypatch):
    monkeypatch.setattr(state, "answers", lambda port: True)
    end = {"time": 9.0, "rank": 1, "machine": "n1", "code": 137, "words": ["loading", "ERROR a worker died", "bye", ""]}
    stalls = [{"time": 5.0, "why": "no token", "rank": 1, "machine": "n1", "where": "in x"}]
    shown = samples(state.rank_samples([rank(exit=end, stalls=stalls)], 8100))
    why = "rank 1 on n1 ended with code 137: ERROR a worker died"
    assert shown["tandem_rank_last_exit_timestamp_seconds", "0", "1", "n1", why] == 9
    assert shown["tandem_rank_last_reason_info", "0", why] == 1
    stalls[0]["time"] = 12.0
    shown = samples(state.rank_samples([rank(exit=end, stalls=stalls)], 8100))
    assert shown["tandem_rank_last_reason_info", "0", "no token"] == 1


def test_a_supervisor_that_its_guard_ended_is_told_of(monkeypatch):
    ended = {"time": 7.0, "why": "the supervisor was stopped", "rank": 1, "machine": "n1"}
    shown = samples(state.rank_samples([rank(number=1, ended=ended)], 0))
    assert shown["tandem_rank_last_stall_timestamp_seconds", "1", "1", "n1", "the supervisor was stopped"] == 7


def test_promtool_reads_what_is_written(tmp_path):
    found = state.rank_samples([rank(number=1, error='a "word"\\ and\na line')], 0)
    file = tmp_path / "tandem.prom"
    state.write(file, state.render([*found, state.Sample("tandem_accelerators", {}, 2.0)]))
    done = subprocess.run(
        [ensure_prometheus() / "promtool", "check", "metrics"],
        stdin=file.open(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr  # 3: its taste in names
    assert 'reason="a \\"word\\"\\\\ and a line"' in file.read_text()


def test_the_certificate_that_is_shown_tells_its_end(tmp_path):
    pair = make_pair("s" * 48, "t", ["localhost"])
    (tmp_path / "pem").write_text(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            context.wrap_socket(connection, server_side=True).close()

        threading.Thread(target=answer, daemon=True).start()
        end, lifetime = state.certificate(server.getsockname()[1])
    assert datetime.datetime.fromtimestamp(end.value, datetime.UTC).year == 2056
    assert lifetime.value > 10 * 365 * 86400
    assert state.certificate(1) == []


def test_a_share_that_hangs_is_seen_by_how_long_it_does(monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(os, "statvfs", lambda path: gate.wait(10))
    monkeypatch.setattr(threading.Thread, "join", lambda thread, timeout=None: time.sleep(0.02))
    storage = state.Storage("/mnt")
    storage.samples()
    _, waiting = storage.samples()
    assert waiting.value >= 0.02
    gate.set()


def test_a_share_that_answers_errors_is_one_that_does_not_answer(tmp_path):
    storage = state.Storage(str(tmp_path))
    assert storage.samples()[1].value == 0
    storage.path = str(tmp_path / "gone")
    storage.samples()
    assert storage.samples()[1].value > 0


def test_a_share_is_named_by_the_kernels_list_of_mounts():
    mounts = "/dev/vda / ext4 rw 0 0\nnas:/share /mnt/tandem nfs4 rw,hard 0 0\n"
    assert state.source_of("/mnt/tandem", mounts) == "nas:/share"
    assert state.source_of("/mnt", mounts) == ""


def test_the_time_of_release_is_the_rents_and_the_clouds_own(serving, monkeypatch):
    class Metadata(BaseHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

        def do_PUT(self):
            self.answer(b"token" if self.headers["X-aliyun-ecs-metadata-token-ttl-seconds"] else b"")

        def do_GET(self):
            known = self.headers["X-aliyun-ecs-metadata-token"] == "token" and self.path.endswith("/termination-time")
            self.answer(b"2026-11-29T12:00:00Z" if known else b"")

        def answer(self, body):
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = serving(ThreadingHTTPServer(("127.0.0.1", 0), Metadata))
    monkeypatch.setattr(state, "METADATA", f"http://127.0.0.1:{server.server_address[1]}/latest")
    shown = samples(state.release("2026-11-29T13:00:00Z", True))
    assert shown["tandem_machine_release_timestamp_seconds", "auto"] - 3600 == 1795953600
    assert shown["tandem_machine_release_timestamp_seconds", "spot"] == 1795953600
    monkeypatch.setattr(state, "METADATA", "http://127.0.0.1:1/latest")
    assert state.release("", True) == []


def test_nvidia_smi_speaks_by_dcgms_names():
    said = "0, GPU-1, 45, 118.20, 97, 60, 130000, 13000, 1980, 0, 0x0000000000000004\n"
    said += "1, GPU-2, 46, [N/A], 0, 0, 1, 2, 3, [N/A], 0x0\n"
    shown = samples(state.gpu_samples(list(state.SMI), said))
    assert shown["DCGM_FI_DEV_GPU_UTIL", "0", "GPU-1"] == 97
    assert shown["DCGM_FI_DEV_CLOCKS_EVENT_REASONS", "0", "GPU-1"] == 4
    assert ("DCGM_FI_DEV_POWER_USAGE", "1", "GPU-2") not in shown
