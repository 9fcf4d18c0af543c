"""Whose account is asked: where its keys come from."""

from __future__ import annotations

import os
from pathlib import Path

KEYS = (
    ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
    ("ALICLOUD_ACCESS_KEY", "ALICLOUD_SECRET_KEY"),
)
"""Environment variables that the provider takes keys from, Alibaba's own names first."""
MISSING_KEYS = (
    "no keys of an Alibaba Cloud account are set; make a RAM user's AccessKey and put it into "
    "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET"
)
SHOWN = 8
"""Characters of an AccessKey's id that are shown: enough to find it in the console's list."""


def has_keys() -> bool:
    """Whether keys of an account are at hand: in the environment, or in a profile of Alibaba's command line."""
    own = any(all(os.environ.get(name) for name in pair) for pair in KEYS)
    return own or (Path.home() / ".aliyun" / "config.json").exists()


def account_name() -> str:
    """The account in words: which AccessKey opens it, and where that one stands."""
    for name, secret in KEYS:
        if os.environ.get(name) and os.environ.get(secret):
            return f"the account of AccessKey {os.environ[name][:SHOWN]}... ({name})"
    return "the account of the current profile in ~/.aliyun/config.json"
