"""`name=value`, as options give it."""

from collections.abc import Sequence

from leadbridge_cli.exit_codes import wrong_use


def pairs_in(texts: Sequence[str], option: str) -> dict[str, str]:
    """The values by name. Raises Failure for one without a name, and for a name that comes twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals or name in found:
            raise wrong_use(f"{option} is name=value, each name once.")
        found[name] = value
    return found
