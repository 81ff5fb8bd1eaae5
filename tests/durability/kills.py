"""Kills a command before a file operation, and looks at what it left.

Arguments: the command's name, and how many places at most, spread over all there are. Afterwards
the folder must be valid, and the same command (or resume) must lead to what it would have been.
"""

import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from durability.forked import SAID, apart, experiment, finished_run, report

from twofold.experiments.folders import state_of
from twofold.experiments.run import Run
from twofold.experiments.train import resume, train
from twofold.locks import TEMPORARY
from twofold.report.compare import compare
from twofold.training.progress import Silent
from twofold.verbs.augment import augment
from twofold.verbs.evaluate import evaluate
from twofold.verbs.sample import sample

OPERATIONS = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.truncate")
QUIET = Silent()


def train_it(root: Path) -> None:
    folder = root / "run"
    if state_of(folder, experiment()) == "new":
        train(experiment(), out=folder, progress=QUIET)
    else:
        resume(folder, QUIET)


def resume_it(root: Path) -> None:
    resume(root / "run", QUIET)


def extend_it(root: Path) -> None:
    resume(root / "run", QUIET, epochs=4)


def evaluate_it(root: Path) -> None:
    evaluate(root / "run", "losses", progress=QUIET)


def augment_it(root: Path) -> None:
    if not (root / "out").exists():  # it appears whole
        augment(root / "run", per_class=1, progress=QUIET).save(root / "out")


def sample_it(root: Path) -> None:
    if not (root / "out").exists():
        sample(root / "run", 10).save(root / "out")


def compare_it(root: Path) -> None:
    compare([root / "run"], root / "report.html")


def one_step_back(folder: Path) -> None:
    newest = Run(folder).newest_checkpoint
    newest.unlink()
    newest.with_suffix(".safetensors").unlink()


@dataclass(frozen=True)
class Command:
    """What is killed, and what is there before it."""

    do: Callable[[Path], None]
    prepare: Callable[[Path], None] | None = finished_run


def interrupted(folder: Path) -> None:
    finished_run(folder)
    one_step_back(folder)


def drawn_before(folder: Path) -> None:
    finished_run(folder)
    compare([folder], folder.parent / "report.html")
    (folder.parent / "report-figures" / "theirs.txt").write_text("kept")


COMMANDS = {
    "train": Command(train_it, None),
    "resume": Command(resume_it, interrupted),
    "extend": Command(extend_it),
    "evaluate": Command(evaluate_it),
    "augment": Command(augment_it),
    "sample": Command(sample_it),
    "compare": Command(compare_it, drawn_before),
}


def watched(do: Callable[[Path], None], root: Path, kill_before: int) -> Callable[[], int]:
    """The command, killed before the so-many-th operation; by itself it counts them."""

    def work() -> int:
        count = 0

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal count
            writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if (writes or event in OPERATIONS) and str(arguments[0]).startswith(str(root)):
                count += 1
                if count == kill_before:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        do(root)
        return count

    return work


def check(root: Path) -> None:
    """What must hold at any moment."""
    folder = root / "run"
    if (folder / "experiment.yaml").exists():
        run = Run(folder)
        if run.has_checkpoint:
            run.model()
            for path in (folder / "checkpoints").glob("*.json"):
                assert path.with_suffix(".safetensors").exists(), path
            _ = run.records, run.evaluation
    names = {path.name for path in root.glob("out/**/*.png")}
    if (root / "out").exists():
        assert len(names) == 10, f"{len(names)} images"
    if (root / "report-figures").exists():
        assert (root / "report-figures" / "theirs.txt").exists()
        assert len(list((root / "report-figures").iterdir())) > 2


def content(root: Path) -> dict[str, Any]:
    """All that is in a folder, but for clocks."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        name = str(path.relative_to(root))
        assert TEMPORARY not in name, f"{name} is left"
        data = path.read_bytes()
        if path.suffix in (".json", ".jsonl", ".html", ".svg"):
            data = re.sub(rb'"(seconds|memory|started|date)": ?[^,}]*', b"", data)
            data = re.sub(rb'"seconds": \{[^}]*\}', b"", data)
        found[name] = data if path.suffix not in (".html", ".svg") else len(data) > 100
    return found


def places(total: int, most: int) -> list[int]:
    """So many of 1 … total, spread evenly."""
    return sorted({1 + round(i * (total - 1) / max(1, most - 1)) for i in range(most)})


def main(name: str, most: int) -> None:
    command, faults = COMMANDS[name], []
    with tempfile.TemporaryDirectory() as home:
        start = Path(home) / "start"
        start.mkdir()
        if command.prepare is not None:
            prepare = command.prepare
            code, said = apart(lambda: prepare(start / "run"))
            assert code == 0, said
        root = Path(home) / "work"  # the same path each time: it stands in files

        def from_the_start() -> None:
            shutil.rmtree(root, ignore_errors=True)
            shutil.copytree(start, root)

        from_the_start()
        code, said = apart(watched(command.do, root, 0))
        assert code == 0, said
        expected, total = content(root), int(said)
        tried = places(total, min(most, total))
        for place in tried:
            from_the_start()
            code, said = apart(watched(command.do, root, place))
            if code != -signal.SIGKILL:
                faults.append(f"{place} of {total}: ended with {code}: {said}")
                continue
            code, said = apart(lambda: check(root))
            if code == 0:
                code, said = apart(lambda: command.do(root))
            if code:
                kind = "refused" if code == SAID else "failed"
                faults.append(f"{place} of {total}: {kind}: {said}")
                continue
            code, said = apart(lambda: _same(content(root), expected))
            if code:
                faults.append(f"{place} of {total}: {said}")
    report(faults, len(tried))


def _same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys(), sorted(found.keys() ^ expected.keys())
    other = [name for name, value in found.items() if value != expected[name]]
    lines = {
        name: [
            pair
            for pair in zip(found[name].splitlines(), expected[name].splitlines(), strict=False)
            if pair[0] != pair[1]
        ][:1]
        for name in other
        if name.endswith(".jsonl")
    }
    assert not other, f"others: {other} {lines}"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
