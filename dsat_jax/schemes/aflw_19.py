"""The 19 landmarks of AFLW-19: the 21 landmarks of AFLW without those of the ears.

Brows 0-2 and 3-5, eyes 6-8 and 9-11 (corner, centre, corner), nose 12-14 with its tip 13, mouth 15-17
with its centre 16, chin 18.
"""

from dsat_jax.schemes.scheme import Scheme, pairs, run

AFLW_19 = Scheme(
    name="aflw_19",
    num_points=19,
    mirror_pairs=pairs("0-5 1-4 2-3 6-11 7-10 8-9 12-14 15-17"),
    boundaries=(
        (18,),
        run(0, 2),
        run(3, 5),
        (13,),
        (12, 14),
        # One row of landmarks stands for both lids of an eye, and one for all four edges of the lips.
        run(6, 8),
        run(6, 8),
        run(9, 11),
        run(9, 11),
        run(15, 17),
        run(15, 17),
        run(15, 17),
        run(15, 17),
    ),
    eye_corners=(6, 11),
    pupils=((7,), (10,)),
    lines=(
        run(0, 2),
        run(3, 5),
        run(6, 8),
        run(9, 11),
        run(12, 14),
        run(15, 17),
    ),
    nose_tip=13,
    mouth_corners=(15, 17),
    chin=18,
    same_in_w300=pairs("6-36 8-39 9-42 11-45 13-30 15-48 17-54 18-8"),
)
