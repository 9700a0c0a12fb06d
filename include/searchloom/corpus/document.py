"""What a parser makes of a file: documents, and records that could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from searchloom import schemas

DEFAULT_TENANT = "default"


class Unreadable(Exception):
    """A file or record that cannot become a document; its text is the reason, one sentence."""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text below its headings, outermost first (none: before the first heading)."""

    path: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read a document: one tenant, and these groups of it."""

    tenant: str = DEFAULT_TENANT
    groups: tuple[str, ...] = (schemas.EVERYONE,)

    @classmethod
    def of_metadata(cls, metadata: Mapping[str, str]) -> Access:
        """Read the object metadata ``tenant`` and ``groups`` (comma-separated, percent-encoded)."""
        tenant = unquote(metadata.get("tenant", "")) or DEFAULT_TENANT
        groups = tuple(sorted({unquote(name) for name in metadata.get("groups", "").split(",") if name}))
        return cls(tenant, groups or (schemas.EVERYONE,))

    def to_metadata(self) -> dict[str, str]:
        """Write the object metadata that ``of_metadata`` reads."""
        return {"tenant": quote(self.tenant, safe=""), "groups": ",".join(quote(name, safe="") for name in self.groups)}


@dataclass(frozen=True, slots=True)
class Document:
    """One document as read. ``record`` is its id within the file, empty where the file is the document.

    ``language``, ``tenant`` and ``groups`` are None where the file does not say.
    """

    record: str
    title: str
    sections: tuple[Section, ...]
    language: str | None = None
    tenant: str | None = None
    groups: tuple[str, ...] | None = None

    @property
    def characters(self) -> int:
        """Length of the text, for memory bounds."""
        return len(self.title) + sum(len(section.text) for section in self.sections)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that cannot become a document, and why. ``record`` is empty where it is the whole file."""

    record: str
    reason: str


@dataclass(slots=True)
class Outline:
    """Collects sections while a parser walks through a file."""

    sections: list[Section] = field(default_factory=list)
    _path: list[tuple[int, str]] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)

    def heading(self, level: int, text: str) -> None:
        """Close the open section and begin one below the headings of a lower level."""
        self._close()
        self._path = [entry for entry in self._path if entry[0] < level]
        self._path.append((level, text))
        self._lines = []

    def block(self, text: str) -> None:
        """Add a paragraph, a list item, a table row, a piece of code."""
        if text.strip():
            self._lines.append(text.strip("\n"))

    def finish(self) -> tuple[Section, ...]:
        """Close the last section and return them all."""
        self._close()
        self._lines, self._path = [], []
        return tuple(self.sections)

    def _close(self) -> None:
        path = tuple(text for _, text in self._path)
        if path or self._lines:
            self.sections.append(Section(path, "\n\n".join(self._lines)))
