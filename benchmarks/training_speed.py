"""How fast Twofold trains, as ratios against rivals that run in turn with it.

    python benchmarks/training_speed.py [--rounds 7] [--steps 200] [--save results.json]

In each round every contestant trains for the same number of steps, one after the other, on the same
threads; a ratio is formed within each round and the median over the rounds is quoted, so that a
machine whose speed drifts does not decide. A warm-up round is not counted. Twofold's figure is of
its trainer: batches drawn and shuffled on the device, terms summed, the log written.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from benchmarks import nets
from benchmarks.hardware import hardware
from benchmarks.rivals import Contestant, bare_vae, popular_gan, pythae_vae
from twofold.data import ImageDataset
from twofold.experiments.resolve import parse_experiment
from twofold.experiments.train import make_trainer
from twofold.training.progress import Silent

COUNT = 60_000
DENSE = {
    "family": "vae",
    "latent_dim": 64,
    "encoder": {"layers": "fc-512 fc-512"},
    "decoder": {"layers": "fc-512 fc-512"},
}
CONV = {
    "family": "vae",
    "latent_dim": 64,
    "encoder": {"layers": "conv5-32/2 conv5-64/2 conv5-128/2"},
    "decoder": {"layers": "base-128 deconv5-64/2 deconv5-32/2 conv5-out"},
}
GAN = {
    "family": "gan",
    "latent_dim": 100,
    "generator": {
        "layers": "fc-128[none] fc-256 fc-512 fc-1024",
        "activation": "leaky-0.2",
        "norm": "batch",
    },
    "discriminator": {"layers": "fc-512 fc-256", "activation": "leaky-0.2"},
}


def ours(model: dict, dataset: ImageDataset, batch_size: int, **training: object) -> Contestant:
    """Twofold's trainer on the same images."""

    def train(steps: int) -> float:
        settings = {"images": steps * batch_size, "batch_size": batch_size, "device": "cpu"}
        experiment = parse_experiment(
            {
                "name": "benchmark",
                "data": "memory",
                "model": model,
                "training": {**settings, "validate_every": 1000, "sample_every": 1000, **training},
            },
            "benchmark",
        )
        with tempfile.TemporaryDirectory() as folder:
            trainer = make_trainer(experiment, dataset, Path(folder), Silent())
            trainer.picture = None
            return trainer.run().seconds / steps

    return train


