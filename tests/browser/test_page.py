"""The report opened in headless Chromium, as a reader would."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from anomark.stages.report import report
from anomark.suite.dropins import ROOT
from tests.report_fixture import write_evaluation

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium")
#: Fetched by `make browser`; the project doesn't carry it.
AXE = ROOT / ".venv/axe-core/package/axe.min.js"
if CHROMIUM is None:
    pytest.skip("needs the program chromium, which is not on the PATH", allow_module_level=True)
pytest.importorskip("playwright", reason="needs the package playwright")
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright  # noqa: E402


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("page")
    suite, evaluation = write_evaluation(root, ("mvtec-bottle", "mvtec-metal_nut", "ucr-ECG200", "series"))
    return report(suite, evaluation, root / "report", root).as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page at 1280 px; whatever it logs or asks for fails the test that opened it."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith((address, "data:")) else messages.append(r.url))
    page.goto(address)
    yield page
    page.close()
    assert messages == []


def column(page: Page, header: str) -> list[float | None]:
    """Sort keys of a leaderboard column from top to bottom, None for a word."""
    return page.evaluate(
        """header => {
            const table = document.querySelector("#leaderboard");
            const index = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent.trim() === header);
            return [...table.tBodies[0].rows].map(row => row.cells[index].dataset.sort ?? null)
                                             .map(value => value === null ? null : Number(value));
        }""",
        header,
    )


def test_tables_and_pictures_are_there(page: Page) -> None:
    for name in ("table1", "table2", "table3", "leaderboard"):
        assert page.locator(f"#{name}").is_visible()
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    figures = page.locator("figure")
    # An overview of each modality; AUROC, curves and training of each dataset; a gallery, or a signal and its
    # scalogram; what belongs to no dataset.
    assert page.locator("#verdict figure").count() == 2
    assert page.locator("#datasets figure").count() == 4 * 3 + 2 + 2 * 2
    assert page.locator("#settings figure").count() == 1
    sizes = page.evaluate(
        "[...document.querySelectorAll('figure svg, figure img')].map(e => e.getBoundingClientRect())"
        ".map(box => Math.min(box.width, box.height))"
    )
    assert len(sizes) == figures.count()
    assert min(sizes) > 50


def test_every_picture_says_what_it_shows(page: Page) -> None:
    texts = page.evaluate(
        "[...document.querySelectorAll('figure svg, figure img')].map(e => e.getAttribute('aria-label') ?? e.alt)"
    )
    assert all(len(text) > 20 for text in texts)


def test_header_sorts_both_ways_with_the_keyboard_and_words_stay_last(page: Page) -> None:
    button = page.locator("#leaderboard thead button", has_text="AUROC").first
    button.focus()
    for sign, name in ((-1, "descending"), (1, "ascending")):
        page.keyboard.press("Enter")
        values = column(page, "AUROC")
        numbers = [value for value in values if value is not None]
        assert numbers == sorted(numbers, key=lambda value: sign * value)
        assert values[len(numbers) :] == [None] * (len(values) - len(numbers))
        assert len(numbers) < len(values)
        assert page.locator("#leaderboard th[aria-sort]").get_attribute("aria-sort") == name


def test_mean_row_stays_below(page: Page) -> None:
    page.locator("#table2 thead button", has_text="Ours").click()
    assert "Mean" in page.locator("#table2 tbody tr").last.inner_text()


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (360, 740)])
def test_the_first_screen_is_the_verdict_and_a_picture_for_each_modality(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    for element in (page.locator("#verdict .lead"), *page.locator("#verdict figure svg").all()):
        box = element.bounding_box()
        assert box is not None and box["y"] > 0 and box["y"] + box["height"] <= height
    letters = page.evaluate(
        "[...document.querySelectorAll('#verdict svg text')].map(text => text.getBoundingClientRect().height)"
    )
    assert min(letters) > 10, "readable without zooming in"


def test_a_long_table_shows_its_first_rows_until_it_is_asked_for_all(page: Page) -> None:
    rows, opener = page.locator("#leaderboard tbody tr:visible"), page.locator(".block:has(#leaderboard) summary")
    expect(rows).to_have_count(10)
    opener.click()
    expect(rows).to_have_count(48)
    opener.click()
    page.emulate_media(media="print")
    expect(rows).to_have_count(48)


def test_long_tables_open_without_scripts(browser: Browser, address: str) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    rows = page.locator("#leaderboard tbody tr:visible")
    expect(rows).to_have_count(10)
    page.locator(".block:has(#leaderboard) summary").click()
    expect(rows).to_have_count(48)
    page.close()


def test_filter_shows_one_modality_one_dataset_one_method(page: Page) -> None:
    page.select_option("select[name=modality]", "series")
    expect(page.locator("#table1 tbody tr:visible")).to_have_count(0)
    expect(page.locator("#table2 tbody tr:visible")).to_have_count(3)
    expect(page.locator("#datasets article:visible")).to_have_count(2)
    page.select_option("select[name=dataset]", "ucr-ECG200")
    page.select_option("select[name=method]", "wavediff")
    expect(page.locator("#leaderboard tbody tr:visible")).to_have_count(1)
    expect(page.locator("#filter output")).to_contain_text(re.compile(r"^\d+ of \d+ table rows$"))
    page.locator("#filter button").click()
    expect(page.locator("#leaderboard tbody tr:visible")).to_have_count(10)
    expect(page.locator("#filter output")).to_be_empty()
    expect(page.locator("#datasets article:visible")).to_have_count(4)


@pytest.mark.parametrize("width", [360, 390, 1440])
def test_page_never_scrolls_sideways(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    live_series(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    page.select_option("select[name=modality]", "image")
    expect(page.locator("#datasets article:visible")).to_have_count(2)


def live_series(page: Page) -> Locator:
    """Scroll to the series and wait for its plot."""
    figure = page.locator("article[data-dataset=series] figure:has(.plot)")
    figure.scroll_into_view_if_needed()
    expect(figure.locator("canvas").first).to_be_visible(timeout=60_000)
    return figure


def shown_steps(page: Page) -> float:
    """Width of the x axis that the tracks share."""
    return page.evaluate(
        """() => {
            const range = [...Bokeh.documents[0].roots()[0].references()].find(model => model.type === "Range1d");
            return range.end - range.start;
        }"""
    )


def test_series_is_hovered_and_zoomed_and_stays_a_picture_on_paper(page: Page) -> None:
    figure = live_series(page)
    expect(figure.locator("> .scroll")).to_be_hidden()
    plots = figure.locator(".bk-Figure")
    assert plots.count() == 6  # the series and five scores
    box = plots.nth(1).bounding_box()
    assert box is not None
    y = box["y"] + 0.6 * box["height"]
    page.mouse.move(box["x"] + 0.5 * box["width"], y)
    expect(page.locator(".bk-Tooltip", has_text="step").first).to_be_visible()
    before = shown_steps(page)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], y, steps=4)
    page.mouse.up()
    assert 0 < shown_steps(page) < 0.5 * before
    page.emulate_media(media="print")
    expect(figure.locator(".plot")).to_be_hidden()
    expect(figure.locator("> .scroll svg, > .scroll img").first).to_be_visible()


def test_ink_follows_the_colour_scheme(page: Page) -> None:
    def colours() -> list[str]:
        return page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(document.querySelector('figure.half svg text')).fill]"
        )

    page.emulate_media(color_scheme="light")
    light = colours()
    page.emulate_media(color_scheme="dark")
    dark = colours()
    assert light[0] == light[2]
    assert dark[0] == dark[2]
    assert all(a != b for a, b in zip(light, dark, strict=True))
    live_series(page)
    page.wait_for_function("ink => models().find(m => m.type === 'Title').text_color === ink", arg=dark[0])
    page.emulate_media(color_scheme="light")
    page.wait_for_function("ink => models().find(m => m.type === 'Title').text_color === ink", arg=light[0])


def test_prints(page: Page, tmp_path: Path) -> None:
    page.emulate_media(media="print")
    assert not page.locator("#filter").is_visible()
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 50_000


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core, which `make browser` fetches")
@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(page: Page, scheme: Literal["light", "dark"], width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    live_series(page)
    page.add_script_tag(content=AXE.read_text())
    found = page.evaluate(
        "async () => (await axe.run()).violations.map(v => [v.id, v.nodes.map(n => n.target + n.failureSummary)])"
    )
    assert found == []
