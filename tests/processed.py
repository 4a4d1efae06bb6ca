"""The template as CloudFormation gets it: SAM's transform done, with the roles and permissions that it adds."""

from copy import deepcopy
from functools import cache
from types import SimpleNamespace
from typing import Any

from tests.template import template


@cache
def processed(**parameters: str) -> dict[str, dict[str, Any]]:
    """All resources by logical id, the parameters being as shipped but for those that are given."""
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    source = deepcopy(template())
    for resource in source["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            if name in resource["Properties"]:
                resource["Properties"][name] = "s3://somewhere/built"
    session: Any = SimpleNamespace(region_name="eu-central-1")
    given = {"Environment": "prod", **parameters}
    done: dict[str, Any] = Translator({}, Parser(), boto_session=session).translate(source, given)
    return dict(done["Resources"])


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of the resources of one type, by logical id."""
    return {name: found.get("Properties", {}) for name, found in processed().items() if found["Type"] == kind}
