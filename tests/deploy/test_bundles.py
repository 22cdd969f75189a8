"""Bundles are read without trust, compared with fedsa's own app, and approved by their hash."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedsa.app_folder import write_app
from fedsa.cli import client  # noqa: F401  (registers the commands)
from fedsa.cli.main import app
from fedsa.deploy import bundles
from fedsa.deploy.bundles import Bundle, Bundles, Difference, own_bundle
from fedsa.errors import RunError


def zipped(*files: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    return stream.getvalue()


def changed(**other: bytes) -> bytes:
    """fedsa's own app with other files; a name's slashes are written as double underscores."""
    files = {**own_bundle().files, **{k.replace("__", "/") + ".py": v for k, v in other.items()}}
    return zipped(*files.items())


def test_an_approval_is_of_one_content(tmp_path: Path) -> None:
    shelf = Bundles(tmp_path)
    first, second = shelf.keep(zipped(("a", b"1"))), shelf.keep(zipped(("a", b"2")))
    assert shelf.approved() == {}
    assert shelf.approve(first[:12]) == first and set(shelf.approved()) == {first}
    shelf.approve(first)
    assert (tmp_path / "approved-bundles").read_text().count(first) == 1
    assert shelf.withdraw(first) == first and shelf.approved() == {}
    for name in (first, first[:12]):
        with pytest.raises(RunError, match=r"not approved in .*--state"):
            shelf.withdraw(name)
    with pytest.raises(RunError, match="not approved in"):
        Bundles(tmp_path / "elsewhere").withdraw(first)
    unseen = hashlib.sha256(b"told by the coordinator").hexdigest()
    assert shelf.approve(unseen) == unseen and second not in shelf.approved()


@pytest.mark.parametrize("name", ["", "0" * 12, "zz", "../../etc/passwd"])
def test_what_names_no_bundle_is_not_approved(tmp_path: Path, name: str) -> None:
    shelf = Bundles(tmp_path)
    shelf.keep(zipped(("a", b"1")))
    with pytest.raises(RunError, match="names no bundle"):
        shelf.approve(name)
    assert shelf.approved() == {}


def test_a_coordinator_cannot_fill_the_disk(tmp_path: Path) -> None:
    shelf = Bundles(tmp_path)
    first = shelf.keep(zipped(("a", b"first")))
    shelf.approve(first)
    os.utime(shelf.folder / f"{first}.fab", (1, 1))
    for number in range(bundles.KEPT + 5):
        shelf.keep(zipped(("a", str(number).encode())))
    assert len(shelf.kept()) == bundles.KEPT + 1 and first in shelf.kept()
    large = bytes(bundles.LARGEST + 1)
    assert shelf.keep(large) not in shelf.kept()


def test_a_bundle_that_is_not_honest_is_told() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        found = Bundle.parse(zipped(("a.py", b"1"), ("a.py", b"2"), ("../b.py", b"3")))
    assert found.odd == ("a.py is in it twice", "../b.py leads out of the folder")
    assert found.files["a.py"] == b"2"  # which is what Flower would unpack
    with pytest.raises(RunError, match="not a zip archive"):
        Bundle.parse(b"MZ")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(bundles.LARGEST + 1))
    assert len(bomb.getvalue()) < 100_000
    with pytest.raises(RunError, match="more than 10 MiB"):
        Bundle.parse(bomb.getvalue())


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_bundle_that_cannot_be_unpacked_is_one_sentence(tmp_path: Path, packing: int) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as archive:
        archive.writestr("a.py", b"print('a')\n" * 400)
        start, size = archive.start_dir, archive.getinfo("a.py").compress_size
    content = stream.getvalue()
    head = 8 if packing == zipfile.ZIP_LZMA else 0  # how it was packed, which stays readable
    damaged = content[: start - size + head] + b"\xff" * (size - head) + content[start:]
    (tmp_path / "app.fab").write_bytes(damaged)
    told = CliRunner().invoke(app, ["client", "review", str(tmp_path / "app.fab")])
    assert isinstance(told.exception, RunError) and "refuse it" in str(told.exception)


def test_the_own_app_is_code_and_nothing_else() -> None:
    own = own_bundle()
    assert {"clients/app.py", "server/app.py", "pyproject.toml", "LICENSE"} <= set(own.files)
    assert all(name.endswith((".py", ".toml")) or name == "LICENSE" for name in own.files)
    assert not any("kit" in name or name.startswith(("fedsa/", "tests/")) for name in own.files)
    assert Difference.of(own, own).is_none


def test_a_review_shows_what_differs(tmp_path: Path) -> None:
    run, shelf = CliRunner(), Bundles(tmp_path)
    digits = shelf.keep(changed(clients__app=b"import os\n\x1b[2Jos.system('x')\n", spy=b"1"))
    found = run.invoke(app, ["client", "review", "--state", str(tmp_path)]).output
    assert "1 files changed, 1 added, 0 missing" in found and digits in found
    assert "not approved; to let it run: fedsa client approve" in found.replace("\n", " ")
    shown = run.invoke(
        app, ["client", "review", digits[:12], "--state", str(tmp_path), "--diff"]
    ).output
    assert "+\\x1b[2Jos.system('x')" in shown and "\x1b[2J" not in shown
    assert '-"""The ClientApp' in shown
    text = ["client", "review", digits, "--state", str(tmp_path), "--show", "spy.py"]
    assert run.invoke(app, text).output.strip() == "1"
    run.invoke(app, ["client", "approve", digits, "--state", str(tmp_path)])
    assert f"{digits}  approved" in run.invoke(
        app, ["client", "bundles", "--state", str(tmp_path)]
    ).output.replace("\n", "")
    with pytest.raises(RunError, match="No bundle waits"):
        run.invoke(app, ["client", "review", "--state", str(tmp_path)], catch_exceptions=False)


