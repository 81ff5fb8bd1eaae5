"""The page in a real browser."""

import base64
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from twofold.serving.app import Broken, make_app
from twofold.serving.serve import LOCAL, _listen

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
uvicorn = pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine")

MODELS = ("cvae", "vae", "draw", "classifier", "cgan", "completion")
PIXELS = """canvas => {
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return [canvas.width, ...data.filter((_, i) => i % 4 === 0)];
}"""


@pytest.fixture(scope="module")
def address(served) -> Iterator[str]:
    """A server of toy models, the last of which cannot be opened."""
    models = [*map(served, MODELS), Broken("lost", "lost is damaged")]
    listening = _listen("127.0.0.1", 0)
    config = uvicorn.Config(make_app(models, LOCAL), log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server.should_exit = True
    thread.join(20)
    listening.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        one = running.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield one
        one.close()


@pytest.fixture
def visit(browser, address) -> Iterator[Callable[..., Any]]:
    """Opens the page at a state; whatever it complains of, or asks of others, is a failure."""
    contexts, complaints = [], []

    def go(state: str, width: int = 1100, scheme: Any = "light") -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, has_touch=width < 500
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda told: told.type == "error" and complaints.append(told.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: request.url.startswith(address) or complaints.append(request.url),
        )
        page.goto(f"{address}#{state}")
        page.wait_for_selector("nav button[aria-current]")
        page.wait_for_load_state("networkidle")
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []


def shown(page: Any, words: str) -> np.ndarray:
    """The gray values of a picture on the page."""
    width, *values = page.get_by_role("img", name=words).evaluate(PIXELS)
    return np.array(values, np.uint8).reshape(-1, width)


def expected(ask: Any, name: str, what: str, key: str = "images", **fields: Any) -> np.ndarray:
    packed = ask(name, what, **fields)[key]
    return np.frombuffer(base64.b64decode(packed["data"]), np.uint8).reshape(packed["shape"])[:, 0]


def soon(page: Any, words: str, image: np.ndarray, off_by: int = 0) -> None:
    """Waits until a picture of the page is this one."""
    there = shown(page, words)
    for _ in range(60):
        if there.shape == image.shape and np.abs(there.astype(int) - image).max() <= off_by:
            return
        page.wait_for_timeout(50)
        there = shown(page, words)
    raise AssertionError(f"{words}: {there.tolist()} where {image.tolist()} was expected")


CODE = "The image of the code"


@pytest.mark.parametrize(
    ("width", "scheme"), [(1100, "light"), (1100, "dark"), (360, "light"), (360, "dark")]
)
@pytest.mark.parametrize("tab", ["explore", "draw", "between"])
def test_every_tab_of_every_model_fits_the_screen(visit, tab, width, scheme):
    for i in range(len(MODELS)):
        page = visit(f"tab={tab}&model={i}", width, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, MODELS[i]
        assert page.locator("main").inner_text().strip()
        assert page.locator("#message").inner_text() == ""


def test_it_shows_the_image_of_a_seed_and_a_class(visit, ask):
    page = visit("model=0&seed=3&class=2")
    (image,) = expected(ask, "cvae", "generate", seed=3, weights=[0, 0, 1])
    soon(page, CODE, image)
    page.locator(".chip", has_text="a").click()
    (image,) = expected(ask, "cvae", "generate", seed=3, weights=[1, 0, 0])
    soon(page, CODE, image)
    page.get_by_role("button", name="Next seed").click()
    (image,) = expected(ask, "cvae", "generate", seed=4, weights=[1, 0, 0])
    soon(page, CODE, image)
    assert "seed=4" in page.url
    assert "class=0" in page.url


def test_a_slider_moves_one_latent_by_keyboard_and_a_link_reproduces_it(visit, ask):
    page = visit("model=1&seed=5")
    before = ask("vae", "latents")["order"][0]
    slider = page.locator(".slider input").first
    slider.focus()
    page.keyboard.press("End")
    (z,) = ask("vae", "generate", seed=5)["z"]
    z[before] = 4.0
    (image,) = expected(ask, "vae", "generate", z=[z])
    soon(page, CODE, image)
    again = visit(page.url.partition("#")[2])
    soon(again, CODE, image)
    assert again.locator(".slider output").first.inner_text() == "4.00"


def test_values_that_are_past_are_not_asked_for(visit):
    page = visit("model=1&seed=5")
    asked = []

    def slow(route: Any) -> None:
        asked.append(route.request.post_data_json["z"][0])
        time.sleep(0.1)
        route.continue_()

    page.route("**/api/generate", slow)
    page.locator(".slider input").first.evaluate(
        """async slider => { for (let i = 0; i <= 40; i++) {
          slider.value = String(-4 + i / 5);
          slider.dispatchEvent(new Event("input"));
          await new Promise(go => setTimeout(go, 3));
        } }"""
    )
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(400)
    assert 2 <= len(asked) <= 8
    assert 4.0 in asked[-1]


def test_the_map_is_walked_by_keyboard_and_gives_its_code(visit, ask):
    page = visit("model=1")
    page.locator("canvas.map").focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**at=**")
    x, y = map(
        float, page.evaluate("new URLSearchParams(location.hash.slice(1)).get('at')").split(",")
    )
    found = ask("vae", "map")
    xs = np.array(found["points"])[:, 0]
    middle = (xs.min() + xs.max()) / 2
    assert x == pytest.approx(middle + 12 / 40 * (xs.max() - xs.min()), abs=1e-3)
    z = np.array(found["mean"]) + np.array([x, y]) @ np.array(found["directions"])
    (image,) = expected(ask, "vae", "generate", z=[z.tolist()])
    soon(page, "The image made at this place", image, off_by=1)
    soon(page, CODE, image)


def test_a_painter_is_scrubbed_through_its_steps(visit, ask):
    page = visit("model=2&seed=1")
    steps = expected(ask, "draw", "generate", seed=1, steps=True)
    soon(page, CODE, steps[-1])
    page.get_by_role("slider", name="Step").focus()
    page.keyboard.press("Home")
    soon(page, CODE, steps[0])


@pytest.mark.parametrize(("row", "name"), [(1, "a"), (3, "b"), (5, "c")])
def test_what_is_drawn_is_classified(visit, row, name):
    """The toy images of each class have one bright row."""
    page = visit("tab=draw&model=3", width=1100)
    page.get_by_role("button", name="Clear").click()
    box = page.locator("canvas.pad").bounding_box()
    y = box["y"] + (row + 0.5) / 8 * box["height"]
    page.mouse.move(box["x"] + 3, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 3, y, steps=8)
    page.mouse.up()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(200)
    values = dict(
        page.locator(".bar").evaluate_all(
            "bars => bars.map(bar => [bar.firstChild.textContent, bar.children[1].value])"
        )
    )
    assert max(values, key=values.__getitem__) == name
    assert "no encoder" in page.locator("main").inner_text()


def test_a_test_image_and_an_upload_are_made_again(visit, ask, tmp_path):
    from PIL import Image

    page = visit("tab=draw&model=1&image=4")
    (again,) = expected(ask, "vae", "reconstruct", "reconstruction", image={"test": 4})
    soon(page, "Its reconstruction", again)
    Image.new("L", (8, 8), 200).save(tmp_path / "gray.png")
    page.set_input_files("input[type=file]", tmp_path / "gray.png")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(200)
    soon(page, "What the model is given", np.full((8, 8), 200))
    assert (shown(page, "Its reconstruction") != again).any()


def test_between_goes_from_one_class_to_another(visit, ask):
    page = visit("tab=between&model=0&a=seed,2,0&b=seed,2,1&t=0")
    ends = {"a": {"seed": 2, "weights": [1, 0, 0]}, "b": {"seed": 2, "weights": [0, 1, 0]}}
    frames = expected(ask, "cvae", "between", **ends, steps=25)
    words = "The image at this place"
    soon(page, words, frames[0])
    page.get_by_role("slider", name="Place").focus()
    page.keyboard.press("End")
    soon(page, words, frames[-1])
    assert "t=24" in page.url


def test_a_damaged_run_is_told_and_the_others_are_there(visit):
    page = visit(f"model={len(MODELS)}")
    assert "lost is damaged" in page.locator("main").inner_text()
    page.get_by_label("Model").select_option("1")
    page.wait_for_selector(".slider")
    assert "model=1" in page.url
