"""From an id in a request to what it is the id of. Everything here raises a 404 `Refusal` that names the field."""

from collections.abc import Mapping

from sandbox.leeloo.refusals import not_found
from sandbox.leeloo.rows import Rows


def find[Thing](things: Mapping[str, Thing] | Rows[Thing], thing_id: str, field: str) -> Thing:
    """What has this id, which the request gave in this field."""
    thing = things.get(thing_id)
    if thing is None:
        raise not_found(field)
    return thing
