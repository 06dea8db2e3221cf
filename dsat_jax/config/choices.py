"""Choice of a table entry by the name in a configuration."""

from collections.abc import Mapping
from typing import TypeVar

from dsat_jax.errors import UserError

T = TypeVar("T")


def choose(table: Mapping[str, T], name: str, what: str) -> T:
    """Returns an entry of a table by its name.

    Args:
      table: entries by name.
      name: name of the entry.
      what: kind of the entries for the error message, such as 'penalty'.

    Raises:
      UserError: if the table has no such entry; the message lists the names of the table.
    """
    if name not in table:
        raise UserError(f"unknown {what} {name!r}, expected one of {', '.join(table)}")
    return table[name]
