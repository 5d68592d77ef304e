"""The trace's page of the encoder layer: how long it takes to build, what it weighs, how soon it answers a key.

    python tests/benchmarks/page.py [NAME] [--json]

Needs the extras `page` and `browser`, and chromium with its driver.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from selenium import webdriver

from minitransformer.learn.trace import page
from minitransformer.learn.trace.examples import record_example

# Milliseconds from the key to the end of the layout that it causes, for each step there is.
TIME_KEYS = """
const done = arguments[0], times = [];
const next = () => {
  if (times.length >= STEPS.length - 1) return done(times);
  const start = performance.now();
  document.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
  document.body.getBoundingClientRect();
  times.push(performance.now() - start);
  setTimeout(next);
};
next();
"""


def key_milliseconds(text: str) -> list[float]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_script_timeout(300)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "page.html"
        path.write_text(text, encoding="utf-8")
        driver.get(path.as_uri())
        times = driver.execute_async_script(TIME_KEYS)
        driver.quit()
    return times


def measure(name: str) -> dict[str, float]:
    start = time.perf_counter()
    recording = record_example(name)
    recorded = time.perf_counter()
    text = page.build(recording)
    built = time.perf_counter()
    keys = key_milliseconds(text)
    return {
        "steps": len(recording.trace.steps),
        "record s": recorded - start,
        "build s": built - recorded,
        "KiB": len(text.encode()) / 1024,
        "key ms, median": statistics.median(keys),
        "key ms, worst": max(keys),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="post_norm_encoder_layer")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure(arguments.name)
    print(json.dumps(result, indent=2) if arguments.json else "   ".join(f"{k} {v:.4g}" for k, v in result.items()))


if __name__ == "__main__":
    main()
