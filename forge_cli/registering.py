"""From paths to registered exports: what is inside, what is wrong with it, what has no rows yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from forge_cli import inside
from forge_cli.output import say
from forge_core.archives.sets import set_part
from forge_core.errors import ForgeError

if TYPE_CHECKING:
    from forge_resources.exports import Export
    from forge_resources.stores import Stores


@dataclass
class Registered:
    """What became of the paths that were given: exports by the path they came from, and what was wrong."""

    exports: dict[Path, Export] = field(default_factory=dict)
    errors: dict[Path, ForgeError] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)  # whose a set is, by its name
    named: set[Path] = field(default_factory=set)

    @property
    def unique(self) -> list[Export]:
        return list({export.partition: export for export in self.exports.values()}.values())

    def raise_if_nothing(self) -> None:
        if not self.exports and self.errors:
            raise next(iter(self.errors.values()))

    def exit_code(self) -> int:
        """Of what was named on the command line; what lay in a named folder is reported and passed over."""
        return max((error.exit_code for path, error in self.errors.items() if path in self.named), default=0)


def survey_first(found: list[Path], named: tuple[Path, ...], subject: str | None) -> Registered:
    """Look into every export before any server is started, so that a bad one alone writes nothing."""
    registered = Registered(named=set(named))
    for path in found:
        look = inside.look(path, subject, count=False)
        if look.error is not None:
            registered.errors[path] = look.error
        elif look.account and (part := set_part(path.name)):
            registered.accounts[part.name] = look.account
    if len(found) == len(registered.errors) == 1:
        registered.raise_if_nothing()  # the error itself is said, once
    for path, error in registered.errors.items():
        say(f"passed over {path.name}: {error}")
    if len(registered.errors) == len(found):
        registered.raise_if_nothing()
    return registered


def register(stores: Stores, registered: Registered, subject: str | None) -> Registered:
    """Register what can be; ``registered`` names the paths and what is known to be wrong already."""
    failed: list[str] = []
    for path in inside.exports_in(tuple(sorted(registered.named))):
        if path in registered.errors:
            continue
        try:
            part = set_part(path.name)
            account = registered.accounts.get(part.name) if part else None
            registered.exports[path] = stores.exports.register(path, subject, account)
        except ForgeError as error:
            registered.errors[path] = error
            failed.append(f"passed over {path.name}: {error}")
    registered.raise_if_nothing()
    for line in failed:
        say(line)
    return registered


def unpublished(stores: Stores, registered: Registered) -> list[Export]:
    """The exports that have no rows yet: new ones, and those whose run broke off or refused them."""
    return [export for export in registered.unique if export.status != "published"]
