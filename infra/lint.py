"""Lint the template as CloudFormation gets it. Exit with 1 if there are findings.

cfn-lint checks both sides of each condition, so one run covers every combination of the parameters that conditions use.
The parameters that SAM's transform resolves change the resources: each combination of these has a run of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from typing import Any

from devstack.template import read_template
from infra.transformed import TEMPLATE, transformed

REGION = "eu-central-1"
RESOLVED_BY_SAM = ("GradualDeployment", "TrafficShift")


def variants(source: dict[str, Any]) -> dict[str, str]:
    """Return the different templates that CloudFormation may get, as JSON, and the parameters of each.

    Templates that differ only in the name of the traffic shift count as one.
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
    """Return what cfn-lint finds in a template."""
    from cfnlint.api import lint

    return [f"{match.rule.id} {match.message}" for match in lint(text, regions=[REGION])]


def check(source: dict[str, Any]) -> Iterator[str]:
    """Yield one line for each problem of each variant."""
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
