"""The help of every command: for people, with an example that the command accepts."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from leadbridge_cli.__main__ import app
from quality.testkit.cli.terminal import run

FOR_PROGRAMMERS = re.compile(r"Args:|Raises|Returns|Yields|:class:|:func:|``|`|\bNone\b|\bkwargs\b|>>>|\bself\b")


def _commands(of: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(of, "list_commands"):
        yield path, of
        return
    context = of.make_context(path[-1] if path else "leadbridge", [], resilient_parsing=True)
    for name in of.list_commands(context):
        yield from _commands(of.get_command(context, name), (*path, name))


WIDTH = 80 - 2  # columns of a terminal without the indent of an example
COMMANDS = dict(_commands(typer.main.get_command(app)))


def _example(command: Any) -> list[str]:
    *_, line = command.epilog.splitlines()
    return shlex.split(line)


def test_no_help_is_written_for_programmers() -> None:
    assert len(COMMANDS) > 50
    found = {}
    for path, command in COMMANDS.items():
        texts = [command.help, *(each.help for each in command.params if getattr(each, "help", None))]
        assert command.help, path
        assert command.help[0].isupper(), path
        assert command.help.endswith((".", ")")), path
        if wrong := [text for text in texts if FOR_PROGRAMMERS.search(text)]:
            found[" ".join(path)] = wrong
    assert found == {}


def test_the_help_of_a_group_cuts_no_sentence() -> None:
    for arguments in ((), ("leads",), ("partners", "leeloo", "people")):
        told = run(*arguments, "--help", env={"COLUMNS": "80"}).out
        _, _, commands = told.partition("Commands:\n")
        assert commands
        assert "..." not in commands


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_command_has_an_example_that_it_accepts(path: tuple[str, ...]) -> None:
    if path[:2] != ("partners", "leeloo"):  # these need many options
        assert max(map(len, COMMANDS[path].epilog.splitlines())) <= WIDTH
    words = _example(COMMANDS[path])
    assert words[: len(path) + 1] == ["leadbridge", *path]
    COMMANDS[path].make_context(path[-1], words[len(path) + 1 :])  # raises if it does not accept them
