"""What a test changes in Pulumi's SDK, which has one configuration and one root resource for a process."""

from collections.abc import Iterator

import pulumi
import pytest
from pulumi.runtime import config


@pytest.fixture(autouse=True)
def _pulumi_of_its_own() -> Iterator[None]:
    config.set_all_config({}, [])
    yield
    config.set_all_config({}, [])
    root = pulumi.runtime.settings.get_root_resource()
    if root is not None:
        root._transformations.clear()
