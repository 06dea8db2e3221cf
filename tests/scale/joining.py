"""Flags that join processes on this machine to one run, for tests."""

import socket


def joining_flags(processes: int) -> list[list[str]]:
    """Returns the flags of each process, with a free port; a single process has no flags."""
    if processes == 1:
        return [[]]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        common = [f"--coordinator=127.0.0.1:{free.getsockname()[1]}", f"--num_processes={processes}"]
    return [[*common, f"--process_id={index}"] for index in range(processes)]
