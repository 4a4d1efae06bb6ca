"""Read CloudFormation templates into plain dictionaries, their loops expanded."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

LANGUAGE_EXTENSIONS = "AWS::LanguageExtensions"
LOOP = "Fn::ForEach::"


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # libyaml's is ten times as fast
    """YAML with CloudFormation's short tags: `!Ref X` becomes {"Ref": X}, `!Sub X` {"Fn::Sub": X}."""


def _tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    name = "Ref" if suffix == "Ref" else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        text = loader.construct_scalar(node)
        return {name: text.split(".", 1) if suffix == "GetAtt" else text}
    is_list = isinstance(node, yaml.SequenceNode)
    return {name: (loader.construct_sequence if is_list else loader.construct_mapping)(node, deep=True)}  # type: ignore[arg-type]


Loader.add_multi_constructor("!", _tag)


def read_template(file: Path) -> dict[str, Any]:
    """Read a template as CloudFormation has it after the transform AWS::LanguageExtensions, before SAM's."""
    loaded: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"), Loader)
    transforms = loaded.get("Transform", [])
    if LANGUAGE_EXTENSIONS not in transforms:
        return loaded
    return expand(loaded | {"Transform": [name for name in transforms if name != LANGUAGE_EXTENSIONS]})


def expand(template: dict[str, Any]) -> dict[str, Any]:
    """Expand the loops of a template, look up its mappings, and write the variables of each `Fn::Sub` into its text.

    It supports what our templates use. A test compares the result with that of cfn-lint, whose import takes seconds.
    """
    written = {name: section for name, section in template.items() if name != "Mappings"}
    found: dict[str, Any] = _expanded(written, {}, template.get("Mappings", {}))
    return found


def _expanded(value: Any, scope: Mapping[str, str], mappings: Mapping[str, Any]) -> Any:
    match value:
        case {"Ref": name}:
            name = _expanded(name, scope, mappings)
            return scope.get(name, {"Ref": name})
        case {"Fn::FindInMap": keys}:
            name, first, second = (_expanded(key, scope, mappings) for key in keys)
            return mappings[name][first][second]
        case {"Fn::Sub": [text, variables]}:
            texts = {name: _as_text(_expanded(given, scope, mappings)) for name, given in variables.items()}
            return _substituted(text, {**scope, **texts})
        case {"Fn::Sub": text}:
            return _substituted(text, scope)
        case dict():
            found: dict[str, Any] = {}
            for key, each in value.items():
                if key.startswith(LOOP):
                    variable, items, body = each
                    for item in items:
                        found |= _expanded(body, {**scope, variable: item}, mappings)
                else:
                    found[_filled(key, scope)] = _expanded(each, scope, mappings)
            return found
        case list():
            return [_expanded(each, scope, mappings) for each in value]
        case _:
            return value


def _filled(text: str, scope: Mapping[str, str]) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: scope.get(found[1], found[0]), text)


def _substituted(text: str, scope: Mapping[str, str]) -> Any:
    filled = _filled(text, scope)
    return {"Fn::Sub": filled} if "${" in filled else filled


def _as_text(value: Any) -> str:
    if isinstance(value, dict):
        [found] = value.values()  # of Ref, or of Fn::GetAtt
        return f"${{{found if 'Ref' in value else '.'.join(found)}}}"
    return str(value)
