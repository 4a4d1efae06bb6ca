"""docs/second-broker.md, followed from the first step to the last on the deployed stack."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from devstack.commands.api import Operator, ask
from devstack.commands.samples import request_of, sample_event
from devstack.reload import LAYER, delete_old_versions, publish, zipped
from devstack.sandbox.remote import Remote
from devstack.stack import Stack
from devstack.workdir import DEVELOPER, Workdir
from leadbridge_cli.exit_codes import Code
from quality.testkit.cli.terminal import CommandResult, run
from quality.testkit.deployed import accepted, eventually, person
from quality.testkit.documents import commands_of
from quality.testkit.template import ROOT
from tools.config import ship
from tools.config.__main__ import main

# It deploys another configuration: after the tests that need warm functions, before the logs are read.
pytestmark = pytest.mark.final(2)

PAGE = (ROOT / "docs" / "second-broker.md").read_text(encoding="utf-8")
STEPS = dict(re.findall(r"^## (\d)\. [^\n]*\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
FIRST, SECOND, SECRET = "matchtrade", "broker-d", "leadbridge/matchtrade"
# This test needs no new configuration in these functions. To deploy them, too, would only take time.
UNCHANGED = {"Authorize", "DetectStaleSources", "FetchLead", "ReceiveLeelooEvent", "ServeConsole", "UpdateStats"}
ON_AWS = {"build", "deploy", "check-deployed"}


@dataclass
class Reader:
    """Does what the page says, in a folder with the configuration. `values` are those of the page's variables."""

    stack: Stack
    workdir: Workdir
    folder: Path
    values: dict[str, str] = field(default_factory=dict)

    def follow(self, step: int) -> list[CommandResult]:
        """Write the files of a step and type its commands. Returns what `leadbridge` printed."""
        said = []
        for token in MarkdownIt().parse(STEPS[str(step)]):
            match token.info.strip() if token.type == "fence" else "":
                case "toml":
                    self._configure(re.findall(r"`config/(\w+\.toml)`", STEPS[str(step)])[0], token.content)
                case "json":
                    (name,) = re.findall(r"Write `([\w-]+\.json)`", STEPS[str(step)])
                    self.write(name, json.loads(token.content))
                case "sh":
                    said += [one for words in commands_of(token.content) if (one := self._type(words)) is not None]
        return said

    def write(self, name: str, content: dict[str, Any]) -> None:
        (self.folder / name).write_text(json.dumps(content), encoding="utf-8")

    def read(self, name: str) -> dict[str, Any]:
        return dict(json.loads((self.folder / name).read_text(encoding="utf-8")))

    def delivery(self) -> dict[str, Any]:
        """What the new broker has of the posted lead; empty if nothing."""
        return dict(Operator(self.stack).lead(self.values["LEAD"])["deliveries"].get(SECOND, {}))

    def _configure(self, name: str, block: str) -> None:
        """Put a block into a file: in the place of the section with its name, or at the end."""
        file = self.folder / "config" / name
        text, section = file.read_text(encoding="utf-8"), re.escape(block.splitlines()[0])
        text, replaced = re.subn(rf"^{section}\n(?:(?![\[#]).*\n)*", "", text, flags=re.MULTILINE)
        assert replaced == (name == "sources.toml")
        file.write_text(f"{text}\n{block}", encoding="utf-8")

    def _type(self, words: list[str]) -> CommandResult | None:
        match words:
            case ["make", "check-config"]:
                assert main([str(self.folder / "config")]) == 0
            case ["make", "reload"]:
                self._deploy()
            case ["make", "lead", sample, body]:
                self._post(sample.removeprefix("SAMPLE="), body.removeprefix("BODY="))
            case [".venv/bin/python", "-c", text]:
                written = self.read(f"{SECOND}.json")
                subprocess.run([sys.executable, "-c", text], cwd=self.folder, check=True)
                assert self.read(f"{SECOND}.json").keys() == written.keys()
            case ["make", target, *_]:
                assert target in ON_AWS
            case ["rm", name]:
                (self.folder / name).unlink()
            case ["leadbridge", *arguments]:
                done = run(*(self.values.get(word.removeprefix("$"), word) for word in arguments))
                assert done.code == 0, f"{words}: {done.err}"
                return done
            case _:
                pytest.fail(f"the test does not know how to run {words}")
        return None

    def _post(self, sample: str, file: str) -> None:
        """Post the file as `make lead` does, and wait until the pause is seen."""
        value = self.stack.client("secretsmanager").get_secret_value(SecretId="leadbridge/sources")["SecretString"]
        event = sample_event(sample) | {"body": (self.folder / file).read_text(encoding="utf-8")}
        address, headers, body = request_of(event, json.loads(value))
        self.values["LEAD"] = accepted(ask("POST", f"{self.stack.api_url}{address}", headers=headers, body=body))
        waiting = eventually(self.delivery, lambda one: one.get("waiting_reason") is not None)
        assert (waiting["state"], waiting["waiting_reason"]) == ("received", "paused")

    def _deploy(self) -> None:
        """Ship the configuration in a copy of the built layer, as `make reload` does."""
        layer = shutil.copytree(self.workdir.build / LAYER, self.folder / "layer")
        shipped = layer / "python" / "leadbridge" / "config"
        shutil.rmtree(shipped)
        ship(self.folder / "config", shipped)
        deploy_layer(self.stack, layer)


