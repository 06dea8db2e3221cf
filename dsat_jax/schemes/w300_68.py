"""The 68 landmarks of 300W, of MERL-RAV and of the COFW-68 annotation."""

from dsat_jax.schemes.scheme import Eyelids, Scheme, contour_pairs, pairs, run

W300_68 = Scheme(
    name="w300_68",
    num_points=68,
    mirror_pairs=contour_pairs(16)
    + pairs("17-26 18-25 19-24 20-23 21-22 31-35 32-34 36-45 37-44 38-43 39-42 40-47 41-46")
    + pairs("48-54 49-53 50-52 55-59 56-58 60-64 61-63 65-67"),
    boundaries=(
        run(0, 16),
        run(17, 21),
        run(22, 26),
        run(27, 30),
        run(31, 35),
        run(36, 39),
        run(39, 41, 36),
        run(42, 45),
        run(45, 47, 42),
        run(48, 54),
        run(60, 64),
        run(64, 67, 60),
        run(54, 59, 48),
    ),
    eye_corners=(36, 45),
    pupils=(run(36, 41), run(42, 47)),
    lines=(
        run(0, 16),
        run(17, 21),
        run(22, 26),
        run(27, 30),
        run(31, 35),
        run(36, 41, 36),
        run(42, 47, 42),
        run(48, 59, 48),
        run(60, 67, 60),
    ),
    nose_tip=30,
    mouth_corners=(48, 54),
    chin=8,
    eyelids=(Eyelids((36, 39), pairs("37-41 38-40")), Eyelids((42, 45), pairs("43-47 44-46"))),
)
