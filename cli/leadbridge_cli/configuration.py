"""`leadbridge check-config`: whether the configuration can be shipped, and what is wrong with it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from leadbridge_cli.exit_codes import Code, Failure, not_found
from leadbridge_cli.options import command
from leadbridge_cli.output import Screen, line


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "check-config")(check_config)


def check_config(
    screen: Screen,
    folder: Annotated[Path, typer.Argument(help="The folder of the TOML files.")] = Path("config"),
) -> None:
    """Check the configuration, for every environment, as the layer's build does."""
    if not folder.is_dir():
        raise not_found(f"{folder} is no folder.")
    problems = problems_of(folder)
    told = problems or [f"{folder} is right."]
    screen.answer({"is_right": not problems, "problems": problems}, lambda: [line(each) for each in told])
    if problems:
        raise Failure(Code.REFUSED, f"{folder} cannot be shipped.")


def problems_of(folder: Path) -> list[str]:
    """What keeps the folder from being shipped, a line each."""
    from pydantic import ValidationError

    from tools.config import ship

    try:
        with TemporaryDirectory() as nowhere:
            ship(folder.resolve(), Path(nowhere))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return [f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}" for each in found]
    except ValueError as error:
        return str(error).splitlines() or [type(error).__name__]
    except FileNotFoundError as error:
        return [f"{error.filename}: there is no such file"]
    return []
