"""The cloud's codes, each with its cause and what mends it: the one place that knows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from components.alicloud.account import whose


class Kind(Enum):
    """What a code is about."""

    KEYS = auto()
    CLOCK = auto()
    ACCOUNT = auto()
    """Something that somebody has to do about the account itself, mostly in the console."""
    QUOTA = auto()
    STOCK = auto()
    SETTING = auto()
    TRANSIENT = auto()
    GONE = auto()
    """What is named is not there (any more)."""
    HELD = auto()
    """Something else still needs it, or it is in a passing state: the same call succeeds later."""


@dataclass(frozen=True)
class Cause:
    """What a code means.

    Attributes:
        kind: what it is about.
        codes: a regular expression that the whole code fits.
        words: cause and remedy; `{account}` stands for the account. Empty where the caller knows better.
    """

    kind: Kind
    codes: str
    words: str = ""


CAUSES = (
    Cause(Kind.GONE, r"Forbidden\.NasNotFound"),
    Cause(
        Kind.KEYS,
        r"InvalidAccessKeyId(\..+)?|SignatureDoesNotMatch|IncompleteSignature|InvalidAccessKeySecret",
        "the account does not know these keys: put the id and the secret of one AccessKey that is not disabled into "
        "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    ),
    Cause(Kind.KEYS, r"InvalidSecurityToken(\..+)?", "these keys were temporary and have expired: fetch new ones"),
    Cause(
        Kind.CLOCK,
        r"InvalidTimeStamp(\..+)?|IllegalTimestamp",
        "this computer's clock differs from the cloud's by more than 15 minutes: set it (`timedatectl set-ntp true`)",
    ),
    Cause(
        Kind.ACCOUNT,
        r"Forbidden\.RiskControl|Account\.RiskControl|RiskControl\..+",
        "Alibaba Cloud's risk control has stopped {account}, which no right mends: open a ticket in its console",
    ),
    Cause(
        Kind.ACCOUNT,
        r"RealNameAuthenticationError|.*RealName.*|Forbidden\.NotAuthenticated",
        "{account} has no verified real name, without which nothing is rented in mainland China: verify it in the "
        "console's Account Center (https://account.console.aliyun.com), or set cloud.region to one elsewhere",
    ),
    Cause(
        Kind.ACCOUNT,
        r"User\.Disabled|Service\.NotOpened|NotQualified|.*NotActivated.*",
        "NAS is not activated for {account}, or its balance is too small for that: activate it, free of charge, at "
        "https://nas.console.aliyun.com",
    ),
    Cause(
        Kind.ACCOUNT,
        r"InvalidAccountStatus(\..+)?|Account\.Arrearage|User\.InDebt|.*InsufficientBalance|.*NotEnoughBalance|"
        r"PAY\.INSUFFICIENT_BALANCE|.*Arrears|.*InArrears.*",
        "the balance of {account} does not cover it: top it up in the console",
    ),
    Cause(
        Kind.ACCOUNT,
        r"InvalidPayMethod|PAY\..+|InvalidPayment.*",
        "{account} has no way to pay: add one in the console's Expenses and Costs",
    ),
    Cause(
        Kind.ACCOUNT,
        r"Forb(idden|biden|edden)(\..+)?|NoPermission|.*\.NoPermission|UnauthorizedOperation",
        "the keys' RAM user may not do this: it needs full access to ECS, VPC and NAS (the policies "
        "AliyunECSFullAccess, AliyunVPCFullAccess, AliyunEIPFullAccess and AliyunNASFullAccess)",
    ),
    Cause(
        Kind.STOCK,
        r"OperationDenied\.NoStock|Zone\.NotOnSale|.*OutOfStock.*|.*SoldOut.*|InvalidResourceType\.NotSupported|"
        r"OperationDenied\.ZoneSystemCategoryNotMatch|InvalidInstanceType\.NotSupported\w*",
    ),
    Cause(
        Kind.QUOTA,
        r".*QuotaExceed.*|.*LimitExceed.*|InstanceCountLimit.*|.*CountsExceeded|.*NumberExceed.*|.*QuotaFull.*|"
        r"Account\.QuotaExceed.*|.*OverQuota.*",
        "the quota of {account} does not cover it: ask for more in the console's Quota Center, or rent fewer or "
        "smaller machines",
    ),
    Cause(
        Kind.SETTING,
        r"InvalidCidrBlock(\..+)?",
        "the range is taken or not the VPC's: set cloud.vpcCidr to a part that is free, or name the vSwitch that "
        "holds it in cloud.vswitches",
    ),
    Cause(
        Kind.SETTING,
        r"InvalidPublicKeyBody\.Malformed|InvalidKeyPair.*",
        "the cloud does not import a public key of this type: give it in the machine's user data, or make an RSA key "
        "with `ssh-keygen -t rsa -b 4096`",
    ),
    Cause(Kind.SETTING, r"InvalidRegionId(\..+)?", "there is no such region: set cloud.region to cn-hangzhou, say"),
    Cause(
        Kind.SETTING,
        r"InvalidInstanceType\.ValueNotSupported|InvalidInstanceType\.ValueUnauthorized",
        "there is no such instance type for this account: choose another in cloud.candidates or cloud.fetcher",
    ),
    Cause(
        Kind.TRANSIENT, r"Throttling(\..+)?", "the account was asked too much at once, also by others: wait a minute"
    ),
    Cause(
        Kind.TRANSIENT, r"ServiceUnavailable|InternalError|.*\.InternalError", "the cloud itself failed: wait a minute"
    ),
    Cause(Kind.GONE, r".*\.NotFound|.*NotExists?(\..+)?"),
    Cause(
        Kind.HELD,
        r"DependencyViolation(\..+)?|OperationDenied\.MountTargetNotEmpty|InvalidAccessGroup\.AlreadyAttached|"
        r"OperationDenied\.InvalidState|VolumeStatusForbidOperation|TaskConflict(\..+)?|Operation\.?Conflict|"
        r"Incorrect\w*Status(\..+)?|IncorrectStatus(\..+)?|Invalid\w*Status(\..+)?|LastTokenProcessing|SystemBusy|"
        r"OperationDenied\.OtherSubnetProcessing|InvalidOperation\.(Conflict|InvalidEniState)|InvalidBindingStatus",
    ),
)
"""In order: the first whose codes fit counts."""
_PATTERNS = tuple((re.compile(cause.codes), cause) for cause in CAUSES)


def cause(code: str) -> Cause | None:
    """What a code means; None when nothing is known of it."""
    return next((found for pattern, found in _PATTERNS if pattern.fullmatch(code)), None)


def kind(code: str) -> Kind | None:
    """What a code is about; None when nothing is known of it."""
    found = cause(code)
    return found.kind if found else None


def remedy(code: str) -> str:
    """Cause and remedy in words; empty when there is nothing to say that the caller doesn't know better."""
    found = cause(code)
    return found.words.replace("{account}", whose()) if found else ""
