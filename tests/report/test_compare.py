"""The page itself."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from twofold.errors import RunError, UsageError
from twofold.evaluation.summary import gather
from twofold.experiments.run import Run
from twofold.report.compare import compare
from twofold.report.samples import draw_sheet
from twofold.training.progress import Silent

from .conftest import accuracy, evaluate_by_hand

HOSTILE = "<script>alert(1)</script>&\"' $x_1$ ⟦A⟧"


class Page(HTMLParser):
    """Tags with attributes, and the text outside <style>."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if not self.tags or self.tags[-1][0] != "style":
            self.text += data


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory) -> Path:
    every = [runs[name] for name in ("cvae", "cgan", "vae", "clf")]
    return compare(every, tmp_path_factory.mktemp("report") / "all.html")


def test_the_page_has_every_section_and_run(page):
    text = Page(page.read_text()).text
    for heading in ("In short", "Samples", "Training", "Measures", "Cost", "How it was trained"):
        assert heading in text
    for words in ("CVAE, CGAN, VAE and classifier on digits", "98.00", "is ahead", "best"):
        assert words in text
    assert "twofold train lam2023-cvae data=digits" in text


def test_nothing_is_fetched(page):
    content = page.read_text()
    for tag, attributes in Page(content).tags:
        assert tag not in ("script", "iframe", "object", "embed", "base")
        for name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
            value = attributes.get(name) or ""
            assert value.startswith(("data:", "#")) or not value, (tag, name, value[:60])
    assert "@import" not in content
    assert all(url.startswith(("#", "data:")) for url in re.findall(r"url\(['\"]?(.*?)\)", content))


def test_every_figure_is_saved_as_png_and_svg(page):
    folder = page.with_name("all-figures")
    names = {path.stem for path in folder.iterdir()}
    assert {"vae-kl", "generator-loss", "measure-gan-test-classifier-cnn", "samples-A"} <= names
    for name in names:
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert ElementTree.parse(folder / f"{name}.svg").getroot().tag.endswith("svg")


def test_both_color_schemes_reach_the_figures(page):
    content = page.read_text()
    assert "prefers-color-scheme: dark" in content
    plots = re.findall(r"<svg.*?</svg>", content, re.DOTALL)
    assert plots
    assert all("var(--fig-" in plot for plot in plots)


def test_ids_of_figures_do_not_collide(page):
    ids = re.findall(r'\bid="([^"]+)"', page.read_text())
    assert len(ids) == len(set(ids))


def test_samples_have_a_row_per_class_only_with_a_class_condition(page):
    tags = Page(page.read_text()).tags
    assert sum(tag == "img" for tag, _ in tags) == 3  # the classifier has none
    assert sum(attributes.get("class") == "rows" for _, attributes in tags) == 2


def test_one_run_is_a_report_too(runs, tmp_path):
    text = Page(compare([runs["cvae"]], tmp_path / "one.html").read_text()).text
    assert "One model was trained" in text
    assert "What differs" not in text
    assert "differ in more" not in text


def test_an_unfinished_run_without_evaluation_or_log(runs, tmp_path):
    folder = tmp_path / "young"
    shutil.copytree(runs["vae"].path, folder)
    (folder / "metrics.jsonl").unlink()
    shutil.rmtree(folder / "checkpoints")
    text = Page(compare([folder, runs["cgan"]], tmp_path / "out.html").read_text()).text
    assert "has not logged a single step" in text
    assert "has not been evaluated" in text
    assert "No samples" in text
    assert f"twofold resume {folder}" in text


def test_a_run_cut_short_says_where_it_stands(runs, tmp_path):
    folder = tmp_path / "half"
    shutil.copytree(runs["vae"].path, folder)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    (folder / "metrics.jsonl").write_text("\n".join(lines[:3]))
    for path in (folder / "checkpoints").glob("*.json"):
        facts = json.loads(path.read_text())
        path.write_text(json.dumps({**facts, "total_steps": 1000}))
    text = Page(compare([folder], tmp_path / "out.html").read_text()).text
    assert "is unfinished: it stands at epoch" in text


def test_names_are_text_and_never_markup(runs, tmp_path):
    folder = tmp_path / HOSTILE.replace("/", "_")
    shutil.copytree(runs["cgan"].path, folder)
    experiment = yaml.safe_load((folder / "experiment.yaml").read_text())
    experiment |= {"title": HOSTILE, "source": HOSTILE, "notes": [HOSTILE]}
    (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment))
    environment = json.loads((folder / "environment.json").read_text())
    names = [f"{HOSTILE}{k}" for k in range(10)]
    environment["data"] |= {"class_names": names, "name": HOSTILE}
    (folder / "environment.json").write_text(json.dumps(environment))
    log = (folder / "metrics.jsonl").read_text().replace('"adversarial"', '"a\\"><script>/../b"')
    (folder / "metrics.jsonl").write_text(log.replace('"loss":', '"loss":1,"_":'))
    measure = accuracy(9.0, title=HOSTILE, notes=HOSTILE, per_class=dict.fromkeys(names, 1.0))
    evaluate_by_hand(Run(folder), measure)
    out = compare([folder, runs["cvae"]], tmp_path / "out.html")
    content = out.read_text()
    assert "<script" not in content
    page = Page(content)
    assert "<script>alert(1)</script>" in page.text
    assert sum(tag == "img" for tag, _ in page.tags) == 2
    figures = list((tmp_path / "out-figures").rglob("*"))
    assert figures
    assert all(re.fullmatch(r"[\w-]+\.(png|svg)", path.name) for path in figures)


