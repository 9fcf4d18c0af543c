"""A plan as one page of HTML: `python -m planner plan --html FILE`."""

from planner.page.page import page

__all__ = ["page"]
