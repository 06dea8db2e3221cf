"""What belongs to the process: devices and shardings, several processes, compiled programs, operation counts.

In: devices and environment variables. Out: a mesh with the shardings of batches and states, and running processes that
find, stop and miss each other. Nothing here depends on faces.
"""
