"""How processes on this machine become one run, for tests."""

import socket


def joining_flags(processes: int) -> list[list[str]]:
    """The flags of each process, with a port that is free; none for a single one."""
    if processes == 1:
        return [[]]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        common = [f"--coordinator=127.0.0.1:{free.getsockname()[1]}", f"--num_processes={processes}"]
    return [[*common, f"--process_id={index}"] for index in range(processes)]
