"""`make openapi`: write docs/openapi.json."""

from pathlib import Path

from tools.openapi.document import written

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"

if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
