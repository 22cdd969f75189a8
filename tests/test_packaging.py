from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import fedsa

CHECKOUT = Path(fedsa.__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """The files of a wheel that was built from the source distribution, not from the checkout."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(CHECKOUT)],
        check=True,
        capture_output=True,
    )
    assert len(list(out.glob("*.tar.gz"))) == 1
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_only_the_library_is_a_package(wheel: Mapping[str, bytes]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert tops == {"fedsa", f"fedsa-{fedsa.__version__}.dist-info"}


def test_the_whole_library_is_there(wheel: Mapping[str, bytes]) -> None:
    here = {
        path.relative_to(CHECKOUT).as_posix()
        for path in (CHECKOUT / "fedsa").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    there = {name for name in wheel if name.startswith("fedsa/")}
    assert {name for name in there if not name.startswith("fedsa/_app/")} == here


def test_the_app_travels_as_data(wheel: Mapping[str, bytes]) -> None:
    travelled = {name.removeprefix("fedsa/_app/") for name in wheel if "/_app/" in name}
    wanted = {"pyproject.toml", "LICENSE", "simulations/quickstart.toml"}
    wanted |= {"simulations/tables/single-task.toml"}
    for folder in ("clients", "server", "strategies"):
        wanted |= {
            path.relative_to(CHECKOUT).as_posix() for path in CHECKOUT.glob(f"{folder}/*.py")
        }
    assert {"clients/app.py", "server/app.py"} <= wanted <= travelled
    assert not [name for name in travelled if "__pycache__" in name or name.startswith("fedsa")]
    for name in wanted:
        assert wheel[f"fedsa/_app/{name}"] == (CHECKOUT / name).read_bytes()


def test_the_command_is_installed(wheel: Mapping[str, bytes]) -> None:
    points = wheel[f"fedsa-{fedsa.__version__}.dist-info/entry_points.txt"].decode()
    assert "fedsa = fedsa.cli:main" in points


def test_an_app_written_from_the_wheel_is_ready(wheel: Mapping[str, bytes], tmp_path: Path) -> None:
    site = tmp_path / "site"
    for name, content in wheel.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); "
        "import fedsa; from fedsa import app_folder; "
        "assert pathlib.Path(fedsa.__file__).is_relative_to(sys.argv[1]), fedsa.__file__; "
        "app_folder.write_app(pathlib.Path(sys.argv[2]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(site), str(tmp_path / "my-app")],
        check=True,
        cwd=tmp_path,
    )
    project = tomllib.loads((tmp_path / "my-app" / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["name"] == "my-app"
    assert (tmp_path / "my-app" / "clients" / "app.py").is_file()


def test_constraints_name_versions_only() -> None:
    lines = (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert "torch==2.13.0" in pins
    for pin in pins:
        name, _, version = pin.partition("==")
        assert name.replace("-", "").replace("_", "").replace(".", "").isalnum(), pin
        assert version and not set(version) & set("@/:+ "), pin
