"""Lints the template as CloudFormation gets it, and ends with 1 where something is wrong.

cfn-lint sees both sides of each condition, so one run covers every combination of the parameters that conditions use.
The parameters that SAM's transform itself resolves change the resources: for those there is one run each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from typing import Any

from deploy.transformed import TEMPLATE, transformed
from local.template import read_template

REGION = "eu-central-1"
RESOLVED_BY_SAM = ("GradualDeployment", "TrafficShift")


def variants(source: dict[str, Any]) -> dict[str, str]:
    """The different templates that CloudFormation may get, as JSON, and the parameters that lead to each.

    Templates that differ in nothing but the name of the traffic shift count as one.
    """
    found: dict[str, tuple[str, str]] = {}
    values = [source["Parameters"][name]["AllowedValues"] for name in RESOLVED_BY_SAM if name in source["Parameters"]]
    for chosen in product(*values):
        given = dict(zip(RESOLVED_BY_SAM, chosen, strict=False))
        text = json.dumps(transformed(source, **given))
        shape = text.replace(json.dumps({"ConfigName": given.get("TrafficShift")}), "")
        found.setdefault(shape, (text, " ".join(f"{name}={value}" for name, value in given.items())))
    return dict(found.values())


def problems(text: str) -> list[str]:
    """What cfn-lint finds in one of them."""
    from cfnlint.api import lint

    return [f"{match.rule.id} {match.message}" for match in lint(text, regions=[REGION])]


def check(source: dict[str, Any]) -> Iterator[str]:
    """One line for each problem of each variant."""
    texts = variants(source)
    with ProcessPoolExecutor() as pool:
        for said, found in zip(texts.values(), pool.map(problems, texts), strict=True):
            yield from (f"template.yaml, transformed with {said}: {problem}" for problem in found)


def main() -> int:
    """Lint template.yaml."""
    found = list(check(read_template(TEMPLATE)))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
