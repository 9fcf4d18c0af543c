"""What the cloud's refusals mean for who reads them: a cause in words, and what mends it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CODE = re.compile(r'(?:Error)?Code: ?"?([A-Za-z]+(?:\.[A-Za-z]+)*)')
_BROKEN = re.compile(
    r"\bEOF\b|connection reset|broken pipe|i/o timeout|Client\.Timeout|deadline exceeded|TLS handshake timeout"
)
_MEANINGS = (
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|IncompleteSignature|InvalidAccessKeySecret",
        "the account does not know these keys: put the id and the secret of one AccessKey that is not disabled into "
        "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    ),
    (r"InvalidSecurityToken", "these keys were temporary and have expired: fetch new ones"),
    (
        r"InvalidTimeStamp|IllegalTimestamp",
        "this computer's clock differs from the cloud's by more than 15 minutes: set it (`timedatectl set-ntp true`)",
    ),
    (r"Forbidden|NoPermission", "the keys' RAM user may not do this: it needs full access to ECS, VPC and NAS"),
    (
        r"NotEnoughBalance|InvalidAccountStatus|Account\.Arrearage|InsufficientBalance",
        "the account's balance does not cover it: top it up in the console",
    ),
    (
        r"QuotaExceed|QuotaExceeded|LimitExceeded|InstanceCountLimit",
        "the account's quota does not cover it: ask for more in the console's Quota Center, or rent fewer or smaller "
        "machines",
    ),
    (
        r"InvalidCidrBlock",
        "the range is taken or not the VPC's: set cloud.vpcCidr to a part that is free, or name the vSwitch that "
        "holds it in cloud.vswitches",
    ),
    (r"Throttling", "the account was asked too much at once, also by others: wait a minute"),
    (r"ServiceUnavailable|InternalError", "the cloud itself failed: wait a minute"),
)
LOST = "the connection broke before the answer came"


@dataclass(frozen=True)
class Trouble:
    """A refusal.

    Attributes:
        why: the cloud's code, or the cause in words where there is none.
        remedy: what mends it; empty where the code says nothing that is known here.
        lost: whether the action may have taken place all the same.
    """

    why: str
    remedy: str = ""
    lost: bool = False


def trouble(error: str) -> Trouble:
    """What an error of the provider or of the API says.

    Args:
        error: its whole text; `Code: X` in it is the cloud's own code.
    """
    found = _CODE.search(error)
    if found:
        return Trouble(found[1], remedy(found[1]))
    if _BROKEN.search(error):
        return Trouble(LOST, lost=True)
    return Trouble((error.strip().splitlines() or ["no reason given"])[-1][:200])


def remedy(code: str) -> str:
    """What mends a refusal with this code; empty when unknown."""
    return next((text for pattern, text in _MEANINGS if re.search(pattern, code)), "")
