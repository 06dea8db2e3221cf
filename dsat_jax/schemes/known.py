"""Schemes by name, and schemes as text: how configurations, datasets and users' files name them."""

import json

from dsat_jax.errors import UserError
from dsat_jax.files.text_files import parse_json
from dsat_jax.schemes.aflw_19 import AFLW_19
from dsat_jax.schemes.cofw_29 import COFW_29
from dsat_jax.schemes.description import describe, parse_description
from dsat_jax.schemes.jd_106 import JD_106
from dsat_jax.schemes.scheme import Scheme
from dsat_jax.schemes.w300_68 import W300_68
from dsat_jax.schemes.wflw_98 import WFLW_98

SCHEMES = {scheme.name: scheme for scheme in (WFLW_98, W300_68, COFW_29, AFLW_19, JD_106)}


def read_scheme(value: object, where: str) -> Scheme:
    """The scheme that a value from a file means: a key of `SCHEMES`, or an object as `parse_description` reads it.

    Args:
      value: decoded JSON.
      where: it was found, for errors.

    Raises:
      ValueError: if there is no such scheme, the description does not fit, or takes the name of one of `SCHEMES`.
    """
    if isinstance(value, str):
        if value not in SCHEMES:
            raise UserError(
                f"{where}: there is no scheme {value!r}; there are {', '.join(SCHEMES)}, or describe one of your own"
            )
        return SCHEMES[value]
    scheme = parse_description(value, where)
    if scheme.name in SCHEMES:
        raise UserError(f"{where}: name is {scheme.name!r}, which is a scheme of ours: give yours another")
    return scheme


def find(text: str) -> Scheme:
    """The scheme that `config.data.scheme` names: a key of `SCHEMES`, or a description as JSON.

    Raises:
      ValueError: if it is neither.
    """
    where = "config.data.scheme"
    if not text.startswith("{"):
        return read_scheme(text, where)
    try:
        description = parse_json(text.encode())
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    return read_scheme(description, where)


def as_text(scheme: Scheme) -> str:
    """The text from which `find` makes the scheme."""
    return scheme.name if scheme.name in SCHEMES else json.dumps(describe(scheme))
