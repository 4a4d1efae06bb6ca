"""The linter of the transformed template: what it covers, and a fault that only it sees."""

from copy import deepcopy
from typing import Any

from infra.lint import problems, variants
from quality.testkit.template import template

RESOLVED_BY_SAM = ("GradualDeployment", "TrafficShift")


def referred(value: Any) -> set[str]:
    match value:
        case {"Ref": str(name)}:
            return {name}
        case dict():
            return set().union(*map(referred, value.values()))
        case list():
            return set().union(*map(referred, value))
        case _:
            return set()


def test_each_template_that_the_parameters_lead_to_is_linted_once() -> None:
    found = variants(template())
    assert ["AWS::CodeDeploy::" in found[f"GradualDeployment={value}"] for value in ("true", "false")] == [True, False]
    assert len(found) == 2


def test_sam_resolves_no_other_parameter_that_changes_the_resources() -> None:
    preference = template()["Globals"]["Function"]["DeploymentPreference"]
    assert referred(preference) == set(RESOLVED_BY_SAM)
    for resource in template()["Resources"].values():
        if resource["Type"].startswith("AWS::Serverless::"):
            assert isinstance(resource["Properties"].get("AutoPublishAlias", ""), str)


def test_a_dependency_on_what_a_condition_leaves_out_is_a_problem() -> None:
    source = deepcopy(template())
    kept = {"ApiLogs", "Key", "AlarmEmails", "AlarmsByEmail"}
    source["Resources"] = {name: one for name, one in source["Resources"].items() if name in kept}
    del source["Outputs"], source["Globals"]
    for name in RESOLVED_BY_SAM:
        del source["Parameters"][name]
    source["Conditions"] = {"HasAlarmEmail": source["Conditions"]["HasAlarmEmail"]}
    (text,) = variants(source).values()
    assert not [one for one in problems(text) if ": E" in one]
    source["Resources"]["ApiLogs"]["DependsOn"] = "AlarmsByEmail"
    (text,) = variants(source).values()
    assert [one for one in problems(text) if "E3005" in one]


def test_a_template_as_written_is_linted_with_its_loops() -> None:
    loop = """
Transform: AWS::LanguageExtensions
Resources:
  Fn::ForEach::EachQueue: [Queue, [A, B], {"${Queue}Queue": {Type: AWS::SQS::Queue, Properties: {%s: 60}}}]
"""
    assert problems(loop % "VisibilityTimeout") == []
    assert [one for one in problems(loop % "Visibility") if "E3002" in one]
