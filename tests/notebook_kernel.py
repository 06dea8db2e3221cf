"""Execution of notebooks for tests, with the interpreter of the tests as their kernel.

python notebook_kernel.py NOTEBOOK.ipynb    executes a notebook in place; `execute` does this in a process of its own
"""

import os
import pathlib
import subprocess
import sys

import nbclient
import nbformat
from ipykernel.kernelspec import write_kernel_spec
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

ROOT = pathlib.Path(__file__).parents[1]
_SECONDS = 300  # for one cell
_JUPYTER_FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")


def execute(notebook: nbformat.NotebookNode, folder: pathlib.Path) -> nbformat.NotebookNode:
    """Returns a notebook with the outputs of its cells.

    Kernels that are installed and the user's settings of Jupyter have no influence. Nothing is written outside the
    folder. The process is separate because nbclient leaves sockets open, which would fail a later test.

    Args:
      notebook: notebook of format 4.
      folder: working directory of the kernel.

    Raises:
      AssertionError: if a cell raises; the message contains its traceback.
    """
    path = folder / "executed.ipynb"
    nbformat.write(notebook, path)
    settings = dict.fromkeys(_JUPYTER_FOLDERS, str(folder / "jupyter"))
    finished = subprocess.run(
        [sys.executable, __file__, str(path)],
        env=os.environ | settings | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    return nbformat.read(path, as_version=4)


def _execute_in_place(path: pathlib.Path) -> None:
    kernels = path.parent / "jupyter" / "kernels"
    write_kernel_spec(str(kernels / "python3"))  # of this interpreter
    specifications = KernelSpecManager(kernel_dirs=[str(kernels)])
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specifications),
        timeout=_SECONDS,
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    nbformat.write(notebook, path)


if __name__ == "__main__":
    _execute_in_place(pathlib.Path(sys.argv[1]))
