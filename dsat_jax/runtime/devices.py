"""The kind of device that JAX uses: chosen by the user, and checked before the work starts."""

import os

import jax

from dsat_jax.errors import UserError


def choose(device: str | None) -> None:
    """Keeps JAX from looking for accelerators if the CPU is chosen; must be called before any other use of JAX.

    JAX itself takes the fastest kind of device. Its option for a kind, `jax_platforms`, knows no kind "gpu": it would
    require NVIDIA's, AMD's and Intel's plugins together.

    Args:
      device: "cpu", "gpu" or "tpu"; None for the fastest.
    """
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")


def check(device: str | None) -> None:
    """Refuses a kind of device that this machine does not have; must be called after `processes.start`.

    Args:
      device: see `choose`.

    Raises:
      UserError: if JAX cannot use the device, or one that the environment variable JAX_PLATFORMS names.
    """
    named = os.environ.get("JAX_PLATFORMS")
    if device is None and not named:
        return
    try:
        jax.devices(device)
    # JAX raises an AssertionError without text for a plugin that is missing.
    except (RuntimeError, AssertionError) as error:
        cause = str(error).splitlines()[0] if str(error) else "its plugin is not installed"
        variable = f"the environment variable JAX_PLATFORMS is {named!r}"
        if device is None:
            raise UserError(
                f"{variable}, and JAX cannot use that here ({cause}); without it, JAX takes the fastest device that "
                "there is"
            ) from error
        advice = variable if named else "README.md lists what to install for it"
        raise UserError(f"--device={device}: JAX cannot use one here ({cause}); {advice}") from error
