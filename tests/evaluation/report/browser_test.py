"""The report in a browser without a network."""

import pathlib
from collections.abc import Iterator

import pytest
from made_evaluation import made_evaluation

from dsat_jax.evaluation import report
from dsat_jax.evaluation.result_files import REPORT_FILE
from examples.pictures import CHROMIUM

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright drives the browser; it is not installed"
)

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed (Debian: apt install chromium)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("report")
    report.write(made_evaluation(overlapping=True), folder)
    return folder / REPORT_FILE


class Opened:
    """The report in a new page, which collects errors and requests."""

    def __init__(self, browser: "playwright.Browser", path: pathlib.Path, **context: object):
        self.context = browser.new_context(offline=True, **context)
        self.page = self.context.new_page()
        self.errors, self.requests = [], []
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())


@pytest.fixture
def opened(browser, written, request) -> Iterator[Opened]:
    context = getattr(request, "param", {"viewport": {"width": 1200, "height": 900}})
    opened = Opened(browser, written, **context)
    yield opened
    opened.context.close()
    assert opened.errors == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [written.as_uri()]


def test_the_table_of_subsets_has_the_summaries(opened):
    evaluation = made_evaluation(overlapping=True)
    rows = opened.page.locator("#subsets-table tr").all()
    cells = [row.locator("th, td").all_inner_texts() for row in rows]
    assert cells[0] == ["subset", "faces", "NME", "FR@8", "AUC@8"]
    assert [row[0] for row in cells[1:]] == list(evaluation.summaries)
    expected = evaluation.summaries["test"]
    assert cells[1] == ["test", "40", *(f"{expected[name]:.2f}" for name in ("nme", "fr", "auc"))]
    assert "inter-ocular" in opened.page.locator("#accuracy").inner_text()


def test_the_table_is_copied_with_tabs(browser, written):
    opened = Opened(browser, written, permissions=["clipboard-read", "clipboard-write"])
    opened.page.get_by_role("button", name="Copy tab-separated").click()
    opened.page.get_by_role("button", name="Copied").wait_for(timeout=3000)
    copied = opened.page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines()[0].startswith("subset\tfaces\tNME (inter-ocular, %)")
    assert opened.errors == []
    opened.context.close()


def test_all_images_are_shown_and_predictions_can_be_hidden(opened):
    widths = opened.page.locator(".picture img").evaluate_all("images => images.map(i => i.naturalWidth)")
    assert widths == [256] * 24
    prediction = opened.page.locator(".prediction").first
    assert prediction.is_visible()
    opened.page.get_by_label("prediction", exact=True).uncheck()
    assert not prediction.is_visible()
    assert opened.page.locator(".truth").first.is_visible()


PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "device_scale_factor": 2}


@pytest.mark.parametrize("opened", [PHONE | {"color_scheme": "dark"}, PHONE], indirect=True)
def test_the_page_is_not_wider_than_a_phone(opened):
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize(
    ("opened", "dark"),
    [({"color_scheme": "light"}, False), ({"color_scheme": "dark"}, True)],
    indirect=["opened"],
)
def test_light_and_dark(opened, dark):
    colour = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")) / 3
    assert (brightness < 60) == dark
