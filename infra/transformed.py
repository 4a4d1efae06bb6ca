"""The template as CloudFormation gets it: after SAM's transform, with the roles and permissions that it adds."""

from __future__ import annotations

import logging
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from devstack.template import read_template

TEMPLATE = Path(__file__).parents[1] / "template.yaml"


def transformed(source: dict[str, Any] | None = None, **parameters: str) -> dict[str, Any]:
    """Transform `source`, by default template.yaml. Parameters that are not given have their defaults."""
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    copy = deepcopy(read_template(TEMPLATE) if source is None else source)
    with_code = [one.get("Properties", {}) for one in copy["Resources"].values()]
    for properties in (*with_code, copy.get("Globals", {}).get("Function", {})):
        for name in {"CodeUri", "ContentUri"} & properties.keys():
            properties[name] = "s3://somewhere/built"
    session: Any = SimpleNamespace(region_name="eu-central-1")
    made: dict[str, Any] = Translator({}, Parser(), boto_session=session).translate(copy, parameters)
    return made
