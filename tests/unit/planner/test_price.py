"""Prices: the table says what it is, and the live query is Alibaba's own client against the local cloud."""

import pytest
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi.utils_models import Config

from localcloud.cloud.backend import MemoryBackend
from localcloud.cloud.catalog import TYPES
from localcloud.cloud.service import Service
from localcloud.cloud.settings import Settings
from planner import Refusal, rented
from planner.__main__ import main
from planner.catalog.price import KEY, SECRET, live_price


@pytest.fixture
def client(tmp_path):
    service = Service(tmp_path, Settings.load(tmp_path, {"backend": "memory", "speed": 200.0}), MemoryBackend())
    service.start()
    settings = service.cloud.settings
    config = Config(
        access_key_id=settings.key,
        access_key_secret=settings.secret,
        protocol="http",
        region_id=settings.region,
        endpoint=service.cloud.endpoint,
    )
    yield Client(config)
    service.stop()


def test_a_live_price_is_what_the_cloud_answers(client):
    name = "ecs.gn8is-2x.8xlarge"
    price = live_price(client, name, "cn-hangzhou")
    assert TYPES[name].price <= price < TYPES[name].price + 1  # the machine, and its system disk
    assert rented(name, 2, price).price == pytest.approx(2 * price)
    assert rented(name, 2, price).priced == "asked live"


def test_a_type_that_isnt_sold_is_refused_with_the_clouds_own_words(client):
    with pytest.raises(Refusal, match="does not exist") as caught:
        live_price(client, "ecs.nothing.large", "cn-hangzhou")
    assert caught.value.code == "price_not_given"


def test_the_table_says_that_it_is_unverified_and_of_when(capsys):
    assert main(["price", "ecs.gn8is-2x.8xlarge", "--machines", "2"]) == 0
    assert "table of 2026-11-22, unverified" in capsys.readouterr().out


def test_a_live_query_without_keys_says_which_variables_to_set(capsys, monkeypatch):
    monkeypatch.delenv(KEY, raising=False)
    monkeypatch.delenv(SECRET, raising=False)
    assert main(["price", "ecs.gn8is-2x.8xlarge", "--live"]) == 2
    assert KEY in capsys.readouterr().err
