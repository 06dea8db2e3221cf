"""Large memory pages for the arrays of a computation on a CPU."""

import os
import sys
from collections.abc import Mapping

_TUNABLES = "GLIBC_TUNABLES"
_SETTING = "glibc.malloc.hugetlb=1"


def ensure() -> None:
    """Starts this program anew, once, so that the C library asks Linux for large pages; elsewhere it does nothing.

    XLA takes gigabytes for the temporary arrays of a training step and gives them back after it. In pages of 4 kB the
    kernel spends an eighth of the processors' time on that. The library reads the setting when a program starts, and
    there only. A setting of the user's stays as it is.
    """
    environment = _with_setting(os.environ)
    if sys.platform == "linux" and environment != os.environ:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _with_setting(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with the setting, unless it has one of its kind."""
    given = environment.get(_TUNABLES, "")
    if "glibc.malloc.hugetlb" in given:
        return dict(environment)
    return {**environment, _TUNABLES: f"{given}:{_SETTING}" if given else _SETTING}
