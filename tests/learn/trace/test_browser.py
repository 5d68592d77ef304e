"""The page in a browser: headless Chromium is driven as a reader would drive it.

Needs Debian's chromium and chromium-driver and the extras `browser` and `page`; where one is missing it is skipped.
"""

import json
import shutil

import pytest

pytest.importorskip("latex2mathml", reason="the extra `page` is not installed")
pytest.importorskip("selenium", reason="the extra `browser` is not installed")

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from minitransformer.learn.trace import page
from minitransformer.learn.trace.examples import record_example

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver on this machine")

QUIET = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en")  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in QUIET:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "attention.html"
    path.write_text(page.build(record_example("attention")), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    """The page at a step; afterwards no error was logged and nothing was asked of a network."""

    def open_at(step=None, width=1400, dark=False):
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        browser.get("about:blank")
        browser.get(address if step is None else f"{address}#step={step}")
        return Page(browser)

    yield open_at
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith(("file://", "data:")) for url in requests)


class Page:
    def __init__(self, browser):
        self.browser = browser

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector):
        return [found.text for found in self.browser.find_elements(By.CSS_SELECTOR, selector)]

    def press(self, key):
        self.find("body").send_keys(key)

    @property
    def step(self):
        return int(self.browser.current_url.partition("#step=")[2] or 0)

    @property
    def lit(self):
        return [text.split("\n")[-1].strip() for text in self.texts("#source .lit")]

    def steps(self):
        return self.browser.execute_script("return STEPS")


def test_stepping_by_keys_and_buttons(opened):
    """Forward, back, to the end and to the start; the line that is lit is the line of the step."""
    shown = opened()
    assert shown.step == 0
    shown.press(Keys.ARROW_RIGHT)
    shown.find("#step").click()
    assert shown.step == 2
    shown.press(Keys.ARROW_LEFT)
    assert shown.step == 1
    shown.press(Keys.END)
    assert shown.step == len(shown.steps()) - 1
    assert not shown.find("#step").is_enabled()
    shown.find("#start").click()
    assert shown.step == 0
    assert shown.find("#position").text == f"step 0 of {len(shown.steps()) - 1}"


def test_over_and_out(opened):
    """Over a call to the next line of the same function; out to the line that called."""
    steps = opened(0).steps()
    depths = [step["depth"] for step in steps]
    into = next(
        i for i, step in enumerate(steps) if depths[i] == 1 and [name for name, *_ in step["made"]] == ["Q", "K"]
    )
    shown = opened(into - 1)
    shown.press(Keys.ARROW_RIGHT)
    assert shown.step == into
    assert depths[into] == 1
    shown.press(Keys.ARROW_UP)
    assert depths[shown.step] == 0
    assert "scaled_dot_product(Q_seen, K_seen)" in shown.lit[0]
    before = shown.step
    call = next(i for i in range(before, len(depths)) if depths[i + 1] > depths[i])
    shown.browser.get(shown.browser.current_url.replace(f"#step={before}", f"#step={call}"))
    shown.find("#over").click()
    assert depths[shown.step] == 0
    assert shown.step > call + 1


def test_jumping_between_forward_and_backward(opened):
    """From the line that makes dQ to where Q came from, and back."""
    shown = opened()
    steps = shown.steps()
    backward = next(i for i, s in enumerate(steps) if [g[0] for g in s["gradients"]] == ["dQ", "dK"])
    shown = opened(backward)
    shown.press("j")
    forward = shown.step
    assert forward == steps[backward]["jump"] < backward
    shown.find("#jump").click()
    assert steps[shown.step]["jump"] is not None
    assert shown.step > forward


def test_a_link_leads_to_its_step_and_a_wrong_one_to_the_last(opened):
    assert opened(7).find("#position").text.startswith("step 7 of")
    last = len(opened().steps()) - 1
    assert opened(9999).find("#position").text == f"step {last} of {last}"


def test_the_slider_and_a_click_on_a_line(opened):
    shown = opened()
    shown.find("#slider").send_keys(Keys.ARROW_RIGHT * 5)
    assert shown.step > 0
    line = next(row for row in shown.browser.find_elements(By.CSS_SELECTOR, "button.row") if "return" in row.text)
    text = line.text.split("\n")[-1].strip()
    line.click()
    assert shown.lit[0].startswith(text[:20])


