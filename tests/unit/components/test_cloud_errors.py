"""What refusals of the cloud mean, by their codes as Alibaba Cloud's lists of errors give them."""

from __future__ import annotations

import pytest

from components.alicloud.account import KEYS
from components.alicloud.errors import LOST, CloudError, Kind, cause_of

PROVIDER = """[ERROR] resource.go:1: Resource x RunInstances Failed!!! [SDK alibaba-cloud-sdk-go ERROR]:
SDKError:
   StatusCode: 403
   Code: {code}
   Message: code: 403, words of the cloud"""


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("InvalidAccessKeyId.NotFound", "does not know these keys"),
        ("SignatureDoesNotMatch", "does not know these keys"),
        ("InvalidSecurityToken.Expired", "fetch new ones"),
        ("InvalidTimeStamp.Expired", "timedatectl"),
        ("IllegalTimestamp", "timedatectl"),
        ("Forbidden.RAM", "RAM user"),
        ("Forbbiden.Ram", "RAM user"),
        ("Forbbiden.SubUser", "AliyunNASFullAccess"),
        ("Forbidden.RiskControl", "risk control has stopped the account of AccessKey LTAI5tab... (ALIBABA_CLOUD"),
        ("RealNameAuthenticationError", "LTAI5tab... (ALIBABA_CLOUD_ACCESS_KEY_ID) has no verified real name"),
        ("User.Disabled", "NAS is not activated for the account of AccessKey LTAI5tab"),
        ("InvalidPublicKeyBody.Malformed", "ssh-keygen -t rsa"),
        ("InvalidRegionId.NotFound", "cloud.region"),
        ("Account.Arrearage", "top it up"),
        ("User.InDebt", "top it up"),
        ("PAY.INSUFFICIENT_BALANCE", "top it up"),
        ("OperationDenied.FileSystemCountsExceeded", "Quota Center"),
        ("OperationDenied.MountTargetCountsExceeded", "Quota Center"),
        ("OperationDenied.AccessGroupCountsExceeded", "Quota Center"),
        ("InstanceSecurityGroupLimitExceed", "Quota Center"),
        ("QuotaExceeded.Eip", "Quota Center"),
        ("InvalidAccountStatus.NotEnoughBalance", "top it up"),
        ("QuotaExceed.ElasticQuota", "Quota Center"),
        ("InvalidCidrBlock.Overlapped", "cloud.vpcCidr"),
        ("Throttling.User", "wait a minute"),
        ("OperationDenied.NoStock", ""),
    ],
)
def test_a_code_has_its_remedy(code: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found in the provider's text; stock has none here, for the candidates know better."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI5tabcdefgh")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret")
    found = CloudError.parse(PROVIDER.format(code=code))
    assert (found.reason, found.lost) == (code, False)
    assert remedy in found.remedy and bool(remedy) == bool(found.remedy)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("DependencyViolation.VSwitch", Kind.HELD),
        ("OperationDenied.MountTargetNotEmpty", Kind.HELD),
        ("InvalidAccessGroup.AlreadyAttached", Kind.HELD),
        ("OperationDenied.InvalidState", Kind.HELD),
        ("TaskConflict", Kind.HELD),
        ("IncorrectEipStatus", Kind.HELD),
        ("IncorrectInstanceStatus.Initializing", Kind.HELD),
        ("InvalidFileSystem.NotFound", Kind.GONE),
        ("Forbidden.NasNotFound", Kind.GONE),
        ("OperationDenied.NoStock", Kind.STOCK),
        ("InvalidAccountStatus.NotEnoughBalance", Kind.ACCOUNT),
        ("Throttling", Kind.TRANSIENT),
        ("InvalidAccessGroup.AlreadyExisted", Kind.EXISTS),
        ("Nobody.Knows", None),
    ],
)
def test_a_code_is_of_one_kind(code: str, expected: Kind | None) -> None:
    """By which a deletion is asked for again, is done, or is given up."""
    cause = cause_of(code)
    assert (cause and cause.kind) is expected


def test_the_account_is_named_by_where_its_keys_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    for pair in KEYS:
        for name in pair:
            monkeypatch.delenv(name, raising=False)
    assert "the current profile in ~/.aliyun/config.json" in CloudError.parse("Code: User.Disabled").remedy


@pytest.mark.parametrize("said", ['Post "http://h/?Action=RunInstances": EOF', "read tcp: connection reset by peer"])
def test_a_broken_connection_leaves_open_whether_it_was_made(said: str) -> None:
    assert CloudError.parse(f"[ERROR] failed:\n{said}").reason == LOST
    assert CloudError.parse(said).lost


def test_anything_else_is_reported_by_its_last_line() -> None:
    assert CloudError.parse("first\nlast").reason == "last"
    assert CloudError.parse("").reason == "no reason given"
