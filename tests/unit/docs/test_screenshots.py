"""The pictures of the console in the documentation show the console as it is. `make screenshots` renews them."""

import json
import re

from quality.testkit.browser.pictures import FOLDER, MANIFEST, made_from, pictures
from quality.testkit.template import ROOT

MOST, LARGEST = 8, 100_000  # pictures, and bytes of one


def test_the_pictures_are_made_from_the_console_as_it_is() -> None:
    stored = json.loads(MANIFEST.read_text(encoding="utf-8"))
    assert stored == {**made_from(), "pictures": pictures()}, "out of date: run `make screenshots`"


def test_the_pictures_are_few_and_small_and_each_is_shown() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    found = pictures()
    assert 0 < len(found) <= MOST
    assert {name for name in found if (FOLDER / name).stat().st_size > LARGEST} == set()
    assert set(found) == set(re.findall(r"console/([\w-]+\.png)", texts))
