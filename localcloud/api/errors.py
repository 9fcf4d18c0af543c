"""Refusals, in the cloud's own words."""

from dataclasses import dataclass


@dataclass
class ApiError(Exception):
    """An answer with a status of 400 and more.

    `status` is HTTP's; `code` and `message` are what clients read. Codes are those that Terraform's provider
    1.285.0 waits for or ignores, and those of Alibaba's error centre.
    """

    status: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class LocalCloudError(Exception):
    """The local cloud itself cannot do something; the message is one sentence with cause and remedy."""


def missing(name: str) -> ApiError:
    """A mandatory parameter is not there."""
    return ApiError(400, f"MissingParameter.{name}", f'The input parameter "{name}" that is mandatory is not supplied.')


def invalid(name: str, why: str) -> ApiError:
    """A parameter has a value that cannot be."""
    return ApiError(400, f"InvalidParameter.{name}", f"The specified parameter {name} is not valid: {why}.")


def not_found(code: str, thing: str) -> ApiError:
    """What is named does not exist."""
    return ApiError(404, code, f"The specified {thing} does not exist.")


def dependency(what: str, code: str = "DependencyViolation") -> ApiError:
    """Something else still needs what is to be deleted."""
    return ApiError(400, code, f"The specified resource has dependent resources: {what}.")


def wrong_status(thing: str, status: str, code: str) -> ApiError:
    """The action is not for a thing in this status."""
    return ApiError(403, code, f"The current status of the {thing} does not support this operation: {status}.")
