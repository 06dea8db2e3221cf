"""A page in the browser: landmarks of photographs and of the webcam, and the maps of the networks for each face.

pip install '.[demo]'
python examples/demo.py --port=7860

The page works without the internet: the networks come with the package, and all fonts and scripts are local.

For a Space of Hugging Face, copy `dsat_jax/`, `examples/demo.py` and `examples/demo_results.py` into its repository,
and `examples/requirements-demo.txt` as `requirements.txt`. The README.md of the Space begins with:

---
title: Face landmarks
sdk: gradio
sdk_version: 6.31.0
python_version: "3.11"
app_file: examples/demo.py
---
"""

import argparse
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))  # root of the project, or of the Space

from dsat_jax.runtime import compilation_cache
from dsat_jax.weights import zoo
from examples import demo_results
from examples.demo_results import Analysis

if TYPE_CHECKING:
    import gradio as gr

_CACHE_SECONDS = 3600  # age at which Gradio deletes images and result files
_HEIGHT = 480  # of the images at the top of the page, in pixels
_FRAME_SECONDS = 0.1  # least time between two frames of the webcam
_TABLE_LABEL = "Faces from left to right; roll is positive clockwise, yaw to the right of the image, pitch up"
_GATE_ABOUT = (
    "Gate: each row is a face, each square a channel of the network; bright squares are open channels."
)
_BUTTONS = ["download", "fullscreen"]
# The processor is busy with one image: one event of the page runs at a time.
_ONE_AT_A_TIME = {"concurrency_limit": 1, "concurrency_id": "network"}
_ABOUT = """# Face landmarks
68 landmarks of each face in an image, by the shipped networks of `dsat_jax`. The first image after a start takes some
seconds longer, because the network is compiled. Both networks are for research only."""


def build_page() -> "gr.Blocks":
    """Returns the page."""
    import gradio as gr

    with gr.Blocks(title="Face landmarks", delete_cache=(_CACHE_SECONDS, _CACHE_SECONDS)) as page:
        gr.Markdown(_ABOUT)
        name = gr.Radio(list(zoo.PRETRAINED), value=zoo.DEFAULT, label="Network")
        with gr.Tab("Photograph"):
            _add_photograph(name)
        with gr.Tab("Live webcam"):
            _add_webcam(name)
    return page


def _add_photograph(name: "gr.Radio") -> None:
    """Adds the input of an image, the results of its faces, and their events."""
    import gradio as gr

    with gr.Row():
        photograph = gr.Image(
            label="Image",
            sources=["upload", "webcam", "clipboard"],
            webcam_options=gr.WebcamOptions(mirror=False),
            height=_HEIGHT,
        )
        # Gradio's own function raises its own error for a file that Pillow cannot read.
        photograph.preprocess = lambda payload: None if payload is None else payload.path
        drawn = gr.Image(
            label="Landmarks", height=_HEIGHT, buttons=_BUTTONS, interactive=False, format="jpeg"
        )
    message = gr.Markdown()
    with gr.Column(visible=False) as results:
        headers = ["face", *demo_results.COLUMNS]
        table = gr.Dataframe(headers=headers, label=_TABLE_LABEL, interactive=False)
        number = gr.Dropdown([], label="Face of the maps", visible=False)
        sheet = gr.Image(label="Maps of the face", buttons=_BUTTONS, interactive=False, format="png")
        with gr.Column(visible=False) as gate:
            gr.Markdown(_GATE_ABOUT)
            pathways = gr.Image(show_label=False, buttons=_BUTTONS, interactive=False)
        files = gr.File(label="Results of all faces", interactive=False)
    state = gr.State()

    def show(file: str | None, name: str) -> Iterator[dict[Any, Any]]:
        text, analysis = demo_results.analyse(file, name)
        if analysis is None:
            yield {message: text, drawn: None, state: None, results: gr.Column(visible=False)}
            return
        choices = [(f"face {each}", each) for each in range(len(analysis.faces))]
        gates = demo_results.draw_gate(analysis.faces)
        # Gradio copies the files before it resumes this function, which then deletes the folder.
        with tempfile.TemporaryDirectory() as folder:
            yield {
                message: text,
                drawn: demo_results.draw_faces(analysis.image, analysis.faces),
                state: analysis,
                results: gr.Column(visible=True),
                table: demo_results.table(analysis.faces),
                number: gr.Dropdown(choices, value=0, visible=len(choices) > 1),
                gate: gr.Column(visible=gates is not None),
                pathways: gates,
                files: demo_results.write_files(analysis, pathlib.Path(file), pathlib.Path(folder)),
            }

    def explain(analysis: Analysis | None, number: int | None) -> "gr.Image":
        if analysis is None:
            return gr.Image(None)
        maps, kind = demo_results.explain(analysis, number)
        return gr.Image(maps, label=f"{kind.capitalize()} of face {number}")

    changed = gr.on(
        [photograph.change, name.change],
        show,
        [photograph, name],
        [message, drawn, state, results, table, number, gate, pathways, files],
        trigger_mode="always_last",
        **_ONE_AT_A_TIME,
    )
    changed.then(explain, [state, number], sheet, **_ONE_AT_A_TIME)
    number.input(explain, [state, number], sheet, **_ONE_AT_A_TIME)


def _add_webcam(name: "gr.Radio") -> None:
    """Adds the webcam, its frames with landmarks, and the event of a frame."""
    import gradio as gr

    gr.Markdown("Allow the camera, then press Record. The network runs once on each face of a frame.")
    with gr.Row():
        camera = gr.Image(
            label="Webcam",
            sources=["webcam"],
            streaming=True,
            webcam_options=gr.WebcamOptions(mirror=False),
            height=_HEIGHT,
        )
        drawn = gr.Image(
            label="Landmarks", height=_HEIGHT, buttons=_BUTTONS, interactive=False, format="jpeg"
        )
    message = gr.Markdown()
    camera.stream(
        demo_results.draw_frame,
        [camera, name],
        [drawn, message],
        stream_every=_FRAME_SECONDS,
        show_progress="hidden",
        **_ONE_AT_A_TIME,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the page until it is interrupted; returns the exit code."""
    parser = argparse.ArgumentParser(description="Shows face landmarks in the browser.")
    parser.add_argument("--port", type=int, help="port of the page; default: the first free one from 7860")
    options = parser.parse_args(arguments)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    compilation_cache.keep()
    try:
        import gradio as gr

        fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
        build_page().launch(
            server_port=options.port,
            theme=gr.themes.Base(**fonts),
            footer_links=["api", "gradio", "settings"],
            show_error=True,
        )
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        return _refuse("the demo needs gradio, which is not installed: pip install '.[demo]'")
    except OSError as error:
        return _refuse(f"the page cannot be served: {str(error).partition('. ')[0]}")
    return 0


def _refuse(message: str) -> int:
    """Prints an error message in one line; returns the exit code."""
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