def compare(contestants: dict[str, Contestant], steps: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds per step of every contestant in every round."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, train in contestants.items():
            seconds = train(steps if number else max(20, steps // 5))
            if number:
                times[name].append(1e3 * seconds)
    return times


def ratio(times: dict[str, list[float]], above: str, below: str) -> dict[str, float]:
    """Median, least and greatest of the ratios formed within each round."""
    ratios = [a / b for a, b in zip(times[above], times[below], strict=True)]
    return {
        "median": round(statistics.median(ratios), 3),
        "least": round(min(ratios), 3),
        "greatest": round(max(ratios), 3),
    }


def dense_vae(images: torch.Tensor, dataset: ImageDataset, steps: int, rounds: int) -> dict:
    """(a) MLP VAE 784-512-512-64, batch 100."""
    encoder, decoder = nets.dense(784, 512, 512, 128), nets.dense(64, 512, 512, 784)
    flat = torch.nn.Sequential(torch.nn.Flatten(), nets.dense(784, 512, 512, 128))
    times = compare(
        {
            "twofold fp32": ours(DENSE, dataset, 100),
            "bare PyTorch step fp32": bare_vae(encoder, decoder, images, 100),
            "twofold bf16": ours(DENSE, dataset, 100, precision="bf16"),
            "pythae fp32": pythae_vae(flat, nets.dense(64, 512, 512, 784), 64, images, 100),
        },
        steps,
        rounds,
    )
    return {
        "times": times,
        "ratios": {
            "twofold / bare step, both fp32 (target ≤ 1.10)": ratio(
                times, "twofold fp32", "bare PyTorch step fp32"
            ),
            "pythae / twofold, both fp32 (target ≥ 1.9)": ratio(
                times, "pythae fp32", "twofold fp32"
            ),
            "pythae fp32 / twofold bf16": ratio(times, "pythae fp32", "twofold bf16"),
        },
    }


def conv_vae(images: torch.Tensor, dataset: ImageDataset, steps: int, rounds: int) -> dict:
    """(b) convolutional VAE, 5×5 stride 2, 32-64-128, batch 128."""
    times = compare(
        {
            "twofold bf16 channels-last": ours(CONV, dataset, 128, precision="bf16"),
            "twofold fp32": ours(CONV, dataset, 128),
            "pythae fp32": pythae_vae(
                nets.conv_encoder(128), nets.conv_decoder(64), 64, images, 128
            ),
        },
        max(20, steps // 5),
        rounds,
    )
    return {
        "times": times,
        "ratios": {
            "pythae fp32 / twofold bf16 channels-last (target ≥ 1.8)": ratio(
                times, "pythae fp32", "twofold bf16 channels-last"
            ),
            "pythae / twofold, both fp32": ratio(times, "pythae fp32", "twofold fp32"),
        },
    }


def mlp_gan(images: torch.Tensor, dataset: ImageDataset, steps: int, rounds: int) -> dict:
    """(c) MLP GAN 100-128-256-512-1024-784, batch 64."""
    times = compare(
        {
            "twofold fp32": ours(GAN, dataset, 64),
            "twofold bf16": ours(GAN, dataset, 64, precision="bf16"),
            "popular script fp32": popular_gan(images, 64),
        },
        steps,
        rounds,
    )
    return {
        "times": times,
        "ratios": {
            "popular script / twofold, both fp32 (target ≥ 2)": ratio(
                times, "popular script fp32", "twofold fp32"
            ),
            "popular script fp32 / twofold bf16": ratio(
                times, "popular script fp32", "twofold bf16"
            ),
        },
    }


def peak_memory() -> float:
    """Peak resident MiB of a process that trains Lam's CVAE on 60 000 images for an epoch."""
    script = (
        "import sys, twofold; from twofold.training.progress import Silent; "
        "import numpy as np; rng = np.random.default_rng(0); "
        f"images = rng.integers(0, 256, ({COUNT}, 1, 28, 28), dtype=np.uint8); "
        "data = twofold.ImageDataset(images, np.arange(len(images)) % 10, name='memory'); "
        "twofold.train('lam2023-cvae', dataset=data, images=60000, out=sys.argv[1], "
        "progress=Silent()); "
        "print(open('/proc/self/status').read())"
    )
    # VmHWM is the peak of this process alone; ru_maxrss would inherit that of the one it came from.
    with tempfile.TemporaryDirectory() as folder:
        status = subprocess.run(
            [sys.executable, "-c", script, f"{folder}/run"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    (kibibytes,) = [line.split()[1] for line in status.splitlines() if "VmHWM" in line]
    return int(kibibytes) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--save", type=Path, help="write the results as JSON")
    arguments = parser.parse_args()
    images = nets.mnist_sized(COUNT)
    dataset = ImageDataset(images.numpy(), None, name="memory")
    memory = peak_memory()
    results = {
        title: contest(images, dataset, arguments.steps, arguments.rounds)
        for title, contest in (
            ("a. MLP VAE 784-512-512-64, batch 100", dense_vae),
            ("b. conv VAE 5×5/2 32-64-128, batch 128", conv_vae),
            ("c. MLP GAN 100-128-256-512-1024-784, batch 64", mlp_gan),
        )
    }
    for title, result in results.items():
        print(f"\n{title}")
        for name, values in result["times"].items():
            print(f"  {name:32s} {statistics.median(values):8.2f} ms per step")
        for name, value in result["ratios"].items():
            print(f"  {name:58s} {value['median']:6.2f}  ({value['least']} to {value['greatest']})")
    print(f"\npeak memory of (a), whole process: {memory:.0f} MiB (target ≤ 700)")
    if arguments.save:
        content = {
            "command": " ".join(["python", *sys.argv]),
            "hardware": hardware(),
            "rounds": arguments.rounds,
            "peak_memory_mib": round(memory),
            "contests": {
                title: {
                    "ms_per_step_median": {
                        name: round(statistics.median(values), 3)
                        for name, values in result["times"].items()
                    },
                    "ratios": result["ratios"],
                }
                for title, result in results.items()
            },
        }
        arguments.save.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
