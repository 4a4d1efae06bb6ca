"""The reader of templates expands loops as cfn-lint does, which follows CloudFormation's transform."""

from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from cfnlint.template.transforms._language_extensions import language_extension

from devstack.template import Loader, expand, read_template
from quality.testkit.template import ROOT


def expanded_by_cfn_lint(template: dict[str, Any]) -> dict[str, Any]:
    matches, expanded = language_extension(SimpleNamespace(template=template, regions=["eu-central-1"]))
    assert matches == []
    assert expanded is not None
    return dict(expanded)


def test_the_template_is_expanded_as_cfn_lint_expands_it() -> None:
    file = ROOT / "template.yaml"
    written: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"), Loader)
    found = read_template(file)
    assert found["Transform"] == ["AWS::Serverless-2016-10-31"]
    assert found | {"Transform": written["Transform"]} == expand(expanded_by_cfn_lint(written))


def test_a_template_without_loops_is_read_as_it_is() -> None:
    file = ROOT / "infra" / "github-role.yaml"
    assert read_template(file) == yaml.load(file.read_text(encoding="utf-8"), Loader)


def test_loops_nest_and_mappings_are_looked_up_by_loop_variables() -> None:
    template = {
        "Mappings": {"Sizes": {"small": {"of": "s"}}, "Terms": {"s": {"Retention": 7}}},
        "Resources": {
            "Fn::ForEach::EachQueue": [
                "Queue",
                ["A", "B"],
                {
                    "${Queue}Queue": {
                        "Retention": {
                            "Fn::FindInMap": ["Terms", {"Fn::FindInMap": ["Sizes", "small", "of"]}, "Retention"]
                        },
                        "Fn::ForEach::EachTag": [
                            "Tag",
                            ["x"],
                            {"${Tag}Of": {"Fn::GetAtt": [{"Fn::Sub": "${Queue}Queue"}, "Arn"]}},
                        ],
                        "Name": {
                            "Fn::Sub": ["${AWS::StackName}-${It}-${At}", {"It": {"Ref": "Queue"}, "At": {"Ref": "Key"}}]
                        },
                    }
                },
            ]
        },
    }
    assert expand(template)["Resources"] == {
        f"{name}Queue": {
            "Retention": 7,
            "xOf": {"Fn::GetAtt": [f"{name}Queue", "Arn"]},
            "Name": {"Fn::Sub": f"${{AWS::StackName}}-{name}-${{Key}}"},
        }
        for name in ("A", "B")
    }


def test_a_key_that_a_mapping_lacks_is_an_error() -> None:
    template = {"Mappings": {"M": {}}, "Resources": {"A": {"Fn::FindInMap": ["M", "a", "b"]}}}
    with pytest.raises(KeyError, match="a"):
        expand(template)
