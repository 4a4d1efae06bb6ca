"""`make openapi`: write docs/openapi.json."""

import json

from tools.openapi.document import document
from tools.openapi.operations import ROOT

FILE = ROOT / "docs" / "openapi.json"


def written() -> str:
    """Return the document as the file has it."""
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
