"""axe on every view, in each language and scheme, at each width. It is not part of all tests, as it takes minutes.

`make test ARGS=tests/browser/axe_everywhere.py` runs it.
"""

from typing import Any, Literal

import pytest

from leadbridge.settings import Settings
from quality.testkit.browser.axe import violations
from quality.testkit.browser.views import HEIGHT, LANGUAGES, WIDTHS, console_in, every_view, with_everything
from quality.testkit.browser.world import Open, World

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing_anywhere(
    open_console: Open, world: World, shipped_settings: Settings, language: str, width: int
) -> None:
    leads = with_everything(world, shipped_settings)
    page = console_in(open_console, language)
    page.set_viewport_size({"width": width, "height": HEIGHT})
    shown, wrong = 0, list[Any]()
    for view in every_view(page, world, leads):
        shown += 1
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            wrong += [(view, scheme, *one) for one in violations(page)]
    assert shown >= 20
    assert wrong == []
