"""What pyproject.toml cannot state: `configs/`, a folder of the clone, is the package `dsat_jax.configs` in the wheel."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["dsat_jax*", "tfds_builders*"]), "dsat_jax.configs"],
    package_dir={"dsat_jax.configs": "configs"},
)
