"""Alibaba's own clients for the local cloud."""

import importlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alibabacloud_ecs20140526.client import Client as Ecs
from alibabacloud_nas20170626.client import Client as Nas
from alibabacloud_tea_openapi.utils_models import Config
from alibabacloud_vpc20160428.client import Client as Vpc
from darabonba.exceptions import DaraException

from localcloud.cloud.admin import KEY_HEADER, PREFIX, Admin
from localcloud.cloud.service import Service
from localcloud.http.messages import Request

CLIENTS = {"Ecs": Ecs, "Vpc": Vpc, "NAS": Nas}


class Account:
    """A client of every product for one service; `unknown` has fields answered that the client has not."""

    def __init__(self, service: Service, **changes: str) -> None:
        settings = service.cloud.settings
        values = {"access_key_id": settings.key, "access_key_secret": settings.secret, **changes}
        config = Config(protocol="http", region_id=settings.region, endpoint=service.cloud.endpoint, **values)
        self.service = service
        self.unknown: dict[str, list[str]] = {}
        self.clients = {name: client(config) for name, client in CLIENTS.items()}

    def call(self, product: str, action: str, **params: Any) -> dict[str, Any]:
        """Calls an action by Alibaba's client; parameters have the wire's names."""
        client = self.clients[product]
        models = importlib.import_module(f"{type(client).__module__.rpartition('.')[0]}.models")
        request = getattr(models, f"{action}Request")().from_map({"RegionId": "cn-hangzhou", **params})
        method = next(getattr(client, name) for name in dir(client) if name.replace("_", "") == action.lower())
        raw: dict[str, Any] = {}
        plain = type(client).call_api

        def remembered(*arguments: Any) -> Any:
            answer = plain(client, *arguments)
            raw.update(answer["body"])
            return answer

        client.call_api = remembered
        parsed = method(request).body.to_map()
        unknown = sorted(set(_paths(raw)) - set(_paths(parsed)))
        self.unknown.update({f"{product} {action}": unknown} if unknown else {})
        return raw

    def admin(self, path: str, **order: Any) -> None:
        """An admin call that must succeed."""
        headers = {KEY_HEADER: self.service.cloud.settings.secret}
        request = Request("POST", PREFIX + path, {}, headers, json.dumps(order).encode())
        answer = Admin(self.service.cloud).answer(request)
        assert answer.status == 200, answer.body

    def wait(self, condition: Callable[[], Any], seconds: float = 10) -> Any:
        """Waits until something holds, and returns it."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, "it did not come about in time"
            time.sleep(0.02)
        return found


def _paths(value: Any, at: str = "") -> Iterator[str]:
    """Names of all fields that hold something, with those above them."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield f"{at}.{key}"
            yield from _paths(below, f"{at}.{key}")
    elif isinstance(value, list):
        for below in value:
            yield from _paths(below, f"{at}[]")


def error_code(act: Callable[..., Any], *arguments: Any, **params: Any) -> str:
    """The code with which the cloud answers an action that must fail."""
    with pytest.raises(DaraException) as caught:
        act(*arguments, **params)
    return str(caught.value.code)
