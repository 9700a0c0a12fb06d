"""How the page and its files are served."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from searchloom.query.page import FOLDER
from searchloom.query.page_files import PageFiles

HOST = {"Host": "127.0.0.1:9630"}


@pytest.fixture
def address(client: TestClient) -> str:
    """Where the page's files lie, as the page says."""
    found = re.search(r'"(/page/[0-9a-f]{12}/)app.js"', client.get("/", headers=HOST).text)
    assert found
    return found[1]


def test_the_policy_lets_nothing_but_own_files_in(client: TestClient) -> None:
    page = client.get("/", headers=HOST)
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    for rule in ("default-src 'none'", "require-trusted-types-for 'script'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert page.headers["cache-control"] == "no-store"  # it may carry a token


def test_the_page_names_only_files_that_are_there(client: TestClient, address: str) -> None:
    page = client.get("/", headers=HOST).text
    named = re.findall(r'(?:src|href)="(/[^"]+)"', page)
    assert len(named) > 5
    for path in named:
        assert path.startswith(address)
        assert client.get(path).status_code == 200
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=|<style", page)


def test_no_file_of_the_page_fetches_from_elsewhere() -> None:
    for path in FOLDER.rglob("*"):
        if path.suffix in {".js", ".css", ".html"}:
            addresses = set(re.findall(r"https?://[\w./-]+", path.read_text(encoding="utf-8")))
            assert addresses <= {"http://www.w3.org/2000/svg"}, path


def test_every_import_of_a_module_is_a_file(client: TestClient, address: str) -> None:
    for path in FOLDER.rglob("*.js"):
        for name in re.findall(r'(?:from|import) ?"([^"]+)"', path.read_text(encoding="utf-8")):
            assert name.startswith("."), f"{path}: {name} would need a build step"
            target = (path.parent / name).resolve().relative_to(FOLDER.resolve())
            assert client.get(address + target.as_posix()).status_code == 200, f"{path}: {name}"


def test_a_file_is_kept_for_good_and_comes_compressed(client: TestClient, address: str) -> None:
    plain = (FOLDER / "app.js").read_bytes()
    with client.stream("GET", f"{address}app.js", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(b"".join(answer.iter_raw())) == plain
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "immutable" in answer.headers["cache-control"]
    identity = client.get(f"{address}app.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in identity.headers
    assert identity.content == plain
    again = client.get(f"{address}app.js", headers={"If-None-Match": identity.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_page_of_another_version_gets_files_but_keeps_none(client: TestClient) -> None:
    answer = client.get("/page/000000000000/app.js")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["nothing.js", "../page.py", "%2e%2e/page.py", "vendor/README.md", "index.html", ""])
def test_nothing_else_is_served(client: TestClient, address: str, name: str) -> None:
    assert client.get(address + name).status_code == 404


def test_the_version_changes_with_any_file(tmp_path: Path) -> None:
    (tmp_path / "views").mkdir()
    (tmp_path / "app.js").write_text("1")
    (tmp_path / "views" / "a.js").write_text("2")
    before = PageFiles(tmp_path).version
    assert PageFiles(tmp_path).version == before
    (tmp_path / "views" / "a.js").write_text("3")
    assert PageFiles(tmp_path).version != before


def test_what_is_vendored_comes_with_its_licence() -> None:
    for folder in (FOLDER / "vendor").iterdir():
        if folder.is_dir():
            assert list(folder.glob("LICENSE*")), folder
            assert f"`{folder.name}/" in (FOLDER / "vendor" / "README.md").read_text(encoding="utf-8")
