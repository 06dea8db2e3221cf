"""The runtime of a process: devices and shardings, several processes, compiled programs, operation counts.

Input: devices and environment variables. Output: a mesh with the shardings of batches and states, and processes that
join one run, stop together and detect the loss of one another. Progress bars suit the terminal or the notebook of the
process. Nothing in this package depends on faces.
"""
