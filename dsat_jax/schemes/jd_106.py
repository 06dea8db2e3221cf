"""The 106 landmarks of JD-landmark and of LaPa.

Jaw 0-32, brows 33-41 and 42-50, nose bridge 51-54, nose 55-65 (down the left side to the wing 57, along its lower
edge 58-62, up the right side from the wing 63), eyes 66-73 and 75-82, their centres 74 and 83, outer lip 84-95, inner
lip 96-103, pupils 104 and 105.
"""

from dsat_jax.schemes.scheme import Eyelids, Scheme, contour_pairs, pairs, run

JD_106 = Scheme(
    name="jd_106",
    num_points=106,
    mirror_pairs=contour_pairs(32)
    + pairs("33-46 34-45 35-44 36-43 37-42 38-50 39-49 40-48 41-47 55-65 56-64 57-63 58-62 59-61")
    + pairs("66-79 67-78 68-77 69-76 70-75 71-82 72-81 73-80 74-83")
    + pairs("84-90 85-89 86-88 91-95 92-94 96-100 97-99 101-103 104-105"),
    boundaries=(
        run(0, 32),
        run(33, 37),
        run(42, 46),
        run(51, 54),
        run(58, 62),
        run(66, 70),
        run(70, 73, 66),
        run(75, 79),
        run(79, 82, 75),
        run(84, 90),
        run(96, 100),
        run(100, 103, 96),
        run(90, 95, 84),
    ),
    eye_corners=(66, 79),
    pupils=((104,), (105,)),
    lines=(
        run(0, 32),
        run(33, 41, 33),
        run(42, 50, 42),
        run(51, 54),
        run(55, 65),
        run(66, 73, 66),
        run(75, 82, 75),
        run(84, 95, 84),
        run(96, 103, 96),
    ),
    nose_tip=54,
    mouth_corners=(84, 90),
    chin=16,
    eyelids=(Eyelids((66, 70), pairs("67-73 68-72 69-71")), Eyelids((75, 79), pairs("76-82 77-81 78-80"))),
    same_in_w300=pairs("16-8 33-17 46-26 54-30 60-33 66-36 70-39 75-42 79-45")
    + pairs("84-48 87-51 90-54 93-57 96-60 98-62 100-64 102-66"),
)
