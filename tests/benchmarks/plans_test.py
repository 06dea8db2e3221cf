"""Plans of many configurations: their table, and that each configuration compiles and fits where it is meant to run."""

import importlib.util

import pytest

from benchmarks import plans

COMPILERS = {"v5e:2x2": "libtpu", "h100": "jax_cuda13_plugin"}
SMALL = ("synthetic:tiny", "w300:small", "w300:lotr-small")


def test_every_variant_of_every_file_is_a_configuration():
    names = plans.all_configurations()
    assert {"synthetic:tiny", "w300:dsat", "w300:lotr-hr+", "wflw:lotr-hr+", "jd:lotr-m+"} <= set(names)
    assert len(names) == len(set(names))


def test_a_row_has_the_figures_of_the_training_step():
    training = {
        "images": 2_048,
        "memory_gib": {"needed": 3.25, "state": 0.5, "chip": 16.0},
        "flops_per_face": 12e9,
        "bytes_per_face": 3e9,
        "collectives": {"all-reduce": {"number": 7}, "all-gather": {"number": 2}},
        "roofline": {"bound": "memory", "images_per_second": 1234.5, "share_of_peak": 0.0456},
        "compile_seconds": 61.4,
    }
    results = {
        "topology": "v5e:4x4",
        "programs": {"training": training},
        "schedule": {"hours_at_best": 1.26},
    }
    assert plans.row("w300:dsat", results) == (
        "| `w300:dsat` | v5e:4x4 | 2,048 | 3.25 (0.50) | 12.00 | 3,000 | 4 | 9 | memory | 1,234 | 4.6 % | 1.3 | 61 |"
    )


def test_a_row_of_a_program_that_does_not_fit_says_so():
    training = {"images": 8, "memory_gib": {"chip": 16.0, "state": 2.7}, "compiler": "Ran out of memory"}
    results = {"topology": "v5e:2x2", "programs": {"training": training}, "schedule": {}}
    row = plans.row("w300:dsat", results)
    assert row.startswith("| `w300:dsat` | v5e:2x2 | 8 | more than 16 |")
    assert row.count("|") == len(plans.COLUMNS) + 1


def planned(configuration, topology, folder):
    if importlib.util.find_spec(COMPILERS[topology]) is None:
        pytest.skip(f"{COMPILERS[topology]}, the compiler for {topology}, is not installed")
    # The scheme of a custom dataset is part of it.
    fields = ["--config.data.scheme=w300_68"] if configuration.startswith("folder:") else []
    if configuration == "w300:dsat-released":  # its batch of 5 does not spread over 4 chips
        fields.append("--config.train.batch_size=8")
    results = plans.plan(configuration, topology, folder, fields)
    assert all(program["fits"] for program in results["programs"].values())


@pytest.mark.parametrize("topology", COMPILERS)
@pytest.mark.parametrize("configuration", SMALL)
def test_a_small_network_fits(configuration, topology, tmp_path):
    planned(configuration, topology, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("topology", COMPILERS)
@pytest.mark.parametrize("configuration", plans.all_configurations())
def test_every_configuration_fits(configuration, topology, tmp_path):
    planned(configuration, topology, tmp_path)
