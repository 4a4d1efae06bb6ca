"""The pages with diagrams."""

import re
from collections.abc import Callable
from pathlib import Path

from tools.diagrams import flowcharts, states
from tools.diagrams.application import ROOT, application

PICTURES: dict[str, Callable[[], str]] = {
    "pipeline": lambda: flowcharts.pipeline(application()),
    "overview": lambda: flowcharts.overview(application()),
    "functions": lambda: flowcharts.functions_table(application()),
    "queues": lambda: flowcharts.queues_table(application()),
    "delivery": states.of_a_delivery,
    "message": states.of_a_message,
    "fetch": states.of_a_fetch,
    "postback": states.of_a_postback,
}
PAGES = (ROOT / "README.md", ROOT / "docs" / "architecture.md")
PLACE = re.compile(r"(?<=<!-- make diagrams: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)


def shown_on(page: Path) -> list[str]:
    """The names of a page's diagrams."""
    return [place[1] for place in PLACE.finditer(page.read_text(encoding="utf-8"))]


def drawn(page: Path) -> str:
    """A page with updated diagrams."""
    return PLACE.sub(lambda place: f"{place[1]}{place[2]}{PICTURES[place[1]]()}\n", page.read_text(encoding="utf-8"))
