"""How the stack is deployed: gradually where it is asked for, without keys, and never over what cannot be had again."""

import json
import re
import shutil
import subprocess
import tomllib
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from samtranslator.translator.transform import transform

from leadbridge.settings import Settings
from leadbridge.shipping import read_toml
from tests.template import ROOT, resources, template
from tests.watched import is_blamed

FUNCTIONS = resources("AWS::Serverless::Function")
LAYERS = resources("AWS::Serverless::LayerVersion")
WORKFLOWS = {file.stem: file for file in (ROOT / ".github" / "workflows").glob("*.yml")}
SAMCONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
ENVIRONMENTS = ["dev", "prod"]
KEPT = {"AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::SecretsManager::Secret"}


class NoPolicies:
    """The template names no managed policies to look up."""

    @staticmethod
    def load() -> dict[str, str]:
        """None."""
        return {}


@cache
def transformed(gradual: str, layer: str = "leadbridge") -> dict[str, Any]:
    """The resources that AWS makes of the template, its code uploaded under the layer's name."""
    source = deepcopy(template())
    for resource in source["Resources"].values():
        for name in {"CodeUri", "ContentUri"} & resource.get("Properties", {}).keys():
            folder = resource["Properties"][name]
            resource["Properties"][name] = f"s3://builds/{folder.replace('layers/leadbridge', layer)}"
    made: dict[str, Any] = transform(source, {"GradualDeployment": gradual}, NoPolicies())["Resources"]
    return made


@pytest.fixture(autouse=True)
def a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """The transformation asks which one it is."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


def kinds(made: dict[str, Any]) -> set[str]:
    return {resource["Type"] for resource in made.values()}


def test_codedeploy_is_there_only_where_it_is_asked_for() -> None:
    assert not {kind for kind in kinds(transformed("false")) if "CodeDeploy" in kind}
    assert kinds(transformed("true")) - kinds(transformed("false")) == {
        "AWS::CodeDeploy::Application",
        "AWS::CodeDeploy::DeploymentGroup",
    }


def alarms_of(made: dict[str, Any], function: str) -> dict[str, Any]:
    """The properties of the alarms that stop a function's deployment, by logical id."""
    condition, watched, nothing = made[f"{function}DeploymentGroup"]["Properties"]["AlarmConfiguration"]["Fn::If"]
    assert (condition, nothing, watched["Enabled"]) == ("IsGradual", {}, True)
    names = [alarm["Name"]["Ref"] for alarm in watched["Alarms"]]
    assert {made[name]["Condition"] for name in names} == {"IsGradual"}
    return {name: made[name]["Properties"] for name in names}


def version_of(made: dict[str, Any], function: str) -> str:
    """The logical id of the version that a deployment brings."""
    (version,) = (name for name in made if re.fullmatch(rf"{function}Version[0-9a-f]+", name))
    return version


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_goes_back_when_its_new_version_fails_and_for_no_other(function: str) -> None:
    made = transformed("true")
    assert "CodeDeployLambdaAliasUpdate" in made[f"{function}Aliaslive"]["UpdatePolicy"]
    version = {"Fn::GetAtt": [version_of(made, function), "Version"]}
    flow = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", function).lower()
    wanted = {
        "Errors": {
            "FunctionName": {"Ref": function},
            "Resource": {"Fn::Sub": f"${{{function}}}:live"},
            "ExecutedVersion": version,
        }
    }
    if is_blamed(flow):
        wanted["Faults"] = {"service": flow, "version": version}
    alarms = alarms_of(made, function).values()
    assert {one["MetricName"]: {each["Name"]: each["Value"] for each in one["Dimensions"]} for one in alarms} == wanted


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_alarm_that_the_old_version_rings_is_none_of_the_new_ones(function: str) -> None:
    before, after = transformed("true"), transformed("true", "changed")
    names = [{str(alarm["AlarmName"]) for alarm in alarms_of(made, function).values()} for made in (before, after)]
    assert names[0]
    assert names[0].isdisjoint(names[1])


def test_the_environments_condition_is_what_the_deployment_preference_goes_by() -> None:
    assert template()["Conditions"]["IsGradual"] == {"Fn::Equals": [{"Ref": "GradualDeployment"}, "true"]}
    assert template()["Globals"]["Function"]["DeploymentPreference"]["Enabled"] == {"Ref": "GradualDeployment"}


def test_everything_calls_the_alias() -> None:
    made = transformed("false")
    for name, resource in made.items():
        match resource["Type"]:
            case "AWS::Lambda::EventSourceMapping":
                assert "Aliaslive" in resource["Properties"]["FunctionName"]["Ref"], name
            case "AWS::Scheduler::Schedule":
                assert "Aliaslive" in resource["Properties"]["Target"]["Arn"]["Ref"], name
            case "AWS::Lambda::Permission":
                assert "Aliaslive" in resource["Properties"]["FunctionName"]["Ref"], name
            case "AWS::Lambda::EventInvokeConfig":
                assert resource["Properties"]["Qualifier"] == "live", name
    text = json.dumps(made["Api"])
    assert '{"__FunctionArn__": {"Ref": "AuthorizeAliaslive"}}' in text
    assert text.count("functions/${") == text.count("Aliaslive}/invocations") + 1


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_change_of_our_layer_is_a_new_version_of_every_function(function: str) -> None:
    def versions(made: dict[str, Any]) -> set[str]:
        return {name for name in made if re.fullmatch(rf"{function}Version[0-9a-f]+", name)}

    before, after = versions(transformed("true")), versions(transformed("true", "changed"))
    assert len(before) == len(after) == 1
    assert before != after


