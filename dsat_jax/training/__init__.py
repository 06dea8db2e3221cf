"""Training: the loop around one jitted step, from a run folder's newest checkpoint to the last step.

Input: a configuration and a run folder. Output: checkpoints, `metrics.jsonl`, TensorBoard events and the trained state.
"""
