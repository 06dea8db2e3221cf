"""ONNX: the same landmarks in another runtime, and the message about a missing converter."""

import functools
import importlib.util
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_runs import RUNS, SIZE, begin_run, random_like, tiny_config
from ml_collections import ConfigDict

from dsat_jax import decode, models, schemes
from dsat_jax.export import exporter, onnx_export
from dsat_jax.inference.export_archive import Settings
from dsat_jax.inference.forward import make_forward
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.models.lotr import LOTR
from dsat_jax.schemes import AFLW_19

MISSING = [name for name in ("jax2onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
needs_onnx = pytest.mark.skipif(
    bool(MISSING), reason=f"ONNX is optional, and not installed: {', '.join(MISSING)}"
)


@needs_onnx
@pytest.mark.filterwarnings("ignore")  # warnings of the converter and the runtime
@pytest.mark.parametrize("name", ["learned", "released", "lotr-tiny"])
def test_an_onnx_runtime_finds_the_same_landmarks(name):
    """Points and confidence to 1e-4, for batches of any size."""
    import onnxruntime

    config: ConfigDict = tiny_config(name)
    # Random heatmaps have no peaks, which log_quadratic needs; the next test covers it.
    config.evaluate.decoder = "soft_argmax"
    model, scheme = models.build_for(config), schemes.find(config.data.scheme)
    crops = np.random.default_rng(1).integers(0, 256, (3, SIZE, SIZE, 3)).astype(np.uint8)
    init = functools.partial(model.init, train=False)
    variables = random_like(jax.eval_shape(init, jax.random.key(0), jnp.zeros(crops.shape)))
    forward = make_forward(model, config, scheme, config.evaluate.mirror)
    settings = Settings(SIZE, 0.125, scheme, jax.__version__)
    session = onnxruntime.InferenceSession(
        onnx_export.convert(forward, variables, settings, {"size": str(SIZE)}),
        providers=["CPUExecutionProvider"],
    )
    expected = jax.jit(forward)(variables, crops)
    names = [output.name for output in session.get_outputs()]
    assert names == (["points"] if isinstance(model, LOTR) else ["confidence", "gates", "points"])
    for count in (3, 1):
        results = session.run(names, {"images": crops[:count]})
        for output, values in zip(names, results, strict=True):
            np.testing.assert_allclose(values, getattr(expected, output)[:count], rtol=1e-4, atol=1e-4)
    metadata = session.get_modelmeta().custom_metadata_map
    assert set(metadata) == {"size", "input images", *(f"output {name}" for name in names)}
    assert metadata["size"] == str(SIZE)


@needs_onnx
@pytest.mark.filterwarnings("ignore")
def test_an_onnx_runtime_fits_peaks_to_a_fraction_of_a_pixel():
    """The decoder log_quadratic on Gaussians that are shifted by the brightness of the image."""
    import onnxruntime

    centres = np.random.default_rng(0).uniform(6, 20, (AFLW_19.num_points, 2)).astype(np.float32)

    def forward(variables: Mapping, images: jax.Array) -> Landmarks:
        shift = images.astype(jnp.float32).mean(axis=(1, 2, 3)) / 100
        x, y = jnp.moveaxis(variables["centres"] + shift[:, None, None], -1, 0)[:, :, None, None]
        rows, columns = jnp.arange(SIZE)[:, None, None], jnp.arange(SIZE)[:, None]
        heatmaps = jnp.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
        return Landmarks(decode.log_quadratic(heatmaps), None, None)

    settings = Settings(SIZE, 0.125, AFLW_19, jax.__version__)
    session = onnxruntime.InferenceSession(
        onnx_export.convert(forward, {"centres": centres}, settings, {}), providers=["CPUExecutionProvider"]
    )
    brightness = np.array([0, 70, 200], np.uint8)
    images = np.broadcast_to(brightness[:, None, None, None], (3, SIZE, SIZE, 3))
    (points,) = session.run(["points"], {"images": np.ascontiguousarray(images)})
    np.testing.assert_allclose(points, centres + brightness[:, None, None] / 100, atol=1e-3)
    np.testing.assert_allclose(points, forward({"centres": centres}, jnp.asarray(images)).points, atol=1e-4)


class Groups:
    """The groups of a scan's arguments as jax 0.11 and newer describe them."""

    def __init__(self, *sizes: int):
        self._sizes = sizes

    def unpack(self) -> list[list[None]]:
        return [[None] * size for size in self._sizes]


@pytest.mark.parametrize("names", ["jax 0.10", "jax 0.11"])
def test_a_loop_is_unrolled_whatever_the_names_of_its_parameters(names):
    """The sum over i of factor * sequence[i] ** 2, beside a product."""

    def loop(factor, total, product, sequence):
        def body(carry, value):
            return (carry[0] + factor * value**2, carry[1] * value), None

        return jax.lax.scan(body, (total, product), sequence)[0]

    arguments = [jnp.float32(3), jnp.float32(100), jnp.float32(1), jnp.array([1.0, 2.0, 4.0])]
    traced = jax.make_jaxpr(loop)(*arguments)
    (scan,) = [equation for equation in traced.jaxpr.eqns if equation.primitive.name == "scan"]
    inputs = [dict(zip(traced.jaxpr.invars, arguments, strict=True))[variable] for variable in scan.invars]
    counts = {"num_consts": 1, "num_carry": 2} if names == "jax 0.10" else {"ft_in": Groups(1, 2, 1)}
    parameters = {name: scan.params[name] for name in ("jaxpr", "reverse", "length")} | counts
    assert [float(value) for value in onnx_export._scan(inputs, parameters)] == [163, 8]


def test_the_suffix_onnx_selects_the_format(onnx_file):
    import onnx

    onnx.checker.check_model(str(onnx_file))
    metadata = {entry.key: entry.value for entry in onnx.load(onnx_file).metadata_props}
    assert (metadata["size"], metadata["scheme"], metadata["mirror"]) == (str(SIZE), "wflw_98", "true")
    assert metadata["output points"].startswith("float32 [batch, 98, 2]")


@pytest.mark.skipif("jax2onnx" not in MISSING, reason="the converter is installed")
def test_without_the_converter_the_message_names_it(tmp_path):
    begin_run(tmp_path, tiny_config(next(iter(RUNS))))
    with pytest.raises(ValueError, match=r"which is not installed: pip install 'dsat_jax\[onnx\]'"):
        exporter.export_run(tmp_path, tmp_path / "run.onnx")
    assert not (tmp_path / "run.onnx").exists()
