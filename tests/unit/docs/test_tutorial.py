"""The commands of docs/forms.md, "Add a form"."""

import re
import shlex
import shutil
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from devstack.commands.samples import webhook_url
from leadbridge.api.schemas import lead_view
from leadbridge.storage.leads import Journey
from quality.testkit.forms.receiver import configured, opened, sample, secrets_of
from quality.testkit.template import ROOT
from tools.config.__main__ import main

CHAPTER = (ROOT / "docs" / "forms.md").read_text(encoding="utf-8").partition("## Add a form\n")[2].partition("\n## ")[0]


def block(language: str) -> str:
    """The chapter's one block of a language, without its indentation."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", CHAPTER, re.DOTALL)
    return re.sub(r"^ {3}", "", found, flags=re.MULTILINE)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The shipped configuration with the tutorial's source at its end."""
    folder = shutil.copytree(ROOT / "config", tmp_path / "config")
    with (folder / "sources.toml").open("a", encoding="utf-8") as sources:
        sources.write(f"\n{block('toml')}")
    return folder


def test_the_configuration_is_right_as_the_tutorial_has_it(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = len(configured().sources)
    assert main([str(config), str(config / "shipped")]) == 0
    assert capsys.readouterr().out.startswith(f"config is right: {before + 1} sources, ")


def test_what_the_tutorial_posts_becomes_a_lead(config: Path) -> None:
    command = shlex.split(block("sh"), posix=True)
    assert command[0] == "curl"
    (source,) = re.findall(r"make webhook-url SOURCE=([\w-]+)", command[1])
    posted = [command[at + 1].partition("=") for at, word in enumerate(command) if word == "--data-urlencode"]
    fields = [(name, value) for name, _, value in posted]
    address = urlsplit(webhook_url(source, "http://127.0.0.1:1/v1", {source: {"secrets": secrets_of(source)}}))
    event = {
        **sample("plain_urlencoded", body=urlencode(fields)),
        "path": address.path.removeprefix("/v1"),
        "pathParameters": {"source": source},
        "queryStringParameters": dict([address.query.split("=", 1)]),
    }
    with opened(configured(config)) as endpoint:
        status, answer = endpoint.take(event)
        assert (status, answer["status"]) == (202, "received")
        shown = lead_view(Journey(endpoint.store.leads[answer["lead_id"]], {}, ()))
    assert shown["person"]["full_name"] == "Прикладенко Олена Іванівна"
    assert shown["loan"] == {"amount": "6000", "term": 12}
    assert shown["utm"] == {"utm_source": "newsletter"}
    assert shown["consent"]["text"] == "Згода"
