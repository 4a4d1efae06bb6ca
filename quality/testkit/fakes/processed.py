"""The template as CloudFormation gets it: SAM's transform done, with the roles and permissions that it adds."""

from functools import cache
from typing import Any

from infra.lint import transformed
from quality.testkit.template import template


@cache
def processed(**parameters: str) -> dict[str, dict[str, Any]]:
    """All resources by logical id, the parameters being as shipped but for those that are given."""
    return dict(transformed(template(), Environment="prod", **parameters)["Resources"])


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of the resources of one type, by logical id."""
    return {name: found.get("Properties", {}) for name, found in processed().items() if found["Type"] == kind}
