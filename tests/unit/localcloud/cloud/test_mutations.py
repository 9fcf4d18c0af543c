"""Calls that were right but for one parameter: answered or refused, never a fault of the local cloud."""

from typing import Any

import pytest

from localcloud.cloud.actions import ACTIONS
from localcloud.cloud.dispatch import Dispatcher
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError
from localcloud.http.messages import Request
from tests.support.cloud_account import Account
from tests.support.cloud_calls import calls

ODD = ("", "-1", "[", "[1]", "{}", "x", "nan", "0", "9" * 30, "ü", "10.0.0.0/99", "2026-13-01T00:00:00Z", "/8e-3")
STEADY = {"Action", "Version", "AccessKeyId", "SignatureNonce", "Timestamp", "RegionId", "ClientToken", "Format"}


class Undone(Exception):
    """Takes back what a call did."""


def test_every_parameter_of_every_action_may_be_odd(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """One life of everything; before each new kind of call, the same with each parameter odd or gone, taken back."""
    cloud, plain = account.service.cloud, Dispatcher._act
    tried: set[tuple[str, str, str]] = set()
    faulty: list[tuple[str, str, str, str, str]] = []

    def attempt(product: str, action: str, values: dict[str, str], name: str, value: str | None) -> None:
        odd = {key: old for key, old in values.items() if key != name} | ({} if value is None else {name: value})
        try:
            with cloud.store.transaction():
                ACTIONS[product, action](cloud, Params(odd))
                raise Undone
        except (Undone, ApiError):
            pass
        except Exception as error:
            faulty.append((product, action, name, str(value), repr(error)))

    def act(self: Dispatcher, request: Request, product: str, action: str, values: dict[str, str]) -> Any:
        with cloud.lock, monkeypatch.context() as patch:
            patch.setattr(cloud, "later", lambda _: None)
            for name in values.keys() - STEADY:
                if (product, action, name) not in tried and (product, action) in ACTIONS:
                    tried.add((product, action, name))
                    for value in (*ODD, None):
                        attempt(product, action, values, name, value)
        answer: tuple[bool, Json] = plain(self, request, product, action, values)
        return answer

    monkeypatch.setattr(Dispatcher, "_act", act)
    assert len(list(calls(account))) > 100
    assert len(tried) > 200
    assert not faulty, "\n".join(map(str, faulty))
