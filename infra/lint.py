"""Lint the templates as written, and template.yaml as CloudFormation gets it. Exit with 1 if there are findings.

cfn-lint checks both sides of each condition. Each value of GradualDeployment, which the transform resolves, has a run.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from devstack.template import read_template

TEMPLATE = Path(__file__).parents[1] / "template.yaml"
REGION = "eu-central-1"


def transformed(source: dict[str, Any] | None = None, **parameters: str) -> dict[str, Any]:
    """Return the template as CloudFormation gets it: after SAM's transform, with the roles that it adds."""
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


def variants(source: dict[str, Any]) -> dict[str, str]:
    """Return the templates that CloudFormation may get. The kinds of traffic shift differ in a name only."""
    found: dict[str, str] = {}
    for value in ("true", "false"):
        if (text := json.dumps(transformed(source, GradualDeployment=value))) not in found.values():
            found[f"GradualDeployment={value}"] = text
    return found


def problems(text: str) -> list[str]:
    from cfnlint.api import lint

    return [f"line {match.linenumber}: {match.rule.id} {match.message}" for match in lint(text, regions=[REGION])]


def check(written: Iterable[Path], source: dict[str, Any]) -> list[str]:
    """Return one line for each problem of each template as written and of each variant of `source`."""
    with ProcessPoolExecutor() as pool:
        found = {path.name: pool.submit(problems, path.read_text(encoding="utf-8")) for path in written}
        for name, text in variants(source).items():
            found[f"template.yaml, transformed with {name}"] = pool.submit(problems, text)
        return [f"{name}: {problem}" for name, future in found.items() for problem in future.result()]


def main() -> int:
    found = check((TEMPLATE, *TEMPLATE.parent.glob("infra/*.yaml")), read_template(TEMPLATE))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
