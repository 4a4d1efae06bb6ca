"""What the dependencies layer leaves of botocore's data is all that a client of our services wants of it."""

import importlib.util
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import botocore
import pytest
from botocore.loaders import Loader
from botocore.session import Session

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
    trim.main(str(site), *SERVICES)
    return site


@pytest.fixture(scope="module")
def made(site: Path) -> Callable[..., Any]:
    """Makes a client from the trimmed data, or from the whole."""

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


def test_a_service_that_botocore_does_not_know_stops_the_build(trim: ModuleType, site: Path) -> None:
    with pytest.raises(SystemExit, match=r"^botocore has no data of dynamodbb$"):
        trim.main(str(site), "dynamodbb")
