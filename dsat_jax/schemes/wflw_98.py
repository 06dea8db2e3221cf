"""The 98 landmarks of WFLW."""

from dsat_jax.schemes.scheme import Eyelids, Scheme, contour_pairs, pairs, run

WFLW_98 = Scheme(
    name="wflw_98",
    num_points=98,
    mirror_pairs=contour_pairs(32)
    + pairs("33-46 34-45 35-44 36-43 37-42 38-50 39-49 40-48 41-47 55-59 56-58")
    + pairs("60-72 61-71 62-70 63-69 64-68 65-75 66-74 67-73")
    + pairs("76-82 77-81 78-80 83-87 84-86 88-92 89-91 93-95 96-97"),
    boundaries=(
        run(0, 32),
        run(33, 37),
        run(42, 46),
        run(51, 54),
        run(55, 59),
        run(60, 64),
        run(64, 67, 60),
        run(68, 72),
        run(72, 75, 68),
        run(76, 82),
        run(88, 92),
        run(92, 95, 88),
        run(82, 87, 76),
    ),
    eye_corners=(60, 72),
    pupils=((96,), (97,)),
    lines=(
        run(0, 32),
        run(33, 41, 33),
        run(42, 50, 42),
        run(51, 54),
        run(55, 59),
        run(60, 67, 60),
        run(68, 75, 68),
        run(76, 87, 76),
        run(88, 95, 88),
    ),
    nose_tip=54,
    mouth_corners=(76, 82),
    chin=16,
    eyelids=(Eyelids((60, 64), pairs("61-67 62-66 63-65")), Eyelids((68, 72), pairs("69-75 70-74 71-73"))),
    same_in_w300=pairs("16-8 33-17 46-26 54-30 57-33 60-36 64-39 68-42 72-45")
    + pairs("76-48 79-51 82-54 85-57 88-60 90-62 92-64 94-66"),
)
