"""Packages of the wheel: `configs/`, a folder of the clone, becomes `dsat_jax.configs`. Tests stay in the clone."""

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class BuildWithoutTests(build_py):
    """Leaves out the tests, which lie beside the builders that they test."""

    def find_package_modules(self, package, package_dir):
        modules = super().find_package_modules(package, package_dir)
        return [found for found in modules if found[1] != "conftest" and not found[1].endswith("_test")]


setup(
    packages=[*find_packages(include=["dsat_jax*", "tfds_builders*"]), "dsat_jax.configs"],
    package_dir={"dsat_jax.configs": "configs"},
    include_package_data=False,  # otherwise the wheel has what MANIFEST.in adds to the source distribution
    cmdclass={"build_py": BuildWithoutTests},
)
