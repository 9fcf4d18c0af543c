"""What monitoring's secrets must be: the login's password, and where alerts go."""

from __future__ import annotations

from urllib.parse import urlsplit

from stacks.settings.gateway_secrets import parse_named
from stacks.settings.monitoring import MonitoringSettings

PASSWORD_MINIMUM = 16
"""Characters: 16 of [A-Za-z0-9] are 95 bits, out of reach of guessing over a network."""
ADDRESSES = ("webhook", "dingtalk", "feishu")
"""Parts of the secret `alertReceivers` that are URLs: whoever knows one may write there."""
SIGNS = {"dingtalkSecret": "dingtalk", "feishuSecret": "feishu"}
"""Parts that sign what is sent to another part."""
PARTS = (*ADDRESSES, *SIGNS, "mailPassword")
HOW = "`pulumi config set --secret --path alertReceivers"


def monitoring_problems(monitoring: MonitoringSettings, password: str | None, receivers: str | None) -> list[str]:
    """What monitoring's settings and its secrets don't allow together, a line each."""
    given = {"monitoringPassword": password, "alertReceivers": receivers}
    problems = [
        f"{name}: has no meaning without monitoring.enabled; set that to true, or take {name} out"
        for name, text in given.items()
        if text and not monitoring.enabled
    ]
    if password and len(password) < PASSWORD_MINIMUM:
        problems.append(
            f"monitoringPassword: has {len(password)} characters, which can be guessed; give {PASSWORD_MINIMUM} or "
            "more, or none to have one made"
        )
    if password and not password.isascii():
        problems.append("monitoringPassword: holds characters that browsers send in several ways; take ASCII ones")
    try:
        parts = parse_named(receivers)
    except ValueError:
        return [*problems, f"alertReceivers: is no object of texts; set one with {HOW}.webhook URL`"]
    mail = monitoring.mail
    for name, text in parts.items():
        if name not in PARTS:
            problems.append(f"alertReceivers.{name}: no such receiver; known are {', '.join(PARTS)}")
        elif name in ADDRESSES and (urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname):
            problems.append(f"alertReceivers.{name}: is no URL; set it with {HOW}.{name} https://...`")
        elif name in SIGNS and SIGNS[name] not in parts:
            problems.append(
                f"alertReceivers.{name}: signs what goes to alertReceivers.{SIGNS[name]}, which is missing; set that "
                f"with {HOW}.{SIGNS[name]} https://...`"
            )
        elif name == "mailPassword" and not (mail and mail.user):
            problems.append(
                "alertReceivers.mailPassword: is for the login monitoring.mail.user, which is missing; name it, or "
                "take the password out"
            )
    if mail and mail.user and "mailPassword" not in parts:
        problems.append(
            f"monitoring.mail.user: logs in with alertReceivers.mailPassword, which is missing; set it with "
            f"{HOW}.mailPassword PASSWORD`"
        )
    return problems
