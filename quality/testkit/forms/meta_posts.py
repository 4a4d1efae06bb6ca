"""Webhook posts as Meta sends them."""

import json
from typing import Any

SECRET = "0123456789abcdef0123456789abcdef"

ONE = "1202100000000011"


def change(leadgen_id: object = ONE, **value: Any) -> dict[str, Any]:
    known = {
        "leadgen_id": leadgen_id,
        "page_id": "153125381133",
        "form_id": 234567890123456,
        "created_time": 1440120384,
    }
    return {"field": "leadgen", "value": {**known, **value}}


def body(*changes: Any) -> str:
    return json.dumps({"object": "page", "entry": [{"id": "1", "time": 1, "changes": list(changes)}]})


def json_text(value: object) -> str:
    """A value as JSON; an empty list where JSON has no way to write it."""
    try:
        return json.dumps(value, default=str)
    except (ValueError, TypeError):
        return "[]"
