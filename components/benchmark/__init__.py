"""What a deployment does under load: measured on its first machine, kept on this computer, compared with the last."""

from components.benchmark.benchmark import Benchmark
from components.benchmark.levels import LEVEL_SECONDS, LEVELS, Mode, as_words

__all__ = ["LEVELS", "LEVEL_SECONDS", "Benchmark", "Mode", "as_words"]
