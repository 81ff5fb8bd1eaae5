"""How far DRAW's step is from what its matrix products and LSTM cells alone would take.

    python benchmarks/draw_speed.py [--rounds 9] [--save results.json]

The floor makes the same products forward and backward, with the same shapes and optimizer, and
nothing else: no filters are computed, no codes drawn, no canvas summed, no likelihood taken. The
two take turns; a ratio is formed in each round and the median is quoted.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import Tensor, nn

from benchmarks.hardware import hardware
from twofold.data.batches import Batch
from twofold.models.draw import DRAW

T, D, HIDDEN, B, SIDE = 10, 10, 256, 100, 28


class Floor(nn.Module):
    """DRAW's matrix products and LSTM cells, fed with constants."""

    def __init__(self, glimpse: int | None) -> None:
        super().__init__()
        area = (glimpse or SIDE) ** 2
        self.glimpse = glimpse
        self.encoder = nn.LSTMCell(2 * area + HIDDEN, HIDDEN)
        self.head = nn.Linear(HIDDEN, 2 * D)
        self.decoder = nn.LSTMCell(D, HIDDEN)
        self.patch = nn.Linear(HIDDEN, area)
        self.where = nn.Linear(HIDDEN, 5) if glimpse else None
        self.look = nn.Linear(HIDDEN, 5) if glimpse else None
        self.x = torch.rand(B, 2, SIDE, SIDE, requires_grad=True)
        self.filters = torch.rand(B, 1, glimpse or 1, SIDE, requires_grad=True)
        self.seen = torch.rand(B, 2 * area)

    def loss(self) -> Tensor:
        """A sum through which every product is differentiated."""
        zeros = torch.zeros(B, HIDDEN)
        enc, dec, total = (zeros, zeros), (zeros, zeros), torch.zeros(())
        for _ in range(T):
            seen = self.seen
            if self.where is not None and self.look is not None:
                seen = (self.filters @ self.x @ self.filters.mT).flatten(1)
                total = total + self.look(dec[0]).sum() + self.where(dec[0]).sum()
            enc = self.encoder(torch.cat([seen, dec[0]], dim=1), enc)
            dec = self.decoder(self.head(enc[0])[:, :D], dec)
            patch = self.patch(dec[0])
            if self.glimpse:
                square = patch.view(B, 1, self.glimpse, self.glimpse)
                patch = self.filters.mT @ square @ self.filters
            total = total + patch.sum()
        return total


def step_of(model: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """One step of Adam."""
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def seconds(step: Callable[[], None], count: int = 5) -> float:
    started = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - started) / count


def contest(glimpse: int | None, rounds: int) -> dict[str, float]:
    """Medians over the rounds, after one that is not counted."""
    torch.manual_seed(0)
    draw = DRAW(D, T, HIDDEN, glimpse, glimpse, image_shape=(1, SIDE, SIDE))
    floor, x = Floor(glimpse), torch.rand(B, 1, SIDE, SIDE)
    ours = step_of(draw, lambda: draw.loss(Batch(x)).total)
    least = step_of(floor, floor.loss)
    pairs = [(seconds(ours), seconds(least)) for _ in range(rounds + 1)][1:]
    ratios = [a / b for a, b in pairs]
    return {
        "draw_ms": round(1000 * statistics.median(a for a, _ in pairs), 1),
        "floor_ms": round(1000 * statistics.median(b for _, b in pairs), 1),
        "ratio": round(statistics.median(ratios), 3),
        "least": round(min(ratios), 3),
        "greatest": round(max(ratios), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--save", type=Path, help="write the results as JSON")
    arguments = parser.parse_args()
    cases = {"attention 5×5": 5, "no attention": None}
    results = {name: contest(glimpse, arguments.rounds) for name, glimpse in cases.items()}
    for name, result in results.items():
        print(f"{name:15s} {result}")
    if arguments.save:
        content = {
            "command": " ".join(["python", *sys.argv]),
            "hardware": hardware(),
            "setting": {"T": T, "D": D, "hidden": HIDDEN, "batch": B, "image": SIDE},
            "results": results,
        }
        arguments.save.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
