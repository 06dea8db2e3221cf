"""The command line of the project in a clone: `python run.py --help`. The installed package has `dsat-jax` instead."""

from dsat_jax.command_line.main import run

if __name__ == "__main__":
    run()
