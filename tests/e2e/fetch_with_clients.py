"""Runs in the engine's environment: fetch_with_clients.py CLIENT TARGET. Fetches the model with a hub's own client."""

import sys
from pathlib import Path

MODEL = "some/model"


def main() -> None:
    """Print what went wrong as one word, or nothing."""
    client, target = sys.argv[1], Path(sys.argv[2])
    if client == "huggingface":
        from huggingface_hub import snapshot_download

        snapshot_download(MODEL, local_dir=target)
    else:
        from modelscope import snapshot_download as fetch

        fetch(MODEL, local_dir=str(target))


if __name__ == "__main__":
    main()
