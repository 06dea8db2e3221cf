"""NME of a trained DSAT with each decoder, with and without mirror averaging, on a split.

python -m benchmarks.decoding runs/w300-small --dataset=w300 --split='train[95%:]'
"""

from collections.abc import Sequence

from benchmarks import network_on_split
from dsat_jax import decode, metrics
from dsat_jax.evaluation import evaluate
from dsat_jax.inference.forward import jit_forward


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = network_on_split.parser(__doc__)
    network, records = network_on_split.load(parser, parser.parse_args(arguments))
    config = network.config
    print("| NME % | mirror averaging | without |", "|---|---|---|", sep="\n")
    for decoder in decode.DECODERS:
        nmes = []
        for mirror in (True, False):
            config.evaluate.update(decoder=decoder, mirror=mirror)
            forward = jit_forward(network.model, config, network.mesh)
            result = evaluate.evaluate_split(forward, network.variables, config, records, network.mesh)
            nmes.append(f"{metrics.summary(result.nme, config.evaluate.threshold)['nme']:.2f}")
        print(f"| `{decoder}` |", " | ".join(nmes), "|", flush=True)


if __name__ == "__main__":
    main()