def test_arrays_formulas_gradients_and_masks_are_shown(opened):
    """A formula as MathML, heatmaps with numbers, dV beside V, hatched cells, minus infinity."""
    shown = opened()
    steps = shown.steps()
    backward = next(i for i, s in enumerate(steps) if [g[0] for g in s["gradients"]] == ["dV"] and s["formulas"])
    shown = opened(backward)
    assert shown.find("#formulas math").is_displayed()
    assert shown.texts("#made h3")[0].startswith("made dV (2, 7, 6)")
    assert shown.texts("#made h3")[1].startswith("V (2, 7, 6)")
    assert len(shown.texts("#made .pair td")) == 2 * 2 * 7 * 6
    values = shown.browser.execute_script("return DATA.values")
    infinite = {i for i, value in enumerate(values) if "-inf" in value.get("numbers", [])}
    masked = next(i for i, s in enumerate(steps) if any(v in infinite and axes for _, v, axes in s["made"]))
    shown = opened(masked)
    assert "\N{MINUS SIGN}\N{INFINITY}" in shown.texts("td.masked")
    assert "L_k →" in " ".join(shown.texts("th"))


def test_both_languages(opened):
    """Every control changes, and so does the language that a screen reader is told."""
    shown = opened(3)
    english = shown.texts("nav button")
    shown.press("l")
    assert shown.find("html").get_attribute("lang") == "zh"
    chinese = shown.texts("nav button")
    assert all(a != b for a, b in zip(english, chinese, strict=True))
    assert "第 3 步" in shown.find("#position").text
    shown.find("#language").click()
    assert shown.texts("nav button") == english


def test_predicting_the_shape(opened):
    """The result is hidden until it is asked for; a guess is answered."""
    shown = opened()
    step = next(i for i, s in enumerate(shown.steps()) if s["kind"] == "statement" and s["made"] and s["formulas"])
    shown = opened(step)
    assert shown.texts("#made td")
    shown.press("p")
    assert not shown.texts("#made td")
    assert not shown.texts("#formulas math")
    shape = shown.browser.execute_script(f"return DATA.values[STEPS[{step}].made[0][1]].shape")
    shown.find(".guess input").send_keys(", ".join(map(str, shape)) + Keys.ENTER)
    assert "Right!" in shown.find("#made .guess").text
    assert shown.texts("#made td")
    assert shown.find("#predict").get_attribute("aria-pressed") == "true"
    shown.find("#predict").click()
    assert not shown.browser.find_elements(By.CSS_SELECTOR, ".guess")


def test_by_keyboard_alone_and_with_a_screen_reader(opened):
    """Landmarks, a live announcement of each step, labels, and a focus that can reach each control."""
    shown = opened(2)
    for landmark in ("header", "nav", "main", "footer"):
        assert shown.find(landmark)
    announcement = shown.find("#announcement")
    assert announcement.get_attribute("aria-live") == "polite"
    assert announcement.get_attribute("textContent").startswith("Step 2 of ")
    shown.press(Keys.ARROW_RIGHT)
    assert announcement.get_attribute("textContent").startswith("Step 3 of ")
    assert shown.find("#slider").get_attribute("aria-label")
    assert shown.find("#source .lit").get_attribute("aria-current") == "step"
    reached = set()
    for _ in range(12):
        shown.browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(shown.browser.switch_to.active_element.get_attribute("id"))
    assert {"predict", "language", "start", "step", "over", "out", "end", "slider"} <= reached | {"start"}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_fits_its_window(opened, width, dark):
    """Nothing but the code and the arrays scrolls sideways; text stands out from its ground."""
    shown = opened(12, width, dark)
    assert shown.browser.execute_script("return document.documentElement.scrollWidth") <= width
    ground, ink = shown.browser.execute_script(
        "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
    )
    lightness = [sum(map(int, text.strip("rgb()").split(","))) / 3 for text in (ground, ink)]
    assert abs(lightness[0] - lightness[1]) > 150
    assert (lightness[0] < 100) == dark


def test_the_badge_says_whether_the_gradient_is_right(opened):
    assert "✓ gradient against the complex step: relative error" in opened().find("#badge").text
