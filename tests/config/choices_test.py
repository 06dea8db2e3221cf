"""Choice of table entries by name."""

import pytest

from dsat_jax.config import choose
from dsat_jax.errors import UserError

TABLE = {"one": 1, "two": 2}


def test_a_known_name_gives_its_entry():
    assert choose(TABLE, "two", "number") == 2


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"^unknown number 'three', expected one of one, two$"):
        choose(TABLE, "three", "number")
