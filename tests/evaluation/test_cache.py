"""What is made once of real images."""

import threading
import time
from pathlib import Path

import numpy as np

from twofold.evaluation.cache import remember


def test_two_that_need_the_same_make_it_once(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    made, found, said = [], [], []

    def make() -> dict[str, np.ndarray]:
        made.append(threading.get_ident())
        time.sleep(0.5)
        return {"x": np.arange(3)}

    def need() -> None:
        found.append(remember("features", ["a"], make, said.append)["x"].tolist())

    several = [threading.Thread(target=need) for _ in range(4)]
    for one in several:
        one.start()
    for one in several:
        one.join()
    assert len(made) == 1
    assert found == [[0, 1, 2]] * 4
    assert len(said) == 3
    assert all("another process (pid" in text and "waiting for it" in text for text in said)


def test_an_entry_that_is_damaged_is_made_again(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    for x in (1, 2):
        assert remember("features", ["a"], lambda x=x: {"x": np.array(x)})["x"] == x
        (path,) = (tmp_path / "features").iterdir()
        path.write_bytes(path.read_bytes()[:-30])
