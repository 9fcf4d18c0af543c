"""A deployment for tests: machines of the tests' own, the real engine, a project's program on them."""

from __future__ import annotations

import copy
import json
import os
import re
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import toolchain
from localcloud import hosts
from localcloud.machines import Machine, Site
from tests.support.paths import ROOT
from tests.support.tiny import with_tiny_model

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Run:
    """What a pulumi command said, without colours, and its exit code."""

    code: int
    text: str

    def good(self) -> Run:
        assert self.code == 0, self.text[-6000:]
        return self

    def bad(self) -> Run:
        assert self.code != 0, self.text[-3000:]
        return self

    def changed(self) -> set[str]:
        """Names of the custom resources that were created, updated, replaced or deleted."""
        done = r"(?:created replacement|created|updated|replaced|deleted)"
        return set(re.findall(rf"(?:alicloud|command|docker|pulumi:providers):\S+ (\S+) {done} \(", self.text))


class Deployment:
    """Machines on a network of their own, and one stack on them.

    Args:
        folder: state of machines, depot and Pulumi; on a real file system.
        bridge: interface name, unique on this host.
        subnet: /24 network, unique on this host.
        names: the machines.
        program: the Pulumi project's folder.
        made: more about the machines, as `hosts.start` takes it.
    """

    def __init__(
        self, folder: Path, bridge: str, subnet: str, names: list[str], program: Path = ROOT, **made: Any
    ) -> None:
        self.folder, self.subnet, self.program = folder, subnet, program
        self.site = Site(folder / "machines", bridge, subnet)
        self.config_file = folder / "Pulumi.test.yaml"
        os.environ["TANDEM_STATE"] = str(folder)
        try:
            self._begin(names, **made)
        except BaseException:
            # A fixture that fails before it yields is not asked to clean up.
            self.close()
            raise

    def _begin(self, names: list[str], **made: Any) -> None:
        hosts.start(self.site, names, self.subnet, **made)
        self.config = self._base(names)
        self._make_stack()

    def _make_stack(self) -> None:
        self.environment = {**os.environ, **toolchain.environment(), "PULUMI_CONFIG_PASSPHRASE": "test"}
        self.environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
        (self.folder / "stacks").mkdir(exist_ok=True)
        self.environment["PULUMI_BACKEND_URL"] = f"file://{self.folder / 'stacks'}"
        self.pulumi("stack", "init", "test").good()
        # Pulumi writes the salt beside the program; it belongs to the configuration that the tests use.
        written = self.program / "Pulumi.test.yaml"
        self.salt = yaml.safe_load(written.read_text()) if written.exists() else {}
        written.unlink(missing_ok=True)

    def _base(self, names: list[str]) -> dict[str, Any]:
        """Pulumi.hosts.yaml on this network, with every part a mapping that tests may change."""
        prefix = self.subnet.rsplit(".", 1)[0]
        text = (ROOT / "Pulumi.hosts.yaml").read_text().replace("10.77.0.", f"{prefix}.")
        config = with_tiny_model({k.removeprefix("tandem:"): v for k, v in yaml.safe_load(text)["config"].items()})
        config["machines"] = [{"name": n, "address": self.machine(n).record.address} for n in names]
        return config

    def machine(self, name: str) -> Machine:
        return self.site.machine(name)

    def ssh(self, name: str, command: str, *, check: bool = True) -> str:
        """Runs a command on a machine as root."""
        self.known_hosts.write_text(self.site.known_hosts)
        options = ["-i", str(self.site.key), "-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "BatchMode=yes"]
        done = subprocess.run(
            ["ssh", "-F", "none", *options, f"root@{self.machine(name).record.address}", command],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=300,
        )
        assert not check or done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    @property
    def known_hosts(self) -> Path:
        return self.folder / "machines" / "known_hosts"

    def changed_config(self, **changes: Any) -> dict[str, Any]:
        """The configuration with some settings changed; None takes a setting out."""
        config = copy.deepcopy(self.config)
        for section, values in changes.items():
            if not isinstance(values, dict):
                config[section] = values
                continue
            config.setdefault(section, {})
            for key, value in values.items():
                config[section].pop(key, None)
                if value is not None:
                    config[section][key] = value
        return config

    def write(self, config: dict[str, Any]) -> None:
        # JSON is YAML, and has no anchors, which Pulumi's reader would mind.
        namespaced = {f"tandem:{k}": v for k, v in config.items()}
        self.config_file.write_text(json.dumps({**self.salt, "config": namespaced}, indent=1))

    def command(self, *words: str) -> list[str]:
        return ["pulumi", "--non-interactive", "--color", "never", *words]

    def pulumi(self, *words: str, timeout: int = 840) -> Run:
        done = subprocess.run(
            self.command(*words),
            cwd=self.program,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Run(done.returncode, ANSI.sub("", done.stdout))

    def up(self, *, timeout: int = 840, **changes: Any) -> Run:
        """`pulumi up` with some settings changed from the base."""
        self.write(self.changed_config(**changes))
        words = ("up", "--yes", "--skip-preview", "--stack", "test", "--config-file", str(self.config_file))
        return self.pulumi(*words, timeout=timeout)

    def preview(self, **changes: Any) -> list[dict[str, Any]]:
        """The steps that `pulumi up` would take."""
        self.write(self.changed_config(**changes))
        done = subprocess.run(
            self.command("preview", "--json", "--stack", "test", "--config-file", str(self.config_file)),
            cwd=self.program,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        answer = json.loads(done.stdout)
        assert done.returncode == 0, [d["message"] for d in answer.get("diagnostics") or []]
        steps: list[dict[str, Any]] = answer["steps"]
        return steps

    def destroy(self) -> Run:
        return self.pulumi(
            "destroy", "--yes", "--skip-preview", "--stack", "test", "--config-file", str(self.config_file)
        )

    def outputs(self, *, secrets: bool = True) -> dict[str, Any]:
        shown = ["--show-secrets"] if secrets else []
        run = self.pulumi("stack", "output", "--json", "--stack", "test", *shown).good()
        outputs: dict[str, Any] = json.loads(run.text[run.text.index("{") :])
        return outputs

    def close(self) -> None:
        hosts.stop(self.site)


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    code: int
    body: str

    @property
    def said(self) -> str:
        return str(json.loads(self.body)["choices"][0]["message"]["content"])


def chat(out: Mapping[str, Any], model: str, prompt: str = "Say hello.", tokens: int = 12) -> Reply:
    """A greedy chat completion, asked with a stack's outputs."""
    question = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "temperature": 0,
    }
    return fetch(
        f"{out['apiUrl']}/chat/completions", out["apiKey"], json.dumps(question).encode(), out.get("apiCa", "")
    )


def fetch(url: str, key: str | None = None, body: bytes | None = None, authority: str = "") -> Reply:
    """One request, by no proxy; a certificate is verified with the authority, PEM, or with the system's."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    if key is not None:
        request.add_header("Authorization", f"Bearer {key}")
    verified = urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=authority or None))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), verified)
    try:
        with opener.open(request, timeout=120) as response:
            return Reply(response.status, response.read().decode())
    except urllib.error.HTTPError as error:
        return Reply(error.code, error.read().decode())


GREEDY = " assum 2 liyalty purpose�OWNER softwareCTyaltyruSEQUENTIAL"
"""What vLLM says to the same question with the same weights, on one machine (test_hosts.py asks it each time)."""
