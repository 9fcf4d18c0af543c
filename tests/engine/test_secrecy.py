"""Words of secret settings with the real engine: sealed in the state, hidden in what it prints, and never a change."""

from __future__ import annotations

import json

import pytest

from tests.support.paths import ROOT
from tests.support.project import Project

pytestmark = pytest.mark.engine
PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import pulumi
from pulumi_command import local
from stacks.settings.secrecy import Secrecy

secrecy = Secrecy(frozenset({{"serving"}}), frozenset({{"canary-7f3c"}}))
secrecy.watch()


class Inner(pulumi.ComponentResource):
    def __init__(self):
        super().__init__("test:Inner", "inner")
        opts = pulumi.ResourceOptions(parent=self)
        first = local.Command("first", create="echo x", environment={{"HF_TOKEN": "canary-7f3c", "OPEN": "seen"}},
                              opts=opts)
        later = first.stdout.apply(lambda out: f"canary-7f3c {{out}}")
        local.Command("second", create="cat", stdin=later, triggers=["canary-7f3c", "seen"],
                      logging="none", opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["stdout"]))


Inner()
pulumi.export("out", secrecy.hidden("canary-7f3c"))
pulumi.export("open", secrecy.hidden("seen"))
"""


def test_secrets_of_settings_are_sealed(project: Project) -> None:
    project.program(PROGRAM)
    said = project.pulumi("preview", "--diff")
    said += project.pulumi("up", "--yes", "--skip-preview", "--diff")
    assert "canary" not in said
    state = project.pulumi("stack", "export")
    assert "canary" not in state
    first = next(r for r in json.loads(state)["deployment"]["resources"] if r["urn"].endswith("::first"))
    assert first["inputs"]["environment"]["OPEN"] == "seen", "what is no secret stays readable"
    assert project.up() == {"same": 4}
