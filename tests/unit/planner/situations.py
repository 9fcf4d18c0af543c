"""The split that the planner chooses, beside what the engines' own guides recommend.

`python -m tests.unit.planner.situations` prints the table of docs/split.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from planner import Engine, Plan, PlanRequest, catalog_model, owned, plan


@dataclass(frozen=True)
class Situation:
    """A model on machines.

    Attributes:
        model: of the catalog.
        gpu: of the catalog.
        gpus: in a machine.
        guide: the split that the guide recommends, as `Split.short` writes it.
        source: which guide, by its name in situations.yaml.
        ours: the planner's.
        machines: how many.
        context: tokens of a request; None for the model's own.
        concurrency: requests at once; None where it isn't said.
        engine: which.
        why: of a difference.
    """

    model: str
    gpu: str
    gpus: int
    guide: str
    source: str
    ours: str
    machines: int = 1
    context: int | None = None
    concurrency: int | None = None
    engine: str = "vllm"
    why: str = ""

    def plan(self) -> Plan:
        """What the planner chooses."""
        return plan(
            PlanRequest(
                catalog_model(self.model),
                (owned(self.gpu, self.gpus, self.machines),),
                engine=Engine(self.engine),
                engine_version="0.33.0",
                arguments={"max_model_len": str(self.context)} if self.context else {},
                streams=self.concurrency,
                whole=True,
                choose_data_parallel=True,
            )
        )

    @property
    def row(self) -> str:
        """A row of the table."""
        cluster = owned(self.gpu, self.gpus, self.machines)
        tokens = f"{self.context:,}" if self.context else "its own"
        cells = (
            self.model,
            cluster.words,
            tokens,
            str(self.concurrency or ""),
            f"{self.guide} ({self.source})",
            self.ours,
            self.why,
        )
        return f"| {' | '.join(cells)} |"


DATA = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
SITUATIONS = [Situation(**row) for row in DATA["situations"]]


def table() -> str:
    """The table of docs/split.md, and its sources."""
    lines = [
        "| Model | Machines | Tokens | At once | Guide | Chosen | Why it differs |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [situation.row for situation in SITUATIONS]
    return "\n".join([*lines, "", *(f"- {name}: {text}." for name, text in DATA["guides"].items())])


if __name__ == "__main__":
    print(table())
