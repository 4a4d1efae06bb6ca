"""CloudFormation's YAML, read into plain dictionaries."""

from pathlib import Path
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags: `!Ref X` becomes {"Ref": X}, `!Sub X` {"Fn::Sub": X}."""


def _tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    name = "Ref" if suffix == "Ref" else f"Fn::{suffix}"
    match node:
        case yaml.ScalarNode():
            value: Any = loader.construct_scalar(node)
            if suffix == "GetAtt":
                value = value.split(".", 1)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            value = loader.construct_mapping(node, deep=True)
        case _:
            raise ValueError(node)
    return {name: value}


_Loader.add_multi_constructor("!", _tag)


def read_template(file: Path) -> dict[str, Any]:
    """The whole of a template."""
    loaded: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    return loaded
