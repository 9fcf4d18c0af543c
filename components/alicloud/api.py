"""Alibaba Cloud's API for what the Pulumi provider has no resource for: looking by tag, releasing, switching off."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from components.alicloud.account import KEYS
from components.alicloud.errors import Cause, Kind, cause_of

VERSIONS = {
    "ecs": "2014-05-26",
    "vpc": "2016-04-28",
    "nas": "2017-06-26",
    "sts": "2015-04-01",
    "bssopenapi": "2017-12-14",
}
PAGE = 50
"""The most entries a page of every action used here may have (DescribeVpcs)."""


class ApiError(Exception):
    """A call was refused.

    Attributes:
        code: the cloud's code, such as OperationDenied.NoStock.
        cause: what that means; None when nothing is known of it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.cause: Cause | None = cause_of(code)

    @property
    def kind(self) -> Kind | None:
        """What the code is about; None when nothing is known of it."""
        return self.cause.kind if self.cause else None


class Api:
    """Calls of one region, signed with the keys that the provider would take.

    Args:
        region: such as cn-hangzhou.
        endpoint: host:port of another API than Alibaba Cloud's own, spoken to without TLS.
    """

    def __init__(self, region: str, endpoint: str | None = None) -> None:
        from alibabacloud_credentials.client import Client as Credentials
        from alibabacloud_credentials.models import Config as Keys

        self.region, self.endpoint = region, endpoint
        for key, secret in KEYS:
            if os.environ.get(key) and os.environ.get(secret):
                self._credentials = Credentials(
                    Keys(type="access_key", access_key_id=os.environ[key], access_key_secret=os.environ[secret])
                )
                return
        self._credentials = Credentials()

    def call(self, product: str, action: str, **parameters: object) -> dict[str, Any]:
        """One action; lists and mappings are written as the RPC style wants them (`Tag.1.Key`).

        Args:
            product: one of VERSIONS.
            action: such as DescribeInstances.
            parameters: with the wire's names; RegionId is added.

        Raises:
            ApiError: refused, or not reached.
        """
        from alibabacloud_tea_openapi.client import Client
        from alibabacloud_tea_openapi.utils import Utils
        from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
        from darabonba.exceptions import DaraException
        from darabonba.runtime import RuntimeOptions

        protocol = "http" if self.endpoint else "https"
        config = Config(
            credential=self._credentials,
            region_id=self.region,
            protocol=protocol,
            endpoint=self.endpoint or self._endpoint_of(product),
        )
        how = Params(
            action=action,
            version=VERSIONS[product],
            protocol=protocol,
            pathname="/",
            method="POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        request = OpenApiRequest(query=Utils.query({"RegionId": self.region, **parameters}))
        runtime = RuntimeOptions(autoretry=True, max_attempts=3, connect_timeout=10_000, read_timeout=60_000)
        try:
            body: dict[str, Any] = Client(config).call_api(how, request, runtime)["body"]
        except DaraException as error:
            code = str(getattr(error, "code", "") or type(error).__name__)
            cause = cause_of(code)
            raise ApiError(code, f"{action} was refused: {code}: {(cause and cause.remedy) or error.message}") from None
        except Exception as error:
            raise ApiError("Unreachable", f"{action}: {config.endpoint} was not reached ({error})") from None
        return body

    def _endpoint_of(self, product: str) -> str:
        """Bills are kept in one place in China and in one for all other regions (alibabacloud_bssopenapi20171214)."""
        if product == "bssopenapi":
            return "business.aliyuncs.com" if self.region.startswith("cn-") else "business.ap-southeast-1.aliyuncs.com"
        return f"{product}.{self.region}.aliyuncs.com"

    def pages(self, product: str, action: str, path: str, **parameters: object) -> Iterator[dict[str, Any]]:
        """Every entry of a list over all its pages.

        Args:
            product: as of `call`.
            action: as of `call`.
            path: where the list stands in the answer, such as Instances.Instance.
            parameters: as of `call`.
        """
        number = 1
        while True:
            found: Any = self.call(product, action, PageNumber=number, PageSize=PAGE, **parameters)
            for key in path.split("."):
                found = found.get(key) or {}
            yield from found
            if len(found) < PAGE:
                return
            number += 1


def tagged(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as a filter of a Describe action."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def as_json(value: object) -> str:
    """JSON for parameters that take a list as text, such as InstanceIds."""
    return json.dumps(value)
