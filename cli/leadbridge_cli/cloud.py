"""AWS as a command reaches it: the account that the operator names, else the local stack; every call with timeouts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import typer

from leadbridge_cli.api import safe_url
from leadbridge_cli.exit_codes import Code, Failure, not_found, wrong_use
from leadbridge_cli.local_stack import ACCESS_KEY, LocalStack

PREFIX = "leadbridge"

Stack = Annotated[
    str | None,
    typer.Option("--stack", envvar="LEADBRIDGE_STACK", help="The stack in your AWS account; else the local one."),
]
Prefix = Annotated[
    str | None, typer.Option("--prefix", help="What the secrets' names begin with; else what the stack says.")
]
Region = Annotated[str | None, typer.Option("--region", help="The AWS region; else your AWS settings'.")]
EndpointUrl = Annotated[str | None, typer.Option("--endpoint-url", help="Where AWS is, if it is not AWS.")]


@dataclass(frozen=True)
class Cloud:
    """One account and region. Calls inside `aws_errors` raise Failure."""

    stack: str | None
    given_prefix: str | None
    region: str | None
    endpoint_url: str | None
    is_local: bool = False

    def client(self, service: str) -> Any:
        """A boto3 client; the emulator gets credentials that nobody else knows, AWS the operator's own."""
        import boto3
        from botocore.config import Config

        own: Any = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": ACCESS_KEY} if self.is_local else {}
        retries: Any = {"mode": "standard", "total_max_attempts": 3}
        config = Config(connect_timeout=5, read_timeout=20, retries=retries, proxies={} if self.is_local else None)
        session: Any = boto3.session.Session(region_name=self.region, **own)
        return session.client(service, endpoint_url=self.endpoint_url, config=config)

    @cached_property
    def prefix(self) -> str:
        """What the secrets' names begin with. Raises Failure."""
        if self.given_prefix is not None:
            return self.given_prefix
        return PREFIX if self.stack is None else self._named("Parameters", "Parameter", "Prefix") or PREFIX

    @property
    def table(self) -> str:
        """The name of the table. Raises Failure."""
        if self.stack is None:
            raise wrong_use("Say --stack: it tells which table.")
        found = self._named("Outputs", "Output", "TableName")
        if found is None:
            raise not_found(f"The stack {self.stack} is none of ours: it names no table.")
        return found

    def _named(self, what: str, kind: str, name: str) -> str | None:
        with aws_errors(f"the stack {self.stack}"):
            [stack] = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        return next((each[f"{kind}Value"] for each in stack.get(what, []) if each[f"{kind}Key"] == name), None)


def cloud_at(
    stack: Stack = None, prefix: Prefix = None, region: Region = None, endpoint_url: EndpointUrl = None
) -> Cloud:
    """The account that the options name, else the local stack: AWS is never reached without being named."""
    if stack is not None or region is not None or endpoint_url is not None:
        endpoint = None if endpoint_url is None else safe_url(endpoint_url, "--endpoint-url")
        return Cloud(stack, prefix, region, endpoint)
    local = LocalStack.found()
    if local is None:
        raise wrong_use("Say --stack, or --region (and --prefix), to reach AWS: no local stack is up here.")
    return Cloud(local.stack_name, prefix, local.region, local.aws_endpoint_url, is_local=True)


@contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Make a Failure of what botocore raises in the block, which asks for `what`."""
    from botocore import exceptions

    unreachable = (exceptions.HTTPClientError, exceptions.ConnectionError)
    try:
        yield
    except exceptions.ClientError as error:
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        message = error.response["Error"].get("Message", "")
        if code == "ResourceNotFoundException" or (code == "ValidationError" and "does not exist" in message):
            raise not_found(f"There is no such thing at AWS: {what}.") from error
        if status >= 500 or "Throttl" in code:
            raise Failure(Code.NO_ANSWER, f"AWS does not answer for {what} ({code}).") from error
        raise Failure(Code.REFUSED, f"AWS refuses {what} ({code}).") from error
    except unreachable as error:
        raise Failure(Code.NO_ANSWER, f"AWS does not answer for {what} ({type(error).__name__}).") from error
    except exceptions.BotoCoreError as error:  # no credentials, no region, an expired login
        raise Failure(Code.REFUSED, f"AWS cannot be asked for {what}: {error}") from error
