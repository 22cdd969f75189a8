"""Plug-ins by name: what is wrong with one is said with the distribution it came from."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fedsa.data import DATASETS
from fedsa.errors import PluginError
from fedsa.fusion import FUSIONS
from fedsa.models import MODELS
from fedsa.registry import Registry
from fedsa.saliency import METHODS
from fedsa.selection import SELECTORS

Install = Callable[[str, str, str], None]


def registry() -> Registry:
    return Registry("flavour", {"plain": "math:gcd"}, ("first", "second"))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution with one module and its entry points, as pip leaves it."""

    def make(distribution: str, points: str, code: str) -> None:
        site = tmp_path / distribution
        module = distribution.replace("-", "_")
        info = site / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[fedsa.flavour]\n{points}\n")
        (site / f"{module}.py").write_text(code)
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.syspath_prepend(str(site))

    return make


def test_an_installed_plugin_is_found(install: Install) -> None:
    install("acme", "sour = acme:Kitchen.sour", "class Kitchen:\n    def sour(a, b): return a - b")
    assert registry().names() == ["plain", "sour"]
    assert registry().get("sour")(5, 3) == 2
    assert registry().get("plain")(12, 18) == 6


def test_a_plugin_may_be_named_by_its_path(install: Install) -> None:
    install("acme-own", "", "def mine(a, b, c=3): return a + b + c")
    assert registry().get("acme_own:mine")(1, 2) == 6


def test_nothing_is_imported_before_it_is_asked_for(install: Install) -> None:
    install("acme-lazy", "slow = acme_lazy:slow", "def slow(a, b): pass")
    assert "slow" in registry().names()
    registry().get("plain")
    assert "acme_lazy" not in sys.modules
    registry().get("slow")
    assert "acme_lazy" in sys.modules


def test_an_unknown_name_says_what_there_is(install: Install) -> None:
    install("acme-two", "sour = acme_two:f", "f = max")
    with pytest.raises(PluginError, match=r"Unknown flavour 'swet': use one of plain, sour, or"):
        registry().get("swet")


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("raise OSError('no such device')", "OSError: no such device"),
        ("import not_there_at_all", "ModuleNotFoundError"),
        ("other = 1", "AttributeError"),
    ],
)
def test_an_import_failure_names_the_distribution(install: Install, code: str, wanted: str) -> None:
    install("acme-broken", "sour = acme_broken:sour", code)
    with pytest.raises(PluginError) as caught:
        registry().get("sour")
    sentence = str(caught.value)
    assert "flavour 'sour'" in sentence and "distribution 'acme-broken'" in sentence
    assert wanted in sentence


@pytest.mark.parametrize("code", ["def sour(a): pass", "def sour(*, first, second): pass"])
def test_a_wrong_signature_names_the_distribution(install: Install, code: str) -> None:
    install("acme-narrow", "sour = acme_narrow:sour", code)
    with pytest.raises(PluginError) as caught:
        registry().get("sour")
    sentence = str(caught.value)
    assert "distribution 'acme-narrow'" in sentence
    assert "called as flavour(first, second)" in sentence


def test_what_is_not_callable_names_the_distribution(install: Install) -> None:
    install("acme-number", "sour = acme_number:sour", "sour = 3")
    with pytest.raises(PluginError, match="distribution 'acme-number'.* is not callable"):
        registry().get("sour")


@pytest.mark.parametrize("path", ["nowhere_at_all:f", "math:no_such", "math:"])
def test_a_wrong_path_is_named(path: str) -> None:
    with pytest.raises(PluginError, match=rf"flavour '{path}' \(the import path you gave\)"):
        registry().get(path)


def test_two_distributions_with_one_name_are_both_named(install: Install) -> None:
    install("acme-one", "sour = acme_one:f", "f = max")
    install("acme-other", "sour = acme_other:f", "f = max")
    for call in (registry().names, lambda: registry().get("plain")):
        with pytest.raises(PluginError) as caught:
            call()
        assert "'acme-one'" in str(caught.value) and "'acme-other'" in str(caught.value)


def test_a_built_in_name_is_taken(install: Install) -> None:
    install("acme-rival", "plain = acme_rival:f", "f = max")
    with pytest.raises(PluginError, match="'plain': 'fedsa' and 'acme-rival'"):
        registry().get("plain")


@pytest.mark.parametrize(
    "found", [DATASETS, FUSIONS, METHODS, MODELS, SELECTORS], ids=lambda r: r.kind
)
def test_every_built_in_loads_and_has_the_right_signature(found: Registry) -> None:
    assert len(found.builtins) > 2
    for name in found.builtins:
        assert callable(found.get(name))
