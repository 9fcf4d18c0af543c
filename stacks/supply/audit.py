"""python -m stacks.supply.audit: what the product fetches that nothing pins by digest, hash or signature."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from stacks.supply.rules import RULES, beside

ROOT = Path(__file__).parents[2]
REASONS = Path(__file__).with_name("unpinned.toml")
NOT_FETCHED = ("docs/*", "planner/*", "tests/unit/*", "stacks/supply/rules.py")
"""Words about fetching, and examples of it."""


@dataclass(frozen=True)
class Finding:
    """One thing that is fetched and not pinned, and where that is written."""

    kind: str
    file: str
    line: int
    what: str

    def __str__(self) -> str:
        """As compilers say it."""
        return f"{self.file}:{self.line}: {self.kind}: {self.what}"


@dataclass(frozen=True)
class Reason:
    """Why something is fetched unpinned; patterns as of the shell."""

    kind: str
    file: str
    reason: str
    what: str = "*"

    def covers(self, finding: Finding) -> bool:
        """Whether this is a reason for that."""
        same = finding.kind == self.kind and fnmatchcase(finding.file, self.file)
        return same and fnmatchcase(finding.what, self.what)


def findings(root: Path, files: Iterable[str]) -> list[Finding]:
    """All of these files' unpinned things, in the files' order.

    Args:
        root: where the files lie.
        files: their paths below it.
    """
    read = frozenset(f for f in files if not any(fnmatchcase(f, pattern) for pattern in NOT_FETCHED))
    found = [Finding(*each) for each in beside(read)]
    for path in sorted(read):
        rules = [rule for rule in RULES if rule.reads(path)]
        if rules and (root / path).is_file():
            text = (root / path).read_text()
            found += [Finding(rule.kind, path, line, what) for rule in rules for line, what in rule.find(text)]
    return found


def report(found: Sequence[Finding], reasons: Sequence[Reason]) -> tuple[list[str], list[str]]:
    """What is unpinned for a reason, below that, and what must change: no reason for it, or a reason for nothing."""
    excused: list[str] = []
    wrong = [str(finding) for finding in found if not any(reason.covers(finding) for reason in reasons)]
    for reason in reasons:
        covered = [f"  {finding}" for finding in found if reason.covers(finding)]
        excused += [reason.reason, *covered] if covered else []
        if not covered:
            wrong.append(f"{REASONS.name}: {reason.kind} in {reason.file} is pinned now; take this reason out")
    return excused, wrong


def tracked(root: Path) -> list[str]:
    """Files of a checkout, new ones among them, but not what git ignores."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()


def reasons_of(file: Path) -> list[Reason]:
    """The reasons that a file gives."""
    return [Reason(**entry) for entry in tomllib.loads(file.read_text())["unpinned"]]


def main() -> int:
    """0 when all that is not pinned has its reason, 1 otherwise."""
    excused, wrong = report(findings(ROOT, tracked(ROOT)), reasons_of(REASONS))
    print(*excused, sep="\n")
    if wrong:
        print(f"not pinned, without a reason ({len(wrong)}):", *wrong, sep="\n", file=sys.stderr)
        print(
            f"pin each by digest, hash or signature, or give its reason in stacks/supply/{REASONS.name}",
            file=sys.stderr,
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
