"""Search on your own images, and classify one of them with the winner.

    python examples/own_data.py FOLDER

FOLDER holds train/<class>/ and test/<class>/; without test/, a fifth of the images is held out as test images. Instead
of a folder, a CSV of files and labels works too. See docs/own_data.md.
"""

import argparse
from pathlib import Path

from PIL import Image

import tune_s11


def main() -> None:
    """Search, look at the trials, and classify an image."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--image", type=Path, help="one to classify at the end")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--samples", type=int, default=8, help="trials")
    arguments = parser.parse_args()

    # This uses the space file for digits, which is small and quick. For photographs, use "s11" and "flip": True.
    settings = {"dataset": "folder", "data_dir": arguments.folder, "image_size": 32, "epochs": arguments.epochs}
    search = tune_s11.Search("own-data", "quick", settings | {"search.samples": arguments.samples}).run()
    print(search.trials)
    print(f"{search.winner} wins, test accuracy {search.test_accuracy}; {search.report}")

    if arguments.image is not None:
        model = tune_s11.load_best(search.path)
        probabilities = model(Image.open(arguments.image))[0]
        best = int(probabilities.argmax())
        print(f"{arguments.image.name}: {model.classes[best]}, probability {probabilities[best]:.3f}")


if __name__ == "__main__":
    main()
