"""Packages of the wheel: `configs/`, a folder of the clone, becomes `dsat_jax.configs`."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["dsat_jax*", "tfds_builders*"]), "dsat_jax.configs"],
    package_dir={"dsat_jax.configs": "configs"},
)
