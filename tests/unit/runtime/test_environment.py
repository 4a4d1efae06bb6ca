"""Each function reads the environment variables that template.yaml gives it, by a typed model."""

import re
from collections.abc import Callable
from types import ModuleType

import pytest

from leadbridge.runtime.environment import (
    InvalidVariable,
    MissingVariable,
    SharedEnvironment,
    Variables,
    json_variable,
    variable,
)
from quality.testkit.template import ROOT, template, variables_of

FLOWS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
# Read by Powertools, by Pydantic, or with a default.
NOT_IN_MODELS = {
    *("LEADBRIDGE_FLOW", "POWERTOOLS_LOG_LEVEL", "POWERTOOLS_METRICS_NAMESPACE"),
    *("PYDANTIC_DISABLE_PLUGINS", "RETENTION_DAYS"),
}


@pytest.mark.parametrize("flow", FLOWS)
def test_model_of_a_function_has_the_variables_of_the_template(
    aws_mocked: None, function: Callable[[str], ModuleType], flow: str
) -> None:
    shared = set(template()["Globals"]["Function"]["Environment"]["Variables"])
    names = set(getattr(function(flow), "Environment", SharedEnvironment).names())
    assert names == (shared | set(variables_of(flow))) - (NOT_IN_MODELS - names)


def test_variables_are_read_through_models_alone() -> None:
    """The table's name is read where the table is opened."""
    raw = re.compile(r"environ\[|getenv\(")
    code = [*(ROOT / "functions").rglob("*.py"), *(ROOT / "layers" / "leadbridge").rglob("*.py")]
    assert [str(path) for path in code if raw.search(path.read_text(encoding="utf-8"))] == []


class Example(Variables):
    """A model."""

    table_name: str
    most: int = variable(int)
    queues: dict[str, str] = json_variable()


def test_variables_are_converted() -> None:
    found = Example({"TABLE_NAME": "leads", "MOST": "7", "QUEUES": '{"checks": "url"}', "OTHER": "x"})
    assert (found.table_name, found.most, found.queues) == ("leads", 7, {"checks": "url"})


def test_missing_variable_is_named() -> None:
    with pytest.raises(MissingVariable, match="the environment variable MOST is missing"):
        Example({"TABLE_NAME": "leads", "QUEUES": "{}"})


def test_invalid_variable_is_named_without_its_value() -> None:
    with pytest.raises(InvalidVariable, match=r"^the environment variable QUEUES has an invalid value$"):
        Example({"TABLE_NAME": "leads", "MOST": "7", "QUEUES": "{secret"})
