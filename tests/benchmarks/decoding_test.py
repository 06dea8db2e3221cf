"""The table of decoders."""

from benchmarks import decoding
from dsat_jax import decode


def test_the_table_has_a_line_for_each_decoder(network_path, tiny_dataset, capsys):
    options = ["--dataset=synthetic_faces/tiny", "--split=test[:2]", f"--data_dir={tiny_dataset}"]
    decoding.main([str(network_path), *options])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("`")[1] for line in lines[2:]] == list(decode.DECODERS)
    assert all(len(line.split("|")) == 5 for line in lines)
