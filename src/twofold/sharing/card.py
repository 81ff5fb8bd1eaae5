"""The README.md of a shared model: what it is, how it was made and how good it is."""

import math
from typing import Any

import yaml

from twofold._version import __version__
from twofold.errors import TwofoldError
from twofold.experiments.packed import portable_experiment
from twofold.experiments.resolve import experiment_names, resolve
from twofold.experiments.run import Run, differences

__all__ = ["SAMPLES", "card"]

SAMPLES = "samples.png"
TASK = {"type": "unconditional-image-generation", "name": "Image generation"}


def card(run: Run, place: str, pictured: bool) -> str:
    """The card as Markdown, with metadata for the hub.

    Arguments:
        run: Of which everything is said.
        place: The folder, or hf:USER/NAME, under which a reader has the model.
        pictured: Whether there is a picture of samples beside it.
    """
    measures = run.current_evaluation.get("measures", [])
    parts = [
        f"---\n{yaml.safe_dump(_metadata(run, measures), sort_keys=False, allow_unicode=True)}---",
        f"# {run.name}",
        _what(run),
        f"![samples]({SAMPLES})" if pictured else "",
        f"## Use\n\n    pip install twofold\n    twofold sample {place}\n\n"
        f"It takes part in every other command, too. No code is loaded with it.",
        f"## Training\n\n{_training(run)}",
        f"## Measures\n\n{_table(measures)}",
        f"## Limits\n\n{_limits(run, measures)}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metadata(run: Run, measures: list[dict[str, Any]]) -> dict[str, Any]:
    """What the hub reads: tags, and each figure as an entry of its model-index."""
    data = run.environment["data"]
    name = portable_experiment(run)["data"]["name"]
    figures = [
        {"type": one["name"], "name": f"{one['title']} ({one['unit']})", "value": one["value"]}
        for one in measures
        if isinstance(one.get("value"), int | float) and math.isfinite(one["value"])
    ]
    dataset = {"type": name, "name": data.get("name", name), "split": "test"}
    result = {"task": TASK, "dataset": dataset, "metrics": figures}
    family = run.experiment.model.family
    index = [{"name": run.name, "results": [result]}] if figures else []
    return {
        "library_name": "twofold",
        "pipeline_tag": TASK["type"],
        "tags": ["twofold", family, "image-generation"],
        **({"model-index": index} if index else {}),
    }


def _what(run: Run) -> str:
    about, data = run.environment.get("model") or {}, run.environment["data"]
    C, H, W = data["image_shape"]
    classes = data["class_names"]
    parameters = sum((run.environment.get("parameters") or {}).values())
    kind = "gray" if C == 1 else "color"
    words = [
        f"A {about.get('title', run.experiment.model.family)} (`{run.experiment.model.family}`) of "
        f"{kind} images of {H} × {W}, trained with Twofold {run.environment['twofold']} on "
        f"{portable_experiment(run)['data']['name']}",
        f"with {parameters:,} parameters" if parameters else "",
        f"conditioned on {about['condition']}" if about.get("condition", "none") != "none" else "",
    ]
    sentence = ", ".join(word for word in words if word) + "."
    named = ", ".join(classes[:20]) + (" …" if len(classes) > 20 else "")
    return f"{sentence} {len(classes)} classes: {named}." if classes else sentence


def _training(run: Run) -> str:
    """How to train it again: a command where one does, else the experiment in full."""
    done, total = run.progress
    data = run.environment["data"]
    sizes = ", ".join(f"{n:,} {split}" for split, n in (data.get("splits") or {}).items())
    facts = [
        f"{run.model_step:,} of {total:,} steps" + ("" if done >= total else ", not finished"),
        f"images: {sizes}" if sizes else "",
        f"their fingerprint: `{data['fingerprint']}`",
    ]
    said = "; ".join(fact for fact in facts if fact) + "."
    if command := _command(run):
        return f"{said}\n\n    {command}"
    text = yaml.safe_dump(portable_experiment(run), sort_keys=False, allow_unicode=True)
    return (
        f"{said} This, as experiment.yaml, is trained by `twofold train experiment.yaml`:\n\n"
        f"```yaml\n{text}```"
    )


def _command(run: Run) -> str:
    """A command line that resolves to the run's experiment; empty where none does."""
    name = run.experiment.name
    if name not in experiment_names():
        return ""
    changes = []
    for key, (_, mine) in differences(resolve(name), run.experiment).items():
        if not isinstance(mine, str | int | float | bool):
            return ""
        changes.append(f"{key}={str(mine).lower() if isinstance(mine, bool) else mine}")
    try:
        again = resolve(name, changes)
    except TwofoldError:
        return ""
    if differences(again, run.experiment) or any(" " in change for change in changes):
        return ""
    return " ".join(["twofold train", name, *changes])


def _table(measures: list[dict[str, Any]]) -> str:
    if not measures:
        return "None were taken; `twofold evaluate` takes them."
    rows = ["| measure | value | depends on | note |", "|---|---:|---|---|"]
    for one in measures:
        value, error = one.get("value"), one.get("error")
        number = f"{value:.5g}" if isinstance(value, int | float) else "not a number"
        spread = f" ± {error:.2g}" if isinstance(error, int | float) else ""
        depends = ", ".join(f"{key}: {_short(v)}" for key, v in (one.get("depends") or {}).items())
        note = one.get("caution") or ""
        cells = [one["title"], f"{number}{spread} {one['unit']}", depends, note]
        rows.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return (
        "\n".join(rows) + "\n\n± is one standard error over images; another seed may differ more."
    )


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    """Words in one cell of a table."""
    return " ".join(text.replace("|", "\\|").split())


def _limits(run: Run, measures: list[dict[str, Any]]) -> str:
    data = run.environment["data"]
    C, H, W = data["image_shape"]
    told = [
        f"It makes and reads images of {C} × {H} × {W} (channels, height, width) such as it was "
        "trained on, and says nothing reliable about others.",
        "It is one draw of a recipe: another seed gives other images and other figures.",
    ]
    if not run.finished:
        told.append("Its training was not finished.")
    if not measures:
        told.append("Nobody has measured it.")
    if notes := [one["caution"] for one in measures if one.get("caution")]:
        told.append(f"{len(notes)} of its figures have a note in the table that must be read.")
    return "\n".join([*(f"- {line}" for line in told), "", f"Written by Twofold {__version__}."])
