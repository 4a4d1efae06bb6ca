"""AWS clients for the account that the options name, else for the local stack. Every call has a timeout."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import typer

from leadbridge_cli.api import validate_url
from leadbridge_cli.exit_codes import Code, Failure, not_found, usage_error
from leadbridge_cli.local_stack import ACCESS_KEY, LocalStack
from leadbridge_cli.sanitize import sanitize

PREFIX = "leadbridge"
MAX_MESSAGE = 500  # characters of AWS's message in an error

Stack = Annotated[
    str | None,
    typer.Option("--stack", envvar="LEADBRIDGE_STACK", help="Stack in your AWS account. Default: the local stack."),
]
Prefix = Annotated[
    str | None, typer.Option("--prefix", help="Prefix of the secrets' names. Default: the stack's parameter.")
]
Region = Annotated[str | None, typer.Option("--region", help="AWS region. Default: your AWS settings.")]
EndpointUrl = Annotated[str | None, typer.Option("--endpoint-url", help="Endpoint URL of an AWS emulator.")]


@dataclass(frozen=True)
class Cloud:
    """One account and region. Calls inside `aws_errors` raise Failure."""

    stack: str | None
    given_prefix: str | None
    region: str | None
    endpoint_url: str | None
    is_local: bool = False

    def client(self, service: str, *, attempts: int = 3) -> Any:
        """Return a boto3 client. The emulator gets dummy credentials, never the operator's own."""
        import boto3
        from botocore.config import Config

        own: Any = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": ACCESS_KEY} if self.is_local else {}
        retries: Any = {"mode": "standard", "total_max_attempts": attempts}
        config = Config(connect_timeout=5, read_timeout=20, retries=retries, proxies={} if self.is_local else None)
        session: Any = boto3.session.Session(region_name=self.region, **own)
        return session.client(service, endpoint_url=self.endpoint_url, config=config)

    @cached_property
    def prefix(self) -> str:
        """Return the prefix of the secrets' names. Raises Failure."""
        if self.given_prefix is not None:
            return self.given_prefix
        return PREFIX if self.stack is None else self._parameter("Prefix") or PREFIX

    @cached_property
    def environment(self) -> str | None:
        """Return the environment of the stack; None if no stack is named. Raises Failure."""
        return None if self.stack is None else self._parameter("Environment")

    def output(self, name: str) -> str:
        """Return an output of the stack. Raises Failure."""
        if self.stack is None:
            raise usage_error("Set --stack: the command needs an output of the stack.")
        if name not in self.outputs:
            raise not_found(f"Stack {self.stack} has no output {name}.")
        return self.outputs[name]

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Return the outputs of the stack by name. Raises Failure."""
        return {each["OutputKey"]: each["OutputValue"] for each in self._description.get("Outputs", [])}

    @cached_property
    def parameters(self) -> dict[str, str]:
        """Return the parameters of the stack by name. Raises Failure."""
        return {each["ParameterKey"]: each["ParameterValue"] for each in self._description.get("Parameters", [])}

    def _parameter(self, name: str) -> str | None:
        return self.parameters.get(name)

    @cached_property
    def _description(self) -> dict[str, Any]:
        with aws_errors(f"stack {self.stack}"):
            [stack] = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        return dict(stack)


def resolve_cloud(
    stack: Stack = None, prefix: Prefix = None, region: Region = None, endpoint_url: EndpointUrl = None
) -> Cloud:
    """Return the account that the options name, else the local stack. AWS is never used implicitly."""
    if stack is not None or region is not None or endpoint_url is not None:
        endpoint = None if endpoint_url is None else validate_url(endpoint_url, "--endpoint-url")
        return Cloud(stack, prefix, region, endpoint)
    local = LocalStack.found()
    if local is None:
        raise usage_error("No local stack is running. Set --stack, or --region and --prefix, to use AWS.")
    return Cloud(local.stack_name, prefix, local.region, local.aws_endpoint_url, is_local=True)


@contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Convert botocore's errors in the block, and Contended, to Failure. `what` names the resource in its text."""
    from botocore import exceptions

    from leadbridge.runtime.aws_errors import Contended, is_transient

    unreachable = (exceptions.HTTPClientError, exceptions.ConnectionError)
    try:
        yield
    except exceptions.ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        # Further lines of a message may quote the request with its token.
        reason = sanitize(f"{what} ({code}): {message.strip().partition(chr(10))[0][:MAX_MESSAGE]}")
        if code == "ResourceNotFoundException" or (code == "ValidationError" and "does not exist" in message):
            raise not_found(f"AWS does not have {reason}") from error
        if is_transient(error) or "Throttl" in code:
            raise Failure(Code.NO_ANSWER, f"AWS did not answer the call for {reason}") from error
        raise Failure(Code.REFUSED, f"AWS refused the call for {reason}") from error
    except Contended as error:
        text = f"AWS did not accept the call for {what} in time; repeat the command."
        raise Failure(Code.NO_ANSWER, text) from error
    except unreachable as error:
        where = error.kwargs.get("endpoint_url")
        who = f"AWS at {where}" if where else "AWS"
        text = f"{who} could not be reached or did not answer, for {what} ({type(error).__name__})."
        raise Failure(Code.NO_ANSWER, text) from error
    except exceptions.NoRegionError as error:
        raise Failure(
            Code.REFUSED, "No AWS region is configured. Set AWS_DEFAULT_REGION, or run `aws configure`."
        ) from error
    except exceptions.NoCredentialsError as error:
        text = "No AWS credentials were found. Run `aws sso login` or `aws configure`, or set AWS_PROFILE."
        raise Failure(Code.REFUSED, text) from error
    except exceptions.BotoCoreError as error:  # an expired login
        raise Failure(Code.REFUSED, f"AWS cannot be called for {what}: {error}") from error