def test_a_review_of_the_own_app_says_so(tmp_path: Path) -> None:
    path = tmp_path / "app.fab"
    CliRunner().invoke(app, ["deploy", "bundle", str(path)])
    path = path if path.exists() else _built(path)
    said = CliRunner().invoke(app, ["client", "review", str(path), "--state", str(tmp_path)]).output
    assert "Every file is the same as in fedsa's own app" in said


def test_an_app_that_fedsa_new_wrote_is_fedsas_own(tmp_path: Path) -> None:
    honest = bundles.build(write_app(tmp_path / "my-app"))
    files = dict(Bundle.parse(honest).files)
    assert files["pyproject.toml"] != own_bundle().files["pyproject.toml"]
    said = _reviewed(tmp_path, honest)
    assert "Every file is the same as in fedsa's own app" in said and "CHANGED" not in said
    assert "pyproject.toml is as 'fedsa new my-app' writes it." in said
    added = _reviewed(tmp_path, zipped(*files.items(), ("spy.py", b"1")))
    assert "not fedsa's own app: 0 files changed, 1 added, 0 missing" in added


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("server.app:app", "server.spy:app"),
        ('name = "my-app"', 'name = "../my-app"'),
        ('name = "my-app"', "name = 7"),
        ("[project]", "[[project]]"),
        ("fedsa==", "fedsa>="),
        ("[project]\n", "[project]\n\n"),
    ],
)
def test_any_other_project_file_is_changed(tmp_path: Path, before: str, after: str) -> None:
    files = dict(Bundle.parse(bundles.build(write_app(tmp_path / "my-app"))).files)
    text = files["pyproject.toml"].decode()
    assert before in text
    files["pyproject.toml"] = text.replace(before, after, 1).encode()
    said = _reviewed(tmp_path, zipped(*files.items()))
    assert "It is not fedsa's own app: 1 files changed, 0 added, 0 missing" in said


def _reviewed(folder: Path, content: bytes) -> str:
    path = folder / "app.fab"
    path.write_bytes(content)
    said = CliRunner().invoke(app, ["client", "review", str(path), "--state", str(folder)]).output
    return " ".join(said.split())


def _built(path: Path) -> Path:
    from fedsa.app_folder import app_root

    path.write_bytes(bundles.build(app_root()))
    return path
