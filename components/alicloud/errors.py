"""What the cloud refuses, typed once by its code: the cause, and what mends it. Imports no Pulumi."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from components.alicloud.account import account_name


class Kind(Enum):
    """What a code is about."""

    KEYS = auto()
    CLOCK = auto()
    ACCOUNT = auto()
    """Something that somebody has to do about the account itself, mostly in the console."""
    RIGHTS = auto()
    """The keys' RAM user may not do this."""
    QUOTA = auto()
    STOCK = auto()
    SETTING = auto()
    TRANSIENT = auto()
    EXISTS = auto()
    """What is to be created is there already."""
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
        text: cause and remedy; `{account}` stands for the account. Empty where the caller knows better.
    """

    kind: Kind
    codes: str
    text: str = ""

    @property
    def remedy(self) -> str:
        """Cause and remedy, with the account's name."""
        return self.text.replace("{account}", account_name())


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
        Kind.RIGHTS,
        r"Forb(idden|biden|edden)(\..+)?|NoPermission|.*\.NoPermission|NotAuthorized|UnauthorizedOperation",
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
    Cause(Kind.EXISTS, r".*AlreadyExist.*"),
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
_CODE = re.compile(r'(?:Error)?Code: ?"?([A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)')
_BROKEN = re.compile(
    r"\bEOF\b|connection reset|broken pipe|i/o timeout|Client\.Timeout|deadline exceeded|TLS handshake timeout"
)
LOST = "the connection broke before the answer came"
REFRESH = '`pulumi refresh --yes --target "**alicloud:ecs/instance:Instance::**"`, then `pulumi up`'
"""What finds out that a machine is gone and rents another.

A refresh of everything fails with the official plugins where a step's machine can't be reached, as one that is gone or
switched off.
"""


def cause_of(code: str) -> Cause | None:
    """What a code means; None when nothing is known of it."""
    return next((found for pattern, found in _PATTERNS if pattern.fullmatch(code)), None)


@dataclass(frozen=True)
class CloudError:
    """An error of the provider or of the API.

    Attributes:
        reason: the cloud's code, or the cause in words where there is none.
        cause: what the code means; None when nothing is known of it.
        lost: whether the action may have taken place all the same.
    """

    reason: str
    cause: Cause | None = None
    lost: bool = False

    @property
    def remedy(self) -> str:
        """What mends it; empty where the code says nothing that is known here."""
        return self.cause.remedy if self.cause else ""

    @classmethod
    def parse(cls, text: str) -> CloudError:
        """An error by its whole text; `Code: X` in it is the cloud's own code."""
        found = _CODE.search(text)
        if found:
            return cls(found[1], cause_of(found[1]))
        if _BROKEN.search(text):
            return cls(LOST, lost=True)
        return cls((text.strip().splitlines() or ["no reason given"])[-1][:200])


def unavailable(what: str, text: str, otherwise: str) -> str:
    """The sentence about machines that were not created: which, why, and what mends it.

    Args:
        what: such as `2 x ecs.g7.large in cn-hangzhou-h`.
        text: the provider's whole error.
        otherwise: the advice where the cloud's code says nothing better, as it does for stock.
    """
    error = CloudError.parse(text)
    advice = error.remedy or ("" if error.lost else otherwise)
    return f"{what}: not available ({error.reason}); what this run rented of them is released; " + (
        f"{advice}; then run {REFRESH}" if advice else f"run {REFRESH}"
    )
