"""From a configuration to landmarks, cell by cell: for an editor that supports `# %%` cells, or as a script.

python examples/quickstart.py                     a few minutes on 2 CPU cores
python examples/quickstart.py --steps=20          a short test
"""

# %% The configuration: configs/synthetic.py, whose dataset the project draws. Any field can be changed.
import argparse
import pathlib
import sys

sys.path.extend(  # the project's root, above this file; a notebook has no file, but a working directory
    str(folder)
    for folder in pathlib.Path(globals().get("__file__", "a cell")).resolve().parents
    if (folder / "dsat_jax").is_dir()
)

import jax
import jax.numpy as jnp
import numpy as np

import dsat_jax
from configs import synthetic
from dsat_jax import drawing, geometry, losses, models, schemes
from dsat_jax.data import datasets
from dsat_jax.evaluation import evaluate
from dsat_jax.export import exporter
from dsat_jax.training import loop
from tfds_builders.synthetic_faces.drawing import draw_face

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=600, help="training steps")
parser.add_argument("--dataset", default="synthetic_faces", help="synthetic_faces, or synthetic_faces/tiny")
parser.add_argument("--data_dir", help="folder of the built datasets; default: TFDS's")
parser.add_argument("--workdir", default="runs/quickstart", help="folder of the run")
arguments, _ = parser.parse_known_args()  # notebooks have other arguments as well

config = synthetic.get_config()
config.data.update(dataset=arguments.dataset, data_dir=arguments.data_dir)
config.train.update(steps=arguments.steps, evaluate_every=arguments.steps)
workdir = pathlib.Path(arguments.workdir)

# %% The dataset: drawn once, then read as records in random access. Points are (x, y) in pixels of their image.
datasets.build_if_generated(config)
faces = datasets.read_split(config, "test")
print(f"{len(faces)} test faces; the first has", {name: np.shape(value) for name, value in faces[0].items()})

# %% Train and evaluate. A second call continues from the newest checkpoint; report.html shows the results.
loop.train(config, workdir)
summaries = evaluate.evaluate_run(workdir)
print(f"NME {summaries['test']['nme']:.2f} %; open {workdir / 'report.html'}")

# %% Predict: an image and a box around the face; without a box a detector finds the faces.
predictor = dsat_jax.Predictor.from_run(workdir)
drawn = draw_face(seed=1, split=1, index=0)
[face] = predictor(drawn.image, boxes=[geometry.box_of_points(drawn.points)])
error = np.linalg.norm(face.landmarks - drawn.points, axis=-1).mean()
print(
    f"{len(face.landmarks)} landmarks, {error:.1f} px from the truth; {face.open_channels.sum()} open channels"
)

annotated = drawn.image.copy()
drawing.draw_landmarks(annotated, face.landmarks, predictor.scheme, drawing.PREDICTED)
drawing.write_image(workdir / "quickstart.jpg", annotated)

# %% Export: one file, which runs without the code of the network.
exporter.export_run(workdir, workdir / "network.export")
[same] = dsat_jax.load_exported(workdir / "network.export")(drawn.image, boxes=[face.box])
print(f"the export differs by {np.abs(same.landmarks - face.landmarks).max():.1e} px")

# %% The parts: a network is a Flax module, a loss is a function.
model = models.build_for(config)
images = jnp.zeros((1, config.input.size, config.input.size, 3))
variables = jax.jit(lambda key: model.init(key, images, train=False))(jax.random.key(0))
prediction = jax.jit(lambda variables: model.apply(variables, images, train=False))(variables)
print("heatmaps:", prediction.heatmaps.shape, "of landmarks and boundaries; gate:", prediction.gates.shape)

scheme = schemes.find(config.data.scheme)
print(f"{scheme.name}: {scheme.num_points} points, {len(scheme.boundaries)} boundaries")
print("smooth-Wing of 0, 1 and 10 pixels:", losses.smooth_wing(jnp.array([0.0, 1.0, 10.0])))
