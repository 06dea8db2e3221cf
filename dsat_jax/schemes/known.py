"""Built-in schemes by name, and the text form of schemes in configurations, datasets and custom files."""

import json

from dsat_jax.errors import UserError
from dsat_jax.files.text_files import parse_json
from dsat_jax.schemes.aflw_19 import AFLW_19
from dsat_jax.schemes.cofw_29 import COFW_29
from dsat_jax.schemes.description import describe, parse_description
from dsat_jax.schemes.jd_106 import JD_106
from dsat_jax.schemes.joint import join
from dsat_jax.schemes.scheme import Scheme
from dsat_jax.schemes.w300_68 import W300_68
from dsat_jax.schemes.wflw_98 import WFLW_98

SCHEMES = {scheme.name: scheme for scheme in (WFLW_98, W300_68, COFW_29, AFLW_19, JD_106)}


def read_scheme(value: object, where: str) -> Scheme:
    """Returns the scheme that a value of a JSON file names (a key of `SCHEMES`) or describes.

    Args:
      value: decoded JSON.
      where: origin of the value, for error messages.

    Raises:
      UserError: if a name is unknown, or a description is invalid or has the name of a built-in scheme.
    """
    if isinstance(value, str):
        if value not in SCHEMES:
            raise UserError(
                f"{where}: unknown scheme {value!r}, expected one of {', '.join(SCHEMES)}, or a description of a scheme"
            )
        return SCHEMES[value]
    scheme = parse_description(value, where)
    if scheme.name in SCHEMES:
        raise UserError(
            f"{where}: name is {scheme.name!r}, the name of a built-in scheme; expected another one"
        )
    return scheme


def find(text: str) -> Scheme:
    """Returns the scheme that `config.data.scheme` names (a key of `SCHEMES`) or describes in JSON.

    A joint scheme is described by an object with `parts`, a list of names and descriptions, and `tied`.

    Raises:
      UserError: if the text is neither.
    """
    where = "config.data.scheme"
    if not text.startswith("{"):
        return read_scheme(text, where)
    try:
        description = parse_json(text.encode())
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    if not isinstance(description, dict) or "parts" not in description:
        return read_scheme(description, where)
    parts, tied = description["parts"], description.get("tied")
    if description.keys() != {"parts", "tied"} or type(tied) is not bool:
        raise UserError(
            f"{where}: found {text}, expected a joint scheme with parts, and tied as true or false"
        )
    if not isinstance(parts, list) or len(parts) < 2:
        raise UserError(f"{where}: parts is {parts!r}, expected two schemes or more")
    return join([read_scheme(part, where) for part in parts], tied)


def as_text(scheme: Scheme) -> str:
    """Returns the text of a scheme, the inverse of `find`."""
    if scheme.name in SCHEMES:
        return scheme.name
    return json.dumps(_joint_description(scheme) if scheme.parts else describe(scheme))


def _joint_description(scheme: Scheme) -> dict[str, object]:
    parts = [part.scheme for part in scheme.parts]
    tied = scheme.num_points < sum(part.num_points for part in parts)
    return {"parts": [part.name if part.name in SCHEMES else describe(part) for part in parts], "tied": tied}
