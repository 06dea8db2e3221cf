"""Where a progress bar appears, and that messages leave it in one piece."""

import os
import re
import subprocess
import sys
import time

import notebook_kernel
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from dsat_jax.runtime import progress

PROGRAM = """
from dsat_jax.runtime.progress import progress_bar

with progress_bar(total=3, unit="image") as bar:
    for number in range(3):
        bar.write(f"message {number}")
        bar.update()
"""
MESSAGES = ["message 0", "message 1", "message 2"]


def test_a_notebook_without_ipywidgets_has_one_output_and_no_warning(tmp_path):
    block = "import sys; sys.modules['ipywidgets'] = None"
    notebook = new_notebook(cells=[new_code_cell(block), new_code_cell(PROGRAM)])
    notebook = notebook_kernel.execute(notebook, tmp_path)
    [output] = notebook.cells[1].outputs
    assert output.name == "stdout"
    *messages, bar = output.text.rstrip("\n").split("\n")
    assert [message.strip() for message in messages] == MESSAGES
    assert bar.startswith("100%|██████████| 3/3 [")


def test_outside_a_notebook_the_bar_is_on_standard_error():
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=notebook_kernel.ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert finished.stdout.split("\n") == [*MESSAGES, ""]
    assert re.search(r"100%\|█+\| 3/3 \[", finished.stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_terminal_without_a_size_has_a_bar():
    import pty

    ours, theirs = pty.openpty()  # of 0 rows and 0 columns
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=notebook_kernel.ROOT, stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert re.search(r"100%\|█+\| 3/3 \[", shown)


def test_waiting_is_named_and_left_out_of_the_time_of_the_steps(capsys):
    with progress.progress_bar(total=10) as bar:
        began = bar.start_t
        with progress.waiting(bar, "compiling"):
            time.sleep(0.3)
        shift = bar.start_t - began
        bar.update(2)
    assert 0.3 <= shift < 5
    assert "compiling:   0%" in capsys.readouterr().err
    assert bar.desc == ""
