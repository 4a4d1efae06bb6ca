"""`leadbridge partners leeloo …`: a command for every endpoint of Leeloo's API, generated from the client.

Each group of the client is a group of commands, each method a command, and each parameter an argument or option.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from leadbridge_cli.cloud import Cloud, EndpointUrl, Prefix, Region, Stack, resolve_cloud
from leadbridge_cli.exit_codes import partner_errors
from leadbridge_cli.options import Commands, Reveal, Yes, command, group
from leadbridge_cli.output import Output, Renderable, flatten, line, table
from leadbridge_cli.sanitize import as_json, masked

if TYPE_CHECKING:
    from leeloo_api import LeelooApi

MAX_SECONDS = 600  # seconds for all calls of one command; a list can have a hundred pages
MAX_COLUMNS = 8

FormData = Annotated[
    bool, typer.Option("--form-data", help="Send form data where Leeloo's documentation names both form data and JSON.")
]


@dataclass(frozen=True)
class LeelooTarget:
    """Leeloo's API with the stack's credentials."""

    cloud: Cloud
    form_data: bool

    def api(self) -> "LeelooApi":
        """Make a client."""
        from leadbridge.partners.leeloo.client import EITHER_ENCODING, Client
        from leadbridge_cli.verify_credentials import secret_of, transport_to
        from leeloo_api import LeelooApi

        form_data = EITHER_ENCODING if self.form_data else ()
        return LeelooApi(Client(transport_to("leeloo"), secret_of(self.cloud, "leeloo"), form_data=form_data))


def resolve_leeloo(
    stack: Stack = None,
    prefix: Prefix = None,
    region: Region = None,
    endpoint_url: EndpointUrl = None,
    form_data: FormData = False,
) -> LeelooTarget:
    """Return the target that the options name."""
    return LeelooTarget(resolve_cloud(stack, prefix, region, endpoint_url), form_data)


class _Endpoints(Commands):
    """Commands that are generated on first use, so that `leadbridge --help` imports no client."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the client's groups."""
        return [*endpoints().commands]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the commands of a group."""
        return endpoints().commands.get(cmd_name)


def add_to(partners: typer.Typer) -> None:
    """Add the group `leeloo` to the group `partners`."""
    calls = typer.Typer(cls=_Endpoints, no_args_is_help=True, rich_markup_mode=None)

    @calls.callback()
    def _leeloo() -> None:
        """Leeloo's API, one command per endpoint."""

    partners.add_typer(calls, name="leeloo")


@dataclass(frozen=True)
class Endpoint:
    """One method of the client."""

    group: str
    name: str
    function: Callable[..., Any]

    @cached_property
    def description(self) -> str:
        """Return the docstring. It begins with the HTTP method and the route."""
        return inspect.getdoc(self.function) or ""

    @property
    def help(self) -> str:
        """Return the docstring for people: what the endpoint does, then its route. What concerns code is left out."""
        route, _, about = self.description.replace("`", "").partition(": ")
        sentences = [each for each in re.split(r"(?<=\.)\s+", about) if not each.startswith(("Raises", "Returns"))]
        return " ".join([about[:1].upper() + sentences[0][1:], *sentences[1:], f"({route})"])

    def arguments(self) -> list[str]:
        """Return an example of each argument and required option."""
        named = [each for each in self.parameters() if each.default is inspect.Parameter.empty]
        options = {each.name: [_option(each)] for each in named if each.kind is inspect.Parameter.KEYWORD_ONLY}
        return [text for each in named for text in (*options.get(each.name, ()), _placeholder(each))]

    @property
    def is_read(self) -> bool:
        """Return whether the endpoint only reads."""
        return self.description.startswith("`GET ")

    def parameters(self) -> list[inspect.Parameter]:
        """Return the method's parameters without `self` and `budget`."""
        hints = get_type_hints(self.function)
        named = [*inspect.signature(self.function).parameters.values()][1:]
        return [each.replace(annotation=hints[each.name]) for each in named if each.name != "budget"]


def all_endpoints() -> Iterator[Endpoint]:
    """Yield the client's methods that call one endpoint. Their docstrings begin with its method and route."""
    from leeloo_api import LeelooApi

    for group_name, group_type in get_type_hints(LeelooApi).items():
        for name, function in inspect.getmembers(group_type, inspect.isfunction):
            if re.match(r"`(GET|POST|PUT) ", function.__doc__ or ""):
                yield Endpoint(group_name, name, function)


@cache
def endpoints() -> Any:
    """Return the commands by group."""
    root = group("leeloo", "Leeloo's API, one command per endpoint.")
    groups: dict[str, typer.Typer] = {}
    for endpoint in all_endpoints():
        if endpoint.group not in groups:
            groups[endpoint.group] = group(endpoint.group, f"Leeloo's {endpoint.group}.")
            root.add_typer(groups[endpoint.group])
        name = endpoint.name.replace("_", "-")
        example = " ".join(("partners leeloo", endpoint.group, name, *endpoint.arguments()))
        add = command(groups[endpoint.group], name, resolve_leeloo, example=example, text=endpoint.help)
        add(_command_of(endpoint))
    return typer.main.get_command(root)


def _option(parameter: inspect.Parameter) -> str:
    return f"--{parameter.name.replace('_', '-')}"


def _placeholder(parameter: inspect.Parameter) -> str:
    if get_origin(parameter.annotation) is Literal:
        return str(get_args(parameter.annotation)[0])
    return "60" if parameter.annotation is int else parameter.name.upper()


def _command_of(endpoint: Endpoint) -> Callable[..., None]:
    from leadbridge_cli.param_types import ParamType

    params = [ParamType.of(each) for each in endpoint.parameters()]

    def call(output: Output, leeloo: LeelooTarget, reveal: bool, yes: bool = False, **given: Any) -> None:
        from leadbridge_cli.verify_credentials import call_budget

        asked = {each.name: each.read(given[each.name]) for each in params if given[each.name] is not None}
        if not endpoint.is_read:
            output.confirm(f"This changes data at Leeloo and cannot be undone. {endpoint.help} Continue?", yes=yes)
        with partner_errors(), output.progress(endpoint.group) as advance:
            method = getattr(getattr(leeloo.api(), endpoint.group), endpoint.name)
            answer = _document(method(**asked, budget=call_budget(MAX_SECONDS)), advance)
        shown = answer if reveal else masked(answer)
        output.answer(shown, lambda: _render(shown))

    ending = [inspect.Parameter("reveal", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Reveal)]
    if not endpoint.is_read:
        ending.append(inspect.Parameter("yes", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Yes))
    two = [*inspect.signature(call).parameters.values()][:2]
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*two, *(each.parameter for each in params), *ending]
    )
    return call


def _document(answer: Any, advance: Callable[[int], None]) -> Any:
    """Convert a result to JSON types. All pages of a list are read."""
    from pydantic import BaseModel

    match answer:
        case BaseModel():
            return answer.model_dump(mode="json")
        case tuple() | Iterator():
            rows = []
            for row in answer:
                rows.append(_document(row, advance))
                advance(1)
            return rows
    return answer


def _render(document: Any) -> Iterator[Renderable]:
    match document:
        case None:
            yield line("Done.")
        case dict():
            yield table(("field", "value"), flatten(document))
        case list():
            rows = [dict(flatten(each)) if isinstance(each, dict) else {"value": each} for each in document]
            columns = list(dict.fromkeys(name for row in rows for name in row))[:MAX_COLUMNS]
            yield table(columns, ([row.get(name) for name in columns] for row in rows))
        case _:
            yield line(as_json(document))
