"""The job of detectors: a training that was asked for."""

from procrastinate.contrib.django import app


@app.task(name="fengsui.detectors.train", lock="detectors.train")
def train(training: int) -> None:
    """Learn a new version; what came of it stands on the row of the training."""
    from fengsui.warn.detecting import services  # every process reads this module; only one trains

    services.do_training(training)
