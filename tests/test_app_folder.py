from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import fedsa
from fedsa import app_folder
from fedsa.errors import RunError

CHECKOUT = Path(fedsa.__file__).resolve().parent.parent


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library folder with a packaged app in it, as a wheel installs it."""
    app = tmp_path / "site" / "fedsa" / "_app"
    for name in ("clients/app.py", "server/app.py", "strategies/mine.py", "clients/kit/run.sh"):
        path = app / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n", encoding="utf-8")
    (app / "clients" / "__pycache__").mkdir()
    (app / "clients" / "__pycache__" / "app.pyc").write_bytes(b"old")
    (app / "simulations").mkdir()
    (app / "simulations" / "quickstart.toml").write_text('name = "quickstart"\n', encoding="utf-8")
    for name in ("pyproject.toml", "LICENSE"):
        (app / name).write_bytes((CHECKOUT / name).read_bytes())
    monkeypatch.setattr(app_folder, "__file__", str(app.parent / "app_folder.py"))
    return app


def test_version_is_the_same_wherever_it_is_written() -> None:
    document = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    assert document["project"]["version"] == fedsa.__version__


def test_packaged_app_comes_before_a_checkout(packaged: Path) -> None:
    (packaged.parent.parent / "clients").mkdir()
    (packaged.parent.parent / "clients" / "app.py").write_text("", encoding="utf-8")
    assert app_folder.app_root() == packaged
    (packaged / "clients" / "app.py").unlink()
    assert app_folder.app_root() == packaged.parent.parent


def test_no_app_anywhere_is_a_clear_error(packaged: Path) -> None:
    (packaged / "clients" / "app.py").unlink()
    with pytest.raises(RunError, match="install fedsa with pip"):
        app_folder.app_root()


def test_builtin_scenario_by_name(packaged: Path) -> None:
    assert app_folder.builtin_scenario("quickstart") == packaged / "simulations/quickstart.toml"
    with pytest.raises(RunError, match="'slowstart'.*one of quickstart"):
        app_folder.builtin_scenario("slowstart")
    with pytest.raises(RunError, match="path of a scenario"):
        app_folder.builtin_scenario("../pyproject")


def test_written_app_is_a_flower_app_that_does_not_build_fedsa(
    packaged: Path, tmp_path: Path
) -> None:
    from flwr.cli.build import build_fab_from_disk
    from flwr.cli.config_utils import load_and_validate

    target = app_folder.write_app(tmp_path / "my-app")
    config, warnings = load_and_validate(target / "pyproject.toml", check_module=False)
    assert warnings == []
    assert config["project"]["name"] == "my-app"
    assert config["project"]["dependencies"] == [f"fedsa=={fedsa.__version__}"]
    assert "build-system" not in config
    library = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    assert config["tool"]["flwr"]["app"] == library["tool"]["flwr"]["app"]
    assert (target / "clients/kit/run.sh").is_file()
    assert not list(target.rglob("__pycache__"))
    assert (target / "simulations/quickstart.toml").is_file()
    assert build_fab_from_disk(target)[:2] == b"PK"


def test_bundle_holds_the_app_and_nothing_else(packaged: Path, tmp_path: Path) -> None:
    import io
    import zipfile

    from flwr.cli.build import build_fab_from_disk

    target = app_folder.write_app(tmp_path / "my-app")
    (target / "fedsa").mkdir()
    (target / "fedsa" / "private.py").write_text("", encoding="utf-8")
    names = set(zipfile.ZipFile(io.BytesIO(build_fab_from_disk(target))).namelist())
    assert names == {
        ".info/CONTENT",
        "LICENSE",
        "clients/app.py",
        "pyproject.toml",
        "server/app.py",
        "strategies/mine.py",
    }


@pytest.mark.parametrize("name", ["my_app", "1app", "é", "a.b"])
def test_a_name_that_flower_refuses_is_refused_before_anything_is_written(
    packaged: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(RunError, match="letters, digits and hyphens"):
        app_folder.write_app(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_nothing_is_overwritten(packaged: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.mkdir()
    (target / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(RunError, match="not an empty folder"):
        app_folder.write_app(target)
    assert [path.name for path in target.iterdir()] == ["thesis.txt"]
    with pytest.raises(RunError, match="not an empty folder"):
        app_folder.write_app(_file(tmp_path / "plain"))


def test_an_empty_folder_may_be_there_already(packaged: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert app_folder.write_app(tmp_path / "empty") == (tmp_path / "empty").resolve()


def _file(path: Path) -> Path:
    path.write_text("", encoding="utf-8")
    return path
