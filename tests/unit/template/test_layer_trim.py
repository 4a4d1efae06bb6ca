"""What the dependencies layer leaves of the libraries is all that our functions need of them."""

import importlib.util
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import botocore
import pytest
from botocore.loaders import Loader
from botocore.session import Session
from pydantic_core import SchemaValidator, core_schema

from quality.testkit.template import ROOT

WHOLE = Path(botocore.__file__).parent / "data"
SERVICES = re.findall(
    r"^SERVICES = (.+)$", (ROOT / "layers" / "dependencies" / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
)[0].split()
REGIONS = ("eu-central-1", "us-east-1", "us-gov-west-1")


@pytest.fixture(scope="module")
def trim() -> ModuleType:
    spec = importlib.util.spec_from_file_location("trim", ROOT / "layers" / "dependencies" / "trim.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(trim: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the layer has it, with one service more than is wanted."""
    site = tmp_path_factory.mktemp("site")
    data = site / "botocore" / "data"
    data.mkdir(parents=True)
    for name in (*SERVICES, "sts"):
        shutil.copytree(WHOLE / name, data / name)
    for file in WHOLE.glob("*.json"):
        shutil.copy(file, data)
    (site / "pydantic_core").mkdir()
    shutil.copy(core_schema.__file__, site / "pydantic_core")
    trim.main(str(site), *SERVICES)
    return site


@pytest.fixture(scope="module")
def made(site: Path) -> Callable[..., Any]:
    """Makes a client from the trimmed data, or from the whole."""

    @cache
    def make(service: str, region: str, *, whole: bool = False) -> Any:
        session = Session()
        data = str(WHOLE if whole else site / "botocore" / "data")
        session.register_component("data_loader", Loader(extra_search_paths=[data], include_default_search_paths=False))
        client: Any = session.create_client  # its stubs know services by their names alone
        return client(service, region_name=region, aws_access_key_id="a", aws_secret_access_key="b")

    return make


@pytest.mark.parametrize("service", SERVICES)
def test_a_client_has_every_operation_and_shape(made: Callable[..., Any], service: str) -> None:
    trimmed, whole = (made(service, "eu-central-1", whole=whole).meta.service_model for whole in (False, True))

    assert trimmed.operation_names == whole.operation_names
    assert trimmed.shape_names == whole.shape_names
    assert trimmed.metadata == whole.metadata


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("service", SERVICES)
def test_a_client_speaks_to_the_same_address(made: Callable[..., Any], service: str, region: str) -> None:
    trimmed, whole = (made(service, region, whole=whole) for whole in (False, True))

    assert trimmed.meta.endpoint_url == whole.meta.endpoint_url
    assert trimmed.meta.partition == whole.meta.partition
    assert trimmed._request_signer._signing_name == whole._request_signer._signing_name


def test_nothing_remains_that_no_client_reads(site: Path) -> None:
    data = site / "botocore" / "data"

    assert {folder.name for folder in data.iterdir() if folder.is_dir()} == set(SERVICES)
    assert list(data.rglob("*.gz")) == []
    assert list(data.rglob("examples-*")) == []
    assert '"documentation":"' not in (data / "sqs" / "2012-11-05" / "service-2.json").read_text(encoding="utf-8")


def test_schemas_are_made_without_the_types_of_type_checkers(site: Path) -> None:
    spec = importlib.util.spec_from_file_location("trimmed", site / "pydantic_core" / "core_schema.py")
    assert spec is not None
    assert spec.loader is not None
    trimmed: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(trimmed)

    assert vars(core_schema).keys() - vars(trimmed).keys() == set()
    assert not [name for name, one in vars(trimmed).items() if hasattr(one, "__required_keys__")]
    field = core_schema.model_field(core_schema.int_schema(gt=1))
    assert trimmed.model_field(trimmed.int_schema(gt=1)) == field
    assert SchemaValidator(trimmed.list_schema(trimmed.str_schema())).validate_python(["a"]) == ["a"]


def test_types_that_are_imported_in_another_way_stop_the_build(trim: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "core_schema.py").write_text("from typing_extensions import TypedDict\n", encoding="utf-8")

    with pytest.raises(SystemExit, match="does not import TypedDict as expected"):
        trim.trim_types(tmp_path / "core_schema.py")


def test_a_service_that_botocore_does_not_know_stops_the_build(trim: ModuleType, site: Path) -> None:
    with pytest.raises(SystemExit, match=r"^botocore has no data of dynamodbb$"):
        trim.main(str(site), "dynamodbb")
