"""A plan as one page of HTML: `python -m planner plan --html FILE`."""

from planner.page.page import drawn, page, templates

__all__ = ["drawn", "page", "templates"]
