"""What refusals of the cloud mean, by their codes as Alibaba Cloud's lists of errors give them."""

from __future__ import annotations

import pytest

from components.alicloud.trouble import LOST, trouble

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
        ("InvalidAccountStatus.NotEnoughBalance", "top it up"),
        ("QuotaExceed.ElasticQuota", "Quota Center"),
        ("InvalidCidrBlock.Overlapped", "cloud.vpcCidr"),
        ("Throttling.User", "wait a minute"),
        ("OperationDenied.NoStock", ""),
    ],
)
def test_a_code_has_its_remedy(code: str, remedy: str) -> None:
    """Found in the provider's text; stock has none here, for the candidates know better."""
    found = trouble(PROVIDER.format(code=code))
    assert (found.why, found.lost) == (code, False)
    assert remedy in found.remedy and bool(remedy) == bool(found.remedy)


@pytest.mark.parametrize("said", ['Post "http://h/?Action=RunInstances": EOF', "read tcp: connection reset by peer"])
def test_a_broken_connection_leaves_open_whether_it_was_made(said: str) -> None:
    assert trouble(f"[ERROR] failed:\n{said}").why == LOST
    assert trouble(said).lost


def test_anything_else_is_told_by_its_last_line() -> None:
    assert trouble("first\nlast").why == "last"
    assert trouble("").why == "no reason given"
