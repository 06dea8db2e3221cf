"""The command line of the project, from a clone: `python run.py --help`; installed, the same is `dsat-jax`."""

from dsat_jax.command_line.main import run

if __name__ == "__main__":
    run()
