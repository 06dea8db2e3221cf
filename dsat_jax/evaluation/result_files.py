"""Names of the files and columns that an evaluation and a comparison write.

`dsat_jax.drawing.SAMPLES_FILE` is the one other file of an evaluation; a training writes it too.
"""

METRICS_FILE = "metrics.json"
FACES_FILE = "faces.csv"
REPORT_FILE = "report.html"
CED_FILE = "ced.png"
COMPARISON_TABLE_FILE = "comparison.tsv"
COMPARISON_PLOT_FILE = "comparison.png"
COMPARISON_REPORT_FILE = "comparison.html"

# The first columns of FACES_FILE; they identify a face. The column of its NME follows.
FACE_COLUMNS = ("split", "record", "name")


def nme_column(normaliser: str) -> str:
    """Returns the column of FACES_FILE that holds the NME in percent.

    Args:
      normaliser: key of `metrics.NORMALISERS`.
    """
    return f"nme_{normaliser}_percent"
