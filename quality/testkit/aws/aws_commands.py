"""What the AWS command line takes, by the same models that it is made of: no account is needed to ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from botocore import xform_name
from botocore.model import OperationModel, ServiceModel
from botocore.session import Session

OF_ALL = {"--query", "--output", "--region", "--profile", "--endpoint-url"}
# What the command line has and the API has not.
BY_CLI_ALONE = {
    ("cloudformation", "deploy"): {"--stack-name", "--template-file", "--capabilities", "--parameter-overrides"},
    ("configure", "get"): set[str](),
    ("logs", "tail"): {"--since", "--filter-pattern", "--follow", "--format"},
}
RENAMED = {
    ("sns", "subscribe"): {"--endpoint": "--notification-endpoint"}
}  # where it would clash with an option of all
SERVICES = {"deploy": "codedeploy"}


@dataclass(frozen=True)
class Options:
    """What a command may say, and what it must."""

    known: frozenset[str]
    required: frozenset[str]


def options_of(words: Sequence[str]) -> Options | None:
    """The options of `aws …`, the words behind it given; None where there is no such service or operation."""
    service, operation, *rest = [*words, "", ""]
    if (service, operation) in BY_CLI_ALONE:
        return Options(frozenset(OF_ALL | BY_CLI_ALONE[service, operation]), frozenset())
    known = _operation(service, rest[0] if operation == "wait" else operation, is_wait=operation == "wait")
    if known is None:
        return None
    shape = known.input_shape
    renamed = RENAMED.get((service, operation), {})
    named = {} if shape is None else {f"--{xform_name(name, '-')}": one for name, one in shape.members.items()}
    members = {renamed.get(name, name): one for name, one in named.items()}
    flags = {f"--no-{name[2:]}" for name, one in members.items() if one.type_name == "boolean"}
    required = {f"--{xform_name(name, '-')}" for name in (shape.required_members if shape else [])}
    return Options(frozenset(OF_ALL | members.keys() | flags), frozenset(required))


def said_in(words: Sequence[str]) -> set[str]:
    """The options that a command says."""
    return {word.partition("=")[0] for word in words if word.startswith("--")}


def _operation(service: str, name: str, *, is_wait: bool) -> OperationModel | None:
    try:
        model = _model(SERVICES.get(service, service))
    except Exception:  # noqa: BLE001 - whatever botocore says of a service that it does not know
        return None
    if is_wait:
        waiters = Session().get_waiter_model(service)
        names = {xform_name(one, "-"): waiters.get_waiter(one).operation for one in waiters.waiter_names}
    else:
        names = {xform_name(one, "-"): one for one in model.operation_names}
    return model.operation_model(names[name]) if name in names else None


@cache
def _model(service: str) -> ServiceModel:
    return Session().get_service_model(service)
