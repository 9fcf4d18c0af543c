"""Alertmanager's configuration as a pure function: whom an alert reaches.

JSON, which is YAML. Reference: https://prometheus.io/docs/alerting/latest/configuration/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

RELAYED = ("dingtalk", "feishu")
"""Robots whose messages are signed with the time, which no payload of Alertmanager's can be: files/relay.py does it."""


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in.

    Attributes:
        to: addresses.
        sender: address.
        server: host:port.
        user: its login; empty for none.
        tls: STARTTLS is required.
    """

    to: tuple[str, ...]
    sender: str
    server: str
    user: str = ""
    tls: bool = True


def render_alertmanager(receivers: Mapping[str, str], mail: MailServer | None, relay_port: int) -> str:
    """Alertmanager's whole configuration.

    Args:
        receivers: the secret `alertReceivers`: URLs `webhook`, `dingtalk`, `feishu`, and `mailPassword`.
        mail: None for no mail.
        relay_port: where files/relay.py listens on loopback.
    """
    hooks = [{"url": receivers["webhook"], "send_resolved": True}] if "webhook" in receivers else []
    hooks += [
        {"url": f"http://127.0.0.1:{relay_port}/{name}", "send_resolved": True} for name in RELAYED if name in receivers
    ]
    everybody: dict[str, object] = {"name": "everybody"}
    if hooks:
        everybody["webhook_configs"] = hooks
    if mail:
        login = {"auth_username": mail.user, "auth_password": receivers.get("mailPassword", "")} if mail.user else {}
        everybody["email_configs"] = [
            {
                "to": ", ".join(mail.to),
                "from": mail.sender,
                "smarthost": mail.server,
                "require_tls": mail.tls,
                "send_resolved": True,
                **login,
            }
        ]
    return json.dumps(
        {
            "route": {
                "receiver": "everybody",
                "group_by": ["alertname"],
                "group_wait": "5s",
                # Only what is new or over is sent then; a second rank's alert is not to wait.
                "group_interval": "30s",
                "repeat_interval": "4h",
            },
            # What follows from an engine that is down is not sent beside it.
            "inhibit_rules": [
                {
                    "source_matchers": ['alertname="EngineDown"'],
                    "target_matchers": ['alertname=~"MakesNoTokens|QueueGrows|KvCacheFull|Preemptions"'],
                }
            ],
            "receivers": [everybody],
        }
    )


def relayed(receivers: Mapping[str, str]) -> str:
    """files/relay.py's own file, JSON: `{"dingtalk": {"url": ..., "secret": ...}}`; `{}` where nothing is relayed."""
    found = {
        name: {"url": receivers[name], "secret": receivers.get(f"{name}Secret", "")}
        for name in RELAYED
        if name in receivers
    }
    return json.dumps(found)
