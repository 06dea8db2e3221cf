"""MediaPipe's face mesh as a `peers_server.System`; runs in the interpreter of the peers."""

import numpy as np

from benchmarks import peers_server

# The mesh vertex for each of the 68 landmarks of 300W: the vertex with the least mean distance to the landmark over
# 1,675 faces of helen/trainset and lfpw/trainset. Mirrored landmarks have mirrored vertices. Tables in public use
# differ from it in few vertices and give larger errors.
VERTICES = (
    *(127, 227, 177, 215, 172, 136, 149, 148, 152, 377, 378, 365, 397, 435, 401, 447, 356),  # jaw
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # brows
    *(168, 197, 195, 4, 75, 97, 2, 326, 305),  # nose
    *(33, 160, 158, 155, 153, 144, 382, 385, 387, 263, 373, 380),  # eyes
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips
    *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips
)
MOST_FACES = 20
MARGIN = 0.5  # margin of the crop around a given box, as a share of its longer side; its detector needs some context


def cut_around(image: np.ndarray, box: peers_server.Box) -> tuple[np.ndarray, np.ndarray]:
    """Returns the part of an image around a box, and the position [2] (x, y) of its first pixel.

    Args:
      image: uint8 [height, width, 3].
      box: box of the landmarks. The part is the square around it with a margin of `MARGIN`, within the image.
    """
    low, high = np.array(box[:2]), np.array(box[2:])
    half = (0.5 + MARGIN) * (high - low).max()
    first = np.maximum(np.floor((low + high) / 2 - half), 0).astype(int)
    last = np.ceil((low + high) / 2 + half).astype(int)
    return np.ascontiguousarray(image[first[1] : last[1] + 1, first[0] : last[0] + 1]), first


class MediaPipe:
    """Face mesh with attention (478 vertices) after the short-range detector; see `peers_server.System`."""

    def __init__(self):
        import cv2
        from mediapipe.python.solutions import face_detection, face_mesh

        self._cv2 = cv2
        self._detector = face_detection.FaceDetection(model_selection=0)  # the detector inside the face mesh
        self._mesh = face_mesh.FaceMesh(
            static_image_mode=True, max_num_faces=MOST_FACES, refine_landmarks=True
        )
        self._tracked_mesh = face_mesh.FaceMesh(refine_landmarks=True)

    def read(self, path: str) -> np.ndarray:
        image = self._cv2.imread(path, self._cv2.IMREAD_COLOR | self._cv2.IMREAD_IGNORE_ORIENTATION)
        return np.ascontiguousarray(image[..., ::-1])

    def detect(self, image: np.ndarray) -> object:
        return self._detector.process(image)

    def find(self, image: np.ndarray) -> np.ndarray:
        meshes = self._mesh.process(image).multi_face_landmarks or ()
        points = [
            [(mesh.landmark[vertex].x, mesh.landmark[vertex].y) for vertex in VERTICES] for mesh in meshes
        ]
        # Without the half pixel between MediaPipe's coordinates and pixel centres at integers: the errors are smaller.
        return np.array(points).reshape(-1, len(VERTICES), 2) * image.shape[1::-1]

    def align(self, image: np.ndarray, box: peers_server.Box) -> np.ndarray:
        part, first = cut_around(image, box)
        return self.find(part) + first

    def landmarks_only(self, image: np.ndarray, box: peers_server.Box):
        part, _ = cut_around(image, box)
        self._tracked_mesh.reset()
        if not self._tracked_mesh.process(part).multi_face_landmarks:
            return None
        return lambda: self._tracked_mesh.process(
            part
        )  # around the landmarks of the last call, without detector


if __name__ == "__main__":
    peers_server.serve(MediaPipe)
