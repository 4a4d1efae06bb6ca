"""`leadbridge check-config`: validate the configuration files."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from leadbridge_cli.exit_codes import Code, Failure, not_found
from leadbridge_cli.options import command
from leadbridge_cli.output import Output, line


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "check-config", example="check-config config")(check_config)


def check_config(
    output: Output,
    folder: Annotated[Path, typer.Argument(help="Folder with the TOML files.")] = Path("config"),
) -> None:
    """Validate the configuration for every environment, as the build of the layer does."""
    if not folder.is_dir():
        raise not_found(f"{folder} is not a folder.")
    problems = find_problems(folder)
    lines = problems or [f"{folder} is valid."]
    output.answer({"is_valid": not problems, "problems": problems}, lambda: [line(each) for each in lines])
    if problems:
        raise Failure(Code.REFUSED, f"{folder} is not valid.")


def find_problems(folder: Path) -> list[str]:
    """Return the folder's problems, one line each."""
    from pydantic import ValidationError

    from tools.config import ship

    try:
        with TemporaryDirectory() as target:
            ship(folder.resolve(), Path(target))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return [f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}" for each in found]
    except ValueError as error:
        return str(error).splitlines() or [type(error).__name__]
    except FileNotFoundError as error:
        return [f"{error.filename}: file not found"]
    return []
