"""Questions to the account before anything is declared."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pulumi

from components.alicloud.api import ApiError
from components.alicloud.trouble import trouble
from stacks.settings.errors import SettingsError


@contextlib.contextmanager
def asking() -> Iterator[None]:
    """Turns what goes wrong into one sentence.

    Raises:
        SettingsError: the account could not be asked.
    """
    try:
        yield
    except ApiError as error:
        raise SettingsError(f"nothing was changed: {error}; then run `pulumi up` again") from None
    except pulumi.RunError:
        raise
    except Exception as error:
        # A data source of the provider fails with a bare Exception.
        found = trouble(str(error))
        raise SettingsError(
            f"nothing was changed: the account could not be asked ({found.why})"
            + (f": {found.remedy}" if found.remedy else "")
            + "; then run `pulumi up` again"
        ) from None
