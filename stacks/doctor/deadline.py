"""Many questions at once, each with an answer by a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What came of a question.

    Attributes:
        value: what was answered.
        failure: why nothing was; None where something was.
    """

    value: Any = None
    failure: Exception | None = None


def ask_all(questions: Mapping[str, Callable[[], Any]], seconds: float) -> dict[str, Answer]:
    """Asks all at once; one that isn't answered in time fails with TimeoutError, and holds nobody up.

    Threads are daemons: whoever waits for a dead machine ends with the program.
    """
    found: dict[str, Answer] = {}

    def ask(name: str, question: Callable[[], Any]) -> None:
        try:
            found[name] = Answer(question())
        except Exception as failure:
            found[name] = Answer(failure=failure)

    threads = [threading.Thread(target=ask, args=each, daemon=True) for each in questions.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    answers = dict(found)
    late = Answer(failure=TimeoutError(f"no answer within {seconds:g} s"))
    return {name: answers.get(name, late) for name in questions}
