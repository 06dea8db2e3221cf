"""Training faces turned in depth: the same photograph, drawn at a larger yaw and pitch, with its landmarks.

A 3-D head is fitted to the landmarks of a face (`fit`) and gives each of them a depth. The image becomes a mesh over
landmarks, skin, head and background, which is turned about the head's pivot and drawn again (`turn`). The idea is that
of face profiling: X. Zhu et al., "Face Alignment Across Large Poses: A 3D Solution", CVPR 2016.
"""

from dsat_jax.data.turned_faces.fitting import FittedPose, fit_pose
from dsat_jax.data.turned_faces.mesh import FittedHead, applies_to, fit
from dsat_jax.data.turned_faces.turning import Turned, sample_turn, turn

__all__ = ["FittedHead", "FittedPose", "Turned", "applies_to", "fit", "fit_pose", "sample_turn", "turn"]
