"""All parameters of a synthetic face, and their random sampling.

The six attributes of WFLW are sampled first, each by an independent Bernoulli draw. The other parameters are
sampled afterwards, given the attributes, so that the attributes are exact.
"""

import dataclasses

import numpy as np

from tfds_builders.synthetic_faces.expression import Expression
from tfds_builders.synthetic_faces.paint import Colour, mix
from tfds_builders.synthetic_faces.pose import Pose
from tfds_builders.synthetic_faces.surface import Light
from tfds_builders.synthetic_faces.template import Shape

SIZE = 256  # pixels, side of the square image
ATTRIBUTES = ("pose", "expression", "illumination", "makeup", "occlusion", "blur")
SHARES = {
    "pose": 0.22,
    "expression": 0.25,
    "illumination": 0.25,
    "makeup": 0.2,
    "occlusion": 0.25,
    "blur": 0.2,
}
OCCLUDERS = ("sunglasses", "mask", "hand", "scarf", "fringe", "object")
HAIR_STYLES = ("bald", "short", "parted", "volume", "long")

_SKINS = (
    (250, 218, 196), (238, 198, 170), (226, 180, 148), (206, 154, 118), (172, 118, 84), (138, 92, 66),
    (104, 70, 52),
)  # fmt: skip
_HAIRS = (
    (28, 22, 20),
    (52, 36, 26),
    (86, 58, 38),
    (128, 88, 52),
    (190, 150, 96),
    (140, 64, 34),
    (150, 146, 142),
)
_IRISES = ((70, 44, 28), (94, 62, 34), (110, 96, 52), (84, 112, 132), (96, 118, 92), (60, 40, 28))
_LIPSTICKS = ((176, 24, 44), (196, 60, 92), (140, 24, 60), (206, 90, 80), (120, 30, 50), (214, 70, 120))
_EYE_SHADOWS = ((92, 70, 110), (60, 84, 120), (110, 66, 50), (60, 48, 52), (60, 110, 100), (150, 80, 110))


@dataclasses.dataclass(frozen=True)
class Look:
    """The appearance of the person.

    Attributes:
      skin, hair, iris, lips: colours in normal light.
      hair_style: one of HAIR_STYLES.
      hair_volume: thickness of the hair over the skull, 0 to 1.
      hairline: height of the hairline, -1 low to 1 receding.
      parting: position of the parting, -1 left to 1 right.
      brow_density: opacity of the brows, 0.4 thin to 1.
      beard: density of the beard, 0 none to 1 full.
      age: depth of the folds, 0 to 1.
      freckles: strength of the freckles, 0 to 1.
    """

    skin: Colour = _SKINS[2]
    hair: Colour = _HAIRS[1]
    iris: Colour = _IRISES[0]
    lips: Colour = (190, 110, 100)
    hair_style: str = "short"
    hair_volume: float = 0.4
    hairline: float = 0.0
    parting: float = 0.3
    brow_density: float = 0.8
    beard: float = 0.0
    age: float = 0.2
    freckles: float = 0.0


@dataclasses.dataclass(frozen=True)
class Makeup:
    """Makeup.

    Attributes:
      lips: colour of the lipstick.
      eyes: colour of the eye shadow.
      blush: strength of the rouge, 0 to 1.
      liner: strength of the eye liner, 0 to 1.
    """

    lips: Colour
    eyes: Colour
    blush: float
    liner: float


@dataclasses.dataclass(frozen=True)
class Photo:
    """The effects of the camera.

    Attributes:
      blur: standard deviation of the defocus in pixels.
      motion: length of the motion blur in pixels, 0 for none.
      motion_angle: direction of the motion blur in degrees.
      noise: standard deviation of the sensor noise, where 255 is white.
      jpeg: quality of an earlier JPEG compression; None for none.
      tint: factor of each channel.
      contrast: factor of the contrast, about 1.
    """

    blur: float = 0.0
    motion: float = 0.0
    motion_angle: float = 0.0
    noise: float = 2.0
    jpeg: int | None = None
    tint: Colour = (1.0, 1.0, 1.0)
    contrast: float = 1.0


