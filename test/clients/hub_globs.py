"""Which paths filter_repo_objects of huggingface_hub selects for each glob, and for random ones."""

import json
import random
import sys

from huggingface_hub import __version__
from huggingface_hub.utils import filter_repo_objects

job = json.loads(sys.argv[1])
rng = random.Random(job["seed"])
alphabet = ["a", "b", "c", "-", "/", ".", "!", "]", "[", "*", "?", "é", "^", "\\"]


def word(length, letters):
    return "".join(rng.choice(letters) for _ in range(rng.randint(1, length)))


paths = [word(8, ["a", "b", "c", "-", "/", ".", "]", "é", "^"]) for _ in range(job["random"])]
globs = [word(9, alphabet) for _ in range(job["random"])]


def selected(paths, globs):
    return [[glob, list(filter_repo_objects(paths, allow_patterns=[glob]))] for glob in globs]


print(
    json.dumps(
        {
            "version": __version__,
            "recorded": selected(job["paths"], job["globs"]),
            "paths": paths,
            "random": selected(paths, globs),
        }
    )
)