def deploy_layer(stack: Stack, layer: Path) -> None:
    client, functions = stack.client("lambda"), stack.resources["AWS::Lambda::Function"]
    assert functions.keys() > UNCHANGED
    names = [name for function, name in functions.items() if function not in UNCHANGED]
    delete_old_versions(client, names)
    publish(client, names, code={}, layer=zipped(layer), tried=[])


@pytest.fixture
def reader(stack: Stack, workdir: Workdir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """A reader of the page, in a folder in which the stack is up. The stack is as it was afterwards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "stack.json").write_text(json.dumps(asdict(stack)))
    (tmp_path / ".local" / "sandbox").mkdir()
    shutil.copy(workdir.sandbox / "secrets.json", tmp_path / ".local" / "sandbox")
    shutil.copytree(ROOT / "config", tmp_path / "config")
    manager = stack.client("secretsmanager")
    before = manager.get_secret_value(SecretId=SECRET)["SecretString"]
    yield Reader(stack, workdir, tmp_path)
    if workdir == DEVELOPER:
        deploy_layer(stack, workdir.build / LAYER)
    manager.put_secret_value(SecretId=SECRET, SecretString=before)


def test_the_page_adds_a_broker_without_code(stack: Stack, reader: Reader, operator: Operator, partner: Remote) -> None:
    assert list(STEPS) == [str(number) for number in range(1, 10)]
    others = json.loads(stack.client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"])
    for step in (1, 2, 3):
        reader.follow(step)
    stored, checked = reader.follow(4)
    assert SECOND in stored.out
    assert " accepted" in checked.out
    assert not (reader.folder / f"{SECOND}.json").exists()
    kept = json.loads(stack.client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"])
    assert kept == others | {SECOND: others[FIRST]}

    reader.follow(5)
    _, listed = reader.follow(6)
    assert re.search(rf"{SECOND}\b.*paused.*Monday", listed.out)
    (shown,) = reader.follow(7)
    assert all(text in shown.out for text in ("Goes to: ", f"{FIRST} (weight 70)", f"{SECOND} (weight 30)"))
    lead = until_the_new_broker_is_first(reader)
    assert partner.rows("matchtrade/accounts", email=lead["person"]["email"]) == []

    list_of_leads, journey, _ = reader.follow(8)
    lead_id = reader.values["LEAD"]
    assert lead_id in list_of_leads.out
    assert "waiting" in journey.out
    submitted = eventually(reader.delivery, lambda one: one["state"] == "submitted")
    (account,) = partner.rows("matchtrade/accounts", email=lead["person"]["email"])
    assert submitted["account_uuid"] == account["uuid"]
    entries = [(entry["what"], entry["partner"]) for entry in operator.lead(lead_id)["timeline"]]
    for what in ("waiting", "submitting", "submitted"):
        assert (what, SECOND) in entries

    def watermark() -> object:
        done = run("sync", "status", "--json")
        if done.code == Code.NOT_FOUND:  # no sync has run yet
            return None
        return next(one["watermark"] for one in done.json["partners"] if one["partner"] == SECOND)

    eventually(watermark, lambda moment: moment is not None, schedule="SyncAccounts")
    partners, _, _ = reader.follow(9)
    assert re.search(rf"{SECOND}\b.*gets", partners.out)


def until_the_new_broker_is_first(reader: Reader) -> dict[str, Any]:
    """Change the phone in `lead.json` as step 7 says, and return the lead. The e-mail is new for another run's sake."""
    lead = reader.read("lead.json")
    for _ in range(100):
        lead["person"] |= {name: person()["person"][name] for name in ("phone", "email")}
        reader.write("lead.json", lead)
        if f"Goes to: {SECOND}\n" in run("route", "--source", "web-trading", "lead.json").out:
            return lead
    pytest.fail("no sample person goes to the new broker first")