@dataclasses.dataclass(frozen=True)
class Parameters:
    """The parameters of one synthetic image.

    Attributes:
      shape, expression, pose, light, look: parameters of the face.
      makeup: makeup; None for none.
      occluder: one of OCCLUDERS; None for none.
      photo: effects of the camera.
      head_depth: factor of the depth of the sides of the face, see `build_head`.
      attributes: name -> value, for all of ATTRIBUTES.
      texture_seed: seed of all random details without a parameter: background, clutter, strands of hair.
    """

    shape: Shape = dataclasses.field(default_factory=Shape)
    expression: Expression = dataclasses.field(default_factory=Expression)
    pose: Pose = dataclasses.field(default_factory=Pose)
    light: Light = dataclasses.field(default_factory=Light)
    look: Look = dataclasses.field(default_factory=Look)
    makeup: Makeup | None = None
    occluder: str | None = None
    photo: Photo = dataclasses.field(default_factory=Photo)
    head_depth: float = 1.0
    attributes: dict[str, bool] = dataclasses.field(default_factory=lambda: dict.fromkeys(ATTRIBUTES, False))
    texture_seed: int = 0

    def mirrored(self) -> "Parameters":
        """The parameters of the mirrored face; the random sides of background, hair and occluder do not change."""
        return dataclasses.replace(
            self,
            expression=self.expression.mirrored(),
            pose=self.pose.mirrored(SIZE),
            light=self.light.mirrored(),
            look=dataclasses.replace(self.look, parting=-self.look.parting),
        )


def sample(random: np.random.Generator) -> Parameters:
    """Samples the parameters of one image."""
    attributes = {name: bool(random.random() < share) for name, share in SHARES.items()}
    shape = Shape(
        **dict(zip(_SHAPE_NAMES, np.clip(random.normal(size=len(_SHAPE_NAMES)), -2, 2).tolist(), strict=True))
    )
    look = _sample_look(random, feminine=attributes["makeup"] or random.random() < 0.4)
    occluder = str(random.choice(OCCLUDERS)) if attributes["occlusion"] else None
    if occluder == "fringe" and look.hair_style in ("bald", "short"):
        look = dataclasses.replace(look, hair_style="volume")
    return Parameters(
        shape=shape,
        expression=_sample_expression(random, attributes["expression"]),
        pose=_sample_pose(random, attributes["pose"]),
        light=_sample_light(random, attributes["illumination"]),
        look=look,
        makeup=_sample_makeup(random) if attributes["makeup"] else None,
        occluder=occluder,
        photo=_sample_photo(random, attributes["blur"], attributes["illumination"]),
        attributes=attributes,
        texture_seed=int(random.integers(2**31)),
    )


_SHAPE_NAMES = tuple(field.name for field in dataclasses.fields(Shape))


def _sample_look(random: np.random.Generator, feminine: bool) -> Look:
    tone = random.random() ** 1.2 * (len(_SKINS) - 1)
    skin = mix(_SKINS[int(tone)], _SKINS[min(int(tone) + 1, len(_SKINS) - 1)], tone % 1)
    skin = tuple(float(np.clip(c * random.normal(1, 0.025), 0, 255)) for c in skin)
    dark = tone > 3.2
    bright = random.uniform(0.8, 1.15)
    hair = _HAIRS[random.integers(2 if dark else len(_HAIRS))]
    lips = mix(skin, (150, 50, 60), random.uniform(0.3, 0.5)) if not dark else mix(skin, (110, 40, 50), 0.45)
    styles = (0.0, 0.05, 0.2, 0.2, 0.55) if feminine else (0.12, 0.4, 0.33, 0.1, 0.05)
    return Look(
        skin=skin,
        hair=tuple(float(np.clip(c * bright * random.normal(1, 0.02), 4, 255)) for c in hair),
        iris=_IRISES[random.choice([0, 5]) if dark else random.integers(len(_IRISES))],
        lips=lips,
        hair_style=str(random.choice(HAIR_STYLES, p=styles)),
        hair_volume=random.uniform(0.1, 1.0),
        hairline=random.uniform(-1, 1),
        parting=random.uniform(-0.8, 0.8),
        brow_density=random.uniform(0.5, 1.0),
        beard=0.0 if feminine else float(random.choice([0.0, 0.3, 0.6, 1.0], p=[0.5, 0.25, 0.12, 0.13])),
        age=random.random() ** 1.5,
        freckles=float(random.random() < 0.12) * random.uniform(0.3, 1.0),
    )


