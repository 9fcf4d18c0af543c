"""All that is known of a stack when its checks begin: collected at once, within a time limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.alicloud.account import MISSING_KEYS, has_keys
from components.alicloud.api import Api, ApiError
from stacks.doctor import external_probe
from stacks.doctor.account_queries import questions
from stacks.doctor.addresses import Place, places_of
from stacks.doctor.deadline import Answer, ask_all
from stacks.doctor.examined import Examined
from stacks.doctor.finding import NotApplicableError, NotCheckedError
from stacks.doctor.machine_probe import SSH_SECONDS, MachineReply, query_machine
from stacks.doctor.stack import Stack
from stacks.settings.cloud import CloudSettings
from stacks.settings.stack import Settings

ACCOUNT_SECONDS = 50.0
TIMES = {"began", "ended"}
"""What a machine tells beside facts."""
NOT_KNOWN = Answer(failure=LookupError("it was not asked"))


@dataclass(frozen=True)
class Evidence:
    """Facts of every kind.

    Attributes:
        stack: as Pulumi knows it.
        places: its machines.
        account: answers of the account by question; none where nothing is rented.
        replies: what each machine said, by name.
        outside: answers of `stacks.doctor.external_probe` by question.
        here: this computer's own addresses, as machines see them.
    """

    stack: Stack
    places: Sequence[Place] = ()
    account: Mapping[str, Answer] = field(default_factory=dict)
    replies: Mapping[str, MachineReply] = field(default_factory=dict)
    outside: Mapping[str, Answer] = field(default_factory=dict)
    here: frozenset[str] = frozenset()

    @property
    def settings(self) -> Settings:
        """The stack's settings.

        Raises:
            NotCheckedError: they don't hold.
        """
        if self.stack.settings is None:
            raise NotCheckedError("the settings can't be used")
        return self.stack.settings

    @property
    def cloud(self) -> CloudSettings:
        """What is rented.

        Raises:
            NotApplicableError: nothing.
        """
        found = self.settings.cloud if self.settings.platform == "alicloud" else None
        if found is None:
            raise NotApplicableError
        return found

    @property
    def serving(self) -> list[Place]:
        """The machines that serve."""
        return [each for each in self.places if each.number is not None]

    @property
    def examined(self) -> list[Examined]:
        """All machines, with what each told."""
        return [Examined(each.name, tuple(sorted({*self._facts_of(each)} - TIMES))) for each in self.places]

    @property
    def no_machine(self) -> str:
        """Why there is no machine to ask."""
        return "no machine is there" if self.stack.settings else "the settings can't be used, and name no machine"

    def answer(self, question: str) -> Any:  # noqa: ANN401  # JSON is any
        """An answer of the account.

        Raises:
            NotCheckedError: there is none.
        """
        return _value(self.account, question)

    def seen(self, question: str) -> Any:  # noqa: ANN401  # JSON is any
        """An answer from outside.

        Raises:
            NotCheckedError: there is none.
        """
        return _value(self.outside, question)

    def facts(self, name: str) -> list[tuple[Place, Any]]:
        """What the machines that answered say about something.

        Raises:
            NotCheckedError: none says anything.
        """
        found = [(p, self.replies[p.name].facts[name]) for p in self.places if name in self._facts_of(p)]
        if not found:
            why = next((w for p in self.places if (w := self._silent(p, name))), self.no_machine)
            raise NotCheckedError(why)
        return found

    def _facts_of(self, place: Place) -> Mapping[str, Any]:
        return self.replies.get(place.name, MachineReply()).facts

    def _silent(self, place: Place, name: str) -> str:
        reply = self.replies.get(place.name)
        if reply is None:
            return ""
        why = reply.error or reply.failed.get(name) or ("it took too long there" if name in reply.late else "")
        return f"{place.name}: {why}" if why else ""

    def missed(self) -> list[tuple[Place, str, str]]:
        """Machine, fact and reason of everything that a machine that answers could not tell."""
        return [
            (place, name, self._silent(place, name))
            for place in self.places
            if (reply := self.replies.get(place.name)) and not reply.error
            for name in (*reply.late, *reply.failed)
        ]


def _value(answers: Mapping[str, Answer], question: str) -> Any:  # noqa: ANN401  # JSON is any
    answer = answers.get(question, NOT_KNOWN)
    if answer.failure is not None:
        raise NotCheckedError(str(answer.failure))
    return answer.value


def collect(stack: Stack) -> Evidence:
    """Asks everybody at once."""
    finished = stack.named("answer-asked") is not None
    # The fetcher rests when the weights are there.
    places = [each for each in places_of(stack) if each.number is not None or not finished]
    head = next((each for each in places if each.number == 0), None)
    url = external_probe.url_of(stack, places)
    direct = bool(url) and not (head and head.between and not (stack.settings and stack.settings.gateway.url))
    calls: dict[str, Callable[[], Any]] = {
        **{f"machine {each.name}": lambda each=each: query_machine(stack, each, places) for each in places},  # type: ignore[misc]
        "account": lambda: _account(stack),
        "completion": lambda: external_probe.completion(stack),
        "inner": lambda: external_probe.open_inner_ports(stack, places),
    }
    if direct:
        calls["url"] = lambda: external_probe.connect(url)
    if direct and url.startswith("https:"):
        calls["certificate"] = lambda: external_probe.certificate(url, str(stack.outputs.get("apiCa") or ""))
    found = ask_all(calls, SSH_SECONDS + 5)
    account = found.pop("account")
    replies = {each.name: found.pop(f"machine {each.name}") for each in places}
    return Evidence(
        stack,
        places,
        account.value if account.failure is None else {"identity": account},
        {name: each.value or MachineReply(str(each.failure)) for name, each in replies.items()},
        found,
        frozenset(external_probe.own_addresses(places)),
    )


def _account(stack: Stack) -> dict[str, Answer]:
    settings = stack.settings
    if settings is None or settings.cloud is None or settings.platform != "alicloud":
        return {}
    if not has_keys():
        return {"identity": Answer(failure=ApiError("NoKeys", MISSING_KEYS))}
    api = Api(settings.cloud.region, settings.cloud.endpoint)
    return ask_all(questions(stack, settings, settings.cloud, api), ACCOUNT_SECONDS)
