"""Options of the form `name=value`."""

from collections.abc import Sequence

from leadbridge_cli.exit_codes import usage_error


def parse_pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """Return the values by name. Raises Failure for a missing or repeated name."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals or name in found:
            raise usage_error(f"{option} must be name=value, with each name once.")
        found[name] = value
    return found
