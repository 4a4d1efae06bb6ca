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
from botocore import xform_name
from samtranslator.translator.transform import transform

from leadbridge.settings import Settings
from quality.testkit.documents import commands, schema_problems
from quality.testkit.fakes.watched import is_blamed
from quality.testkit.template import ROOT, resources, role_statements, template
from tools.config import read_toml

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
    with_code = [resource.get("Properties", {}) for resource in source["Resources"].values()]
    for properties in (*with_code, source["Globals"]["Function"]):
        for name in {"CodeUri", "ContentUri"} & properties.keys():
            properties[name] = f"s3://builds/{properties[name].replace('layers/leadbridge', layer)}"
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
def test_one_bad_minute_of_three_moves_no_deployment_back(function: str) -> None:
    for alarm in alarms_of(transformed("true"), function).values():
        said = (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"])
        assert said == ((60, 1, 1) if is_alone_in_three_minutes(function) else (60, 3, 2))
        assert (alarm["Threshold"], alarm["TreatMissingData"]) == (0, "notBreaching")


def is_alone_in_three_minutes(function: str) -> bool:
    """Whether three minutes have one call of a function at most, so that two bad minutes can never come."""
    properties = FUNCTIONS[function]["Properties"]
    rates = [
        one["Properties"]["ScheduleExpression"] for one in properties.get("Events", {}).values() if "Sch" in one["Type"]
    ]
    retries = properties.get("EventInvokeConfig", {}).get("MaximumRetryAttempts", 2)
    return bool(rates) and rates != ["rate(1 minute)"] and retries == 0


def test_a_function_that_is_alone_in_three_minutes_tolerates_transient_errors_itself() -> None:
    assert {name for name in FUNCTIONS if is_alone_in_three_minutes(name)} == {"SyncAccounts"}  # test_sync_matchtrade


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_alarm_of_the_old_version_does_not_roll_back_the_new_one(function: str) -> None:
    before, after = transformed("true"), transformed("true", "changed")
    names = [{str(alarm["AlarmName"]) for alarm in alarms_of(made, function).values()} for made in (before, after)]
    assert names[0]
    assert names[0].isdisjoint(names[1])


def test_the_environments_condition_is_what_the_deployment_preference_goes_by() -> None:
    both = [
        {"Fn::Equals": [{"Ref": "GradualDeployment"}, "true"]},
        {"Fn::Not": [{"Fn::Equals": [{"Ref": "TrafficShift"}, "AllAtOnce"]}]},
    ]
    assert template()["Conditions"]["IsGradual"] == {"Fn::And": both}
    preference = template()["Globals"]["Function"]["DeploymentPreference"]
    assert preference == {"Enabled": {"Ref": "GradualDeployment"}, "Type": {"Ref": "TrafficShift"}}


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
    policy = json.loads((ROOT / "infra" / "stack-policy.json").read_text(encoding="utf-8"))
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
        pinned = re.fullmatch(r"[\w.-]+/[\w.-]+(/[\w.-]+)*@[0-9a-f]{40} # v\d+\.\d+\.\d+", used)
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


def test_a_push_waits_for_no_other_run_and_two_do_not_deploy_to_one_environment_at_once() -> None:
    workflow = yaml.safe_load(WORKFLOWS["deploy"].read_text(encoding="utf-8"))
    group = "${{ github.workflow }}-${{ github.event_name == 'pull_request' && github.ref || github.run_id }}"
    assert workflow["concurrency"] == {
        "group": group,
        "cancel-in-progress": "${{ github.event_name == 'pull_request' }}",
    }
    assert not [name for name, job in workflow["jobs"].items() if "concurrency" in job]
    (deploy,) = jobs("deploy-to").values()
    assert deploy["concurrency"] == {"group": "deploy-${{ inputs.environment }}", "cancel-in-progress": False}


def test_what_was_deployed_is_asked_before_the_next_environment_gets_it() -> None:
    (deploy,) = jobs("deploy-to").values()
    steps = deploy["steps"]
    assert [step["run"] for step in steps if "make" in step.get("run", "")] == [
        "make build",
        "make deploy",
        "make check-deployed",
    ]
    assert steps[-1]["env"] == {"ENV": "${{ inputs.environment }}"}
    assert not [step for step in steps if "if" in step or "continue-on-error" in step]


def lay_over(folder: Path, there: str, order: str) -> subprocess.CompletedProcess[str]:
    """Run the workflow's step that looks what is there, with a `gh` that says that; `order` is the last commit's."""
    (deploy,) = jobs("deploy-to").values()
    (step,) = [step for step in deploy["steps"] if "gh api" in step.get("run", "")]
    assert deploy["steps"].index(step) < deploy["steps"].index(next(s for s in deploy["steps"] if "make" in str(s)))
    gh = folder / "gh"
    compare = "repos/you/leadbridge/compare/"
    gh.write_text(
        f"""#!/bin/sh
case "$2" in
  graphql) [ "$THERE" != unknown ] && printf %s "$THERE" ;;
  "{compare}${{THERE##* }}...this") [ "$ORDER" != gone ] && echo "$ORDER" ;;
  "{compare}older...this") echo ahead ;;
  *) exit 1 ;;
esac
""",
        encoding="utf-8",
    )
    gh.chmod(0o755)
    env = {"PATH": f"{folder}:/usr/bin:/bin", "GITHUB_REPOSITORY_OWNER": "you", "GITHUB_REPOSITORY": "you/leadbridge"}
    env |= {"GITHUB_SHA": "this", "ENVIRONMENT": "prod", "THERE": there, "ORDER": order}
    command = ["bash", "-e", "-c", step["run"]]
    return subprocess.run(command, env=env, text=True, capture_output=True, check=False)


@pytest.mark.parametrize(
    ("there", "order"),
    [
        ("", ""),
        ("that", "ahead"),
        ("this", "identical"),
        ("that", "diverged"),
        ("older that", "ahead"),
        ("that", "gone"),  # the branch was rewritten
    ],
)
def test_a_commit_is_laid_over_an_older_one(tmp_path: Path, there: str, order: str) -> None:
    done = lay_over(tmp_path, there, order)
    assert not done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("there", ["that", "older that"])
def test_an_older_commit_is_not_laid_over_a_newer_one(tmp_path: Path, there: str) -> None:
    done = lay_over(tmp_path, there, "behind")
    assert done.returncode
    assert "prod was given that, which is newer" in done.stdout


@pytest.mark.skipif(not shutil.which("jq"), reason="there is no jq here")
def test_a_newer_commit_counts_though_its_deployment_was_not_found_well() -> None:
    (deploy,) = jobs("deploy-to").values()
    (step,) = [step for step in deploy["steps"] if "gh api" in step.get("run", "")]
    query = re.findall(r"--jq '([^']+)'", step["run"])[0]
    states = {"a": "IN_PROGRESS", "b": "FAILURE", "c": None, "d": "INACTIVE", "e": "SUCCESS", "f": "WAITING"}
    nodes = [
        {"commitOid": oid, "latestStatus": state and {"state": state}}
        for oid, state in [*states.items(), *states.items()]
    ]
    asked = json.dumps({"data": {"repository": {"deployments": {"nodes": nodes}}}})
    done = subprocess.run(["jq", "--raw-output", query], input=asked, text=True, capture_output=True, check=True)
    assert done.stdout.split() == ["b", "d", "e"]


def test_nothing_is_deployed_to_an_unreadable_stack(tmp_path: Path) -> None:
    assert lay_over(tmp_path, "unknown", "").returncode


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_anyone_who_deploys_may_see_what_is_there(environment: str) -> None:
    (deploy,) = jobs("deploy-to").values()
    assert jobs("deploy")[environment]["permissions"] == deploy["permissions"]


def test_the_workflows_are_valid_and_have_no_known_weakness() -> None:
    files = list(map(str, WORKFLOWS.values()))
    assert schema_problems("vendor.github-workflows", files) == ""
    command = [str(ROOT / ".venv" / "bin" / "zizmor"), "--offline", "--no-progress", "--quiet", *files]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert not done.returncode, done.stdout + done.stderr


def command_of_the_page(*words: str) -> dict[str, list[str]]:
    """The options of the one command of docs/recovery.md that begins with these words, each with its values."""
    (found,) = [
        command.words[len(words) :]
        for command in commands()
        if command.page.name == "recovery.md" and command.is_whole and command.words[: len(words)] == words
    ]
    options: dict[str, list[str]] = {}
    for word in found:
        if word.startswith("--"):
            options[word] = []
        else:
            options[next(reversed(options))].append(word)
    return options


def test_a_restored_tables_stream_is_mapped_as_the_templates_is() -> None:
    mapping = dict(transformed("false")["PublishChangesStream"]["Properties"])
    said = command_of_the_page("aws", "lambda", "create-event-source-mapping")
    said = {name: values for name, values in said.items() if name not in {"--query", "--output"}}
    assert said.keys() == {f"--{xform_name(name, '-')}" for name in mapping}
    assert mapping.pop("FunctionName") == {"Ref": "PublishChangesAliaslive"}
    assert said["--function-name"] == ["leadbridge-publish-changes:live"]
    assert mapping.pop("EventSourceArn") == {"Fn::GetAtt": ["Leads", "StreamArn"]}
    assert said["--event-source-arn"] == ["$stream"]
    assert mapping.pop("DestinationConfig") == {
        "OnFailure": {"Destination": {"Fn::GetAtt": ["EventDeadLetterQueue", "Arn"]}}
    }
    assert said["--destination-config"] == ["OnFailure={Destination=$letters}"]
    assert template()["Outputs"]["EventDeadLetterQueueUrl"]["Value"] == {"Ref": "EventDeadLetterQueue"}
    given = json.loads(said["--filter-criteria"][0])["Filters"]
    filtered = mapping.pop("FilterCriteria")["Filters"]
    assert [json.loads(one["Pattern"]) for one in given] == [json.loads(one["Pattern"]) for one in filtered]
    for name, value in mapping.items():
        values = value if isinstance(value, list) else [] if value is True else [value]
        assert said[f"--{xform_name(name, '-')}"] == [str(each) for each in values], name


def test_a_restored_tables_stream_may_be_read_as_the_templates_may() -> None:
    page = (ROOT / "docs" / "recovery.md").read_text(encoding="utf-8")
    found = re.search(r"--policy-document '(.+?)'\"\$stream\"'(.+?)'", page, re.DOTALL)
    assert found
    (said,) = json.loads(f"{found[1]}stream{found[2]}")["Statement"]
    stream = {"Fn::GetAtt": ["Leads", "StreamArn"]}
    (statement,) = [one for one in role_statements("PublishChanges") if one["Resource"] == stream]
    assert said == statement | {"Resource": "stream"}


def test_without_what_the_page_takes_out_the_template_knows_no_stream() -> None:
    source = deepcopy(template())
    parts = source["Resources"]
    del parts["Leads"]["Properties"]["StreamSpecification"]
    for function in ("PublishChanges", "UpdateStats"):
        del parts[function]["Properties"]["Events"]["Stream"]
        policy = parts[f"{function}Policy"]["Properties"]
        statements = policy["PolicyDocument"]["Statement"]
        policy["PolicyDocument"]["Statement"] = [one for one in statements if "StreamArn" not in json.dumps(one)]
        assert len(statements) - len(policy["PolicyDocument"]["Statement"]) == 1
    assert "StreamArn" not in json.dumps(source)
