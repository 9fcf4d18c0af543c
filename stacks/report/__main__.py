"""python -m stacks.report STACK: one page about a deployment, as it is now."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stacks.planning import plan_for
from stacks.report.state import StateError, outputs
from stacks.report.write_report import write_report
from stacks.settings.errors import SettingsError
from stacks.stack_settings import settings_of


def main(argv: Sequence[str] | None = None) -> int:
    """0 with the page's path, 1 with a sentence."""
    parser = argparse.ArgumentParser(prog="python -m stacks.report", description=__doc__)
    parser.add_argument("stack", help="the stack's name")
    parser.add_argument("--config-file", type=Path, help="the stack's file, where it isn't Pulumi.<stack>.yaml")
    parser.add_argument("--no-differences", action="store_true", help="without the preview that looks for them")
    args = parser.parse_args(argv)
    try:
        settings = settings_of(args.stack, args.config_file)
        file, spent = write_report(
            args.stack,
            settings,
            plan_for(settings),
            outputs(args.stack),
            look_for_differences=not args.no_differences,
            config_file=args.config_file,
        )
    except (SettingsError, StateError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if spent and spent.warning:
        print(f"warning: {spent.warning}", file=sys.stderr)
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
