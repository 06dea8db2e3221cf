"""The 29 landmarks of COFW: brows 0-7, eyes 8-15, pupils 16 and 17, nose 18-21, mouth 22-27, chin 28.

Left and right alternate: outer ends of the brows 0 1, inner ends 2 3; upper and lower edge of the left brow 4 5, of the
right brow 6 7; outer eye corners 8 9, inner 10 11; upper and lower lid of the left eye 12 13, of the right eye 14 15.
"""

from dsat_jax.schemes.scheme import Eyelids, Scheme, pairs

COFW_29 = Scheme(
    name="cofw_29",
    num_points=29,
    mirror_pairs=pairs("0-1 2-3 4-6 5-7 8-9 10-11 12-14 13-15 16-17 18-19 22-23"),
    boundaries=(
        (28,),
        (0, 4, 2),
        (3, 6, 1),
        (20,),
        (18, 21, 19),
        (8, 12, 10),
        (10, 13, 8),
        (11, 14, 9),
        (9, 15, 11),
        (22, 24, 23),
        (25,),
        (26,),
        (23, 27, 22),
    ),
    eye_corners=(8, 9),
    pupils=((16,), (17,)),
    lines=(
        (0, 4, 2, 5, 0),
        (3, 6, 1, 7, 3),
        (8, 12, 10, 13, 8),
        (11, 14, 9, 15, 11),
        (18, 20, 19, 21, 18),
        (22, 24, 23, 27, 22),
        (22, 25, 23, 26, 22),
    ),
    nose_tip=20,
    mouth_corners=(22, 23),
    chin=28,
    eyelids=(Eyelids((8, 10), pairs("12-13")), Eyelids((11, 9), pairs("14-15"))),
    same_in_w300=pairs("0-17 1-26 8-36 9-45 10-39 11-42 20-30 21-33")
    + pairs("22-48 23-54 24-51 25-62 26-66 27-57 28-8"),
)