def test_what_was_not_measured_is_on_the_page(runs, tmp_path):
    folder = tmp_path / "cgan"
    shutil.copytree(runs["cgan"].path, folder)
    path = folder / "evaluation.json"
    content = {**json.loads(path.read_text()), "not_measured": {"likelihood": "no <bound>"}}
    path.write_text(json.dumps(content))
    text = Page(compare([folder], tmp_path / "o.html").read_text()).text
    assert "What was not measured, and why" in text
    assert "no <bound>" in text
    assert "not measured, and why" not in Page(
        compare([runs["cvae"]], tmp_path / "p.html").read_text()
    ).text  # fmt: skip


def test_runs_of_one_name_are_set_apart(runs, tmp_path):
    for parent in ("first", "second"):
        shutil.copytree(runs["cgan"].path, tmp_path / parent / "cgan")
    text = Page(
        compare(
            [tmp_path / "first/cgan", tmp_path / "second/cgan"], tmp_path / "o.html"
        ).read_text()
    ).text
    assert "first/cgan" in text
    assert "second/cgan" in text


def test_the_samples_follow_their_seed(runs):
    (facts,) = gather([runs["cgan"]])
    pictures = [draw_sheet(runs["cgan"], facts, seed)[0].array for seed in (0, 1, 1)]
    assert (pictures[0] != pictures[1]).any()
    assert (pictures[1] == pictures[2]).all()


def test_what_cannot_be_compared_is_refused(tmp_path, runs):
    with pytest.raises(UsageError, match="one run or more"):
        compare([])
    with pytest.raises(UsageError, match="one run or more"):
        compare(str(runs["cgan"].path))
    with pytest.raises(UsageError, match=r"\.html"):
        compare([runs["cgan"]], tmp_path / "report.pdf")
    with pytest.raises(RunError, match="not a run"):
        compare([tmp_path / "nothing"], tmp_path / "o.html")


def test_an_edited_or_damaged_run_is_refused_and_nothing_is_written(runs, tmp_path):
    """Its figures, or some of them, would be of another model than the page says."""
    edited, damaged = tmp_path / "edited", tmp_path / "damaged"
    for folder in (edited, damaged):
        shutil.copytree(runs["cgan"].path, folder)
    text = (edited / "experiment.yaml").read_text()
    (edited / "experiment.yaml").write_text(text.replace("batch_size: 50", "batch_size: 40"))
    newest = Run(damaged).checkpoint.with_suffix(".safetensors")
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    for folder, words in (
        (edited, "batch_size was 50 and is 40"),
        (damaged, "is damaged: its sha"),
    ):
        with pytest.raises(RunError, match=words):
            compare([runs["cvae"], folder], tmp_path / "out" / "o.html")
    assert not (tmp_path / "out").exists()


def test_a_page_that_cannot_be_written_leaves_no_figures(runs, tmp_path):
    (tmp_path / "o.html").mkdir()
    with pytest.raises(RunError, match=r"cannot write .*o\.html"):
        compare([runs["vae"]], tmp_path / "o.html")
    assert [path.name for path in tmp_path.iterdir()] == ["o.html"]


def test_a_report_in_the_same_place_leaves_what_is_not_its_own(runs, tmp_path):
    (tmp_path / "o-figures").mkdir()
    (tmp_path / "o-figures" / "mine.txt").write_text("dear to someone")
    compare([runs["vae"]], tmp_path / "o.html")
    compare([runs["vae"]], tmp_path / "o.html")
    assert (tmp_path / "o-figures" / "mine.txt").read_text() == "dear to someone"
    assert (tmp_path / "o-figures" / "samples-A.png").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o-figures", "o.html"]


def test_a_page_is_named_after_its_runs_and_says_what_it_replaces(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = []

    class Loud(Silent):
        def say(self, text):
            said.append(text)

    first = compare([runs["cvae"], runs["cgan"]], progress=Loud())
    second = compare([runs["vae"]], progress=Loud())
    assert (str(first), str(second)) == ("report-cvae-cgan.html", "report-vae.html")
    assert said == []
    both = set(Path("report-cvae-cgan-figures").iterdir())
    Path("report-cvae-cgan-figures/mine.png").unlink(missing_ok=True)
    compare([runs["cvae"]], "report-cvae-cgan.html", progress=Loud())
    assert said == ["replaced report-cvae-cgan.html"]
    left = set(Path("report-cvae-cgan-figures").iterdir())
    assert left < both
    assert not any(path.stem.endswith("-B") for path in left), "figures of the page that was here"


def test_every_entry_of_the_contents_leads_somewhere(page):
    tags = Page(page.read_text()).tags
    targets = [a["href"][1:] for tag, a in tags if tag == "a" and a["href"].startswith("#")]
    places = {a.get("id") for _, a in tags}
    assert {"short", "measures", "settings"} <= set(targets) <= places