def test_the_stack_policy_guards_all_that_holds_or_opens_data() -> None:
    policy = json.loads((ROOT / "deploy" / "stack-policy.json").read_text(encoding="utf-8"))
    [denied] = [statement for statement in policy["Statement"] if statement["Effect"] == "Deny"]
    assert denied["Action"] == ["Update:Replace", "Update:Delete"]
    kept = {name for name, found in template()["Resources"].items() if found["Type"] in KEPT}
    assert {one.removeprefix("LogicalResourceId/") for one in denied["Resource"]} == kept
    for name in kept:
        assert template()["Resources"][name]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_has_parameters_of_the_template(environment: str) -> None:
    parameters = SAMCONFIG[environment]["deploy"]["parameters"]["parameter_overrides"].split()
    given = dict(parameter.split("=", 1) for parameter in parameters)
    assert given["Environment"] == environment
    for name, value in given.items():
        assert value in template()["Parameters"][name].get("AllowedValues", [value]), name


@pytest.mark.parametrize(
    ("limit", "is_one"),
    [
        *((right, True) for right in ("0", "10", "99", "2000", "999999999", "2000000000")),
        *((wrong, False) for wrong in ("", "05", "-10", "10.5", "1e3", "2000000001", *map(str, range(1, 10)))),
    ],
)
def test_the_firewalls_limit_is_one_that_waf_takes(limit: str, is_one: bool) -> None:
    parameter = template()["Parameters"]["FirewallLimit"]
    assert bool(re.fullmatch(parameter["AllowedPattern"], limit)) == is_one


def test_two_environments_share_no_name() -> None:
    for key in ("stack_name",):
        assert len({SAMCONFIG[one]["global"]["parameters"][key] for one in ENVIRONMENTS}) == len(ENVIRONMENTS)
    prefixes = set()
    for environment in ENVIRONMENTS:
        given = SAMCONFIG[environment]["deploy"]["parameters"]["parameter_overrides"]
        found = re.search(r"Prefix=(\S+)", given)
        prefixes.add(found[1] if found else template()["Parameters"]["Prefix"]["Default"])
    assert len(prefixes) == len(ENVIRONMENTS)


def test_what_is_laid_over_one_environment_leaves_the_other_alone(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "config", tmp_path / "config")
    prod = Settings.model_validate(read_toml(folder, "prod"))
    (folder / "messages.dev.toml").write_text("[retry]\ngive_up_after = '7h'\n", encoding="utf-8")
    dev = Settings.model_validate(read_toml(folder, "dev"))
    assert dev.messages.retry.give_up_after.total_seconds() == 7 * 3600
    assert Settings.model_validate(read_toml(folder, "prod")) == prod
    assert dev.partners["leadleader"].cadence != prod.partners["leadleader"].cadence


def jobs(name: str) -> dict[str, Any]:
    """The jobs of a workflow that has no right which no job asks for."""
    workflow = yaml.safe_load(WORKFLOWS[name].read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    found: dict[str, Any] = workflow["jobs"]
    return found


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_action_is_pinned_to_a_commit(name: str) -> None:
    text = WORKFLOWS[name].read_text(encoding="utf-8")
    for used in re.findall(r"uses: (.+)", text):
        pinned = re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used)
        assert pinned or used == "./.github/workflows/deploy-to.yml", used
    assert "secrets." not in text


def test_only_a_deployment_may_become_a_role_and_prod_comes_after_dev() -> None:
    (deploy,) = jobs("deploy-to").values()
    assert deploy["environment"] == "${{ inputs.environment }}"
    assert jobs("deploy").keys() == {"check", "dev", "prod"}
    assert jobs("deploy")["check"]["permissions"] == {"contents": "read"}
    for environment in ENVIRONMENTS:
        assert jobs("deploy")[environment]["with"] == {"environment": environment}
    assert jobs("deploy")["dev"]["needs"] == "check"
    assert jobs("deploy")["dev"]["if"] == "github.event_name == 'push'"
    assert jobs("deploy")["prod"]["needs"] == "dev"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_is_one_and_has_no_known_weakness(name: str) -> None:
    bin_, file = ROOT / ".venv" / "bin", str(WORKFLOWS[name])
    for command in (
        [str(bin_ / "check-jsonschema"), "--builtin-schema", "vendor.github-workflows", file],
        [str(bin_ / "zizmor"), "--offline", "--no-progress", "--quiet", file],
    ):
        done = subprocess.run(command, text=True, capture_output=True, check=False)
        assert not done.returncode, done.stdout + done.stderr