def _sample_expression(random: np.random.Generator, strong: bool) -> Expression:
    """A mild expression, or one of seven strong ones, with some noise."""
    openness, level = random.uniform(0.8, 1.1), random.normal(0, 0.15)
    base = {
        "smile": tuple(np.clip(random.uniform(-0.25, 0.5) + random.normal(0, 0.06, 2), -1, 1).tolist()),
        "lips_part": float(random.random() < 0.3) * random.uniform(0.1, 0.6),
        "brow_raise": tuple((level + random.normal(0, 0.05, 2)).tolist()),
        "frown": float(max(random.normal(0, 0.12), 0)),
        "eye_open": tuple((openness + random.normal(0, 0.02, 2)).tolist()),
        "gaze": tuple(random.normal(0, 0.28, 2).tolist()),
    }
    if strong:
        power = random.uniform(0.7, 1.0)
        acts = (
            {"jaw_open": power, "brow_raise": (0.9 * power, 0.9 * power), "eye_open": (1.3, 1.3)},
            {
                "smile": (power, power),
                "lips_part": 0.9,
                "jaw_open": random.uniform(0, 0.45),
                "eye_open": (0.6, 0.6),
            },
            {"smile": (-power, -power), "frown": power, "eye_open": (0.75, 0.75)},
            {"eye_open": (0.0, 0.0), "jaw_open": random.uniform(0, 0.4)},
            {"pucker": power, "brow_raise": (power, power), "lips_part": 0.0},
            {
                "eye_open": (0.05, 1.0)[:: random.choice([-1, 1])],
                "smile": (power, 0.2)[:: random.choice([-1, 1])],
            },
            {"jaw_open": power, "frown": power, "eye_open": (0.45, 0.45), "smile": (-0.3, -0.3)},
        )
        base |= acts[random.integers(len(acts))]
    return Expression(**base)


def _sample_pose(random: np.random.Generator, large: bool) -> Pose:
    if large:
        side = random.choice([-1, 1])
        yaw, pitch, roll = side * random.uniform(28, 46), random.normal(0, 9), random.normal(0, 12)
        if random.random() < 0.3:
            yaw, pitch = random.normal(0, 12), random.choice([-1, 1]) * random.uniform(17, 26)
    else:
        yaw, pitch, roll = (random.normal(0, s) for s in (10, 6, 7))
        yaw, pitch = np.clip(yaw, -22, 22), np.clip(pitch, -14, 14)
    return Pose(
        yaw=float(yaw),
        pitch=float(np.clip(pitch, -26, 26)),
        roll=float(np.clip(roll, -32, 32)),
        scale=random.uniform(0.76, 0.98),
        centre=(random.uniform(110, 146), random.uniform(118, 146)),
        distance=random.uniform(500, 1500),
    )


def _sample_light(random: np.random.Generator, strong: bool) -> Light:
    across = random.normal(0, 0.45)
    if not strong:
        direction = (across, random.normal(-0.5, 0.3), 1.0)
        return Light(
            direction, random.uniform(0.45, 0.7), random.uniform(0.95, 1.2), random.uniform(0.05, 0.25)
        )
    side = random.choice([-1, 1])
    kinds = (
        Light((side * 1.0, random.normal(-0.2, 0.3), random.uniform(0.05, 0.5)), 0.16, 1.35, 0.3),
        Light((across, -1.0, random.uniform(0.1, 0.4)), 0.2, 1.4, 0.3),
        Light((across, 0.9, 0.5), 0.22, 1.25, 0.2),
        Light((across, -0.4, 1.0), 0.5, random.uniform(0.36, 0.55), 0.1),
        Light((side * 0.5, -0.4, 1.0), 0.45, random.uniform(1.6, 1.9), 0.4),
    )
    return kinds[random.integers(len(kinds))]


def _sample_makeup(random: np.random.Generator) -> Makeup:
    return Makeup(
        lips=_LIPSTICKS[random.integers(len(_LIPSTICKS))],
        eyes=_EYE_SHADOWS[random.integers(len(_EYE_SHADOWS))],
        blush=random.uniform(0.3, 1.0),
        liner=random.uniform(0.5, 1.0),
    )


def _sample_photo(random: np.random.Generator, blurred: bool, odd_light: bool) -> Photo:
    moving = random.random() < 0.4
    tint = random.normal(0, 0.10 if odd_light else 0.04)
    return Photo(
        blur=random.uniform(1.8, 3.2) * (0.4 if moving else 1.0) if blurred else random.uniform(0, 0.55),
        motion=random.uniform(7, 13) if blurred and moving else 0.0,
        motion_angle=random.uniform(0, 180),
        noise=random.uniform(0.5, 2.0) * random.choice([1.0, 1.0, 2.5]),
        jpeg=int(random.integers(30, 85)) if random.random() < 0.35 else None,
        tint=(float(1 + tint), 1.0, float(1 - tint)),
        contrast=random.uniform(0.88, 1.1),
    )
