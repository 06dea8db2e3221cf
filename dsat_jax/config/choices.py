"""Things that a configuration chooses by name."""

from collections.abc import Mapping
from typing import TypeVar

from dsat_jax.errors import UserError

T = TypeVar("T")


def choose(table: Mapping[str, T], name: str, what: str) -> T:
    """The entry of a table that a configuration names.

    Args:
      table: what there is, by name.
      name: of the entry.
      what: the entries are, for the error: 'penalty'.

    Raises:
      ValueError: if there is no such entry; the message lists those that there are.
    """
    if name not in table:
        raise UserError(f"unknown {what} {name!r}; there are {', '.join(table)}")
    return table[name]
