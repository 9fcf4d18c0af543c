"""Every action is called by Alibaba's own client, which knows every field of every answer."""

import pytest
from darabonba.exceptions import DaraException

from localcloud.cloud.actions import ACTIONS
from localcloud.cloud.model import Disk, Eip, FileSystem, Instance, Vpc, VSwitch
from tests.support.cloud_account import CLIENTS, Account
from tests.support.cloud_calls import ELSEWHERE, calls


def test_every_action_answers_alibabas_own_client(account: Account) -> None:
    """One life of everything; each action of the table is called, but those named below with the reason."""
    called = {(product, action) for product, action, _ in calls(account)}
    missed = {key for key in ACTIONS if key[0] in CLIENTS} ^ (called | set(ELSEWHERE))
    assert not missed
    assert not called & set(ELSEWHERE)
    assert not account.unknown, f"Alibaba's client does not know {account.unknown}"
    state = account.service.cloud.store
    assert not [kind for kind in (Vpc, VSwitch, Instance, Disk, Eip, FileSystem) if state.all(kind)]


@pytest.mark.parametrize("product", CLIENTS)
def test_a_wrong_secret_is_refused(account: Account, product: str) -> None:
    other = Account(account.service, access_key_secret="wrong")  # noqa: S106 - wrong on purpose
    with pytest.raises(DaraException) as caught:
        other.call(product, "DescribeZones")
    assert caught.value.code == "SignatureDoesNotMatch"
