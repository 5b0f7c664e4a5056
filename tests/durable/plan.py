"""How big an experiment is, where it happens, and its seed."""

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

from tests.durable.engines import Ground

CHANCE = random.Random()  # noqa: S311 - chance, not secrets


@dataclass(frozen=True)
class Plan:
    """One experiment. `thinks`: the model, `takes`: the tool, before and behind its effect; in seconds."""

    ground: Ground
    folder: Path
    sessions: int
    steps: int
    workers: int = 3
    concurrency: int = 10
    thinks: float = 0.02
    takes: float = 0.01
    seed: int = field(default_factory=lambda: int(os.environ.get("SEED", CHANCE.randrange(10**6))))

    @property
    def names(self) -> list[str]:
        return [f"s{n}" for n in range(self.sessions)]
