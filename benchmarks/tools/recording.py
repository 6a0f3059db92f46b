"""Hardware settings for recordings, kept the same so that all lines of a file are comparable."""

from tune_s11.hardware import Hardware, Precision, choose_hardware


def recording_hardware(precision: Precision = "auto", *, gpu: bool = False) -> Hardware:
    """Choose one thread and the library's own convolutions, with which all earlier lines were recorded.

    Args:
        precision: See :func:`tune_s11.hardware.choose_hardware`.
        gpu: Whether a GPU may be used.
    """
    return choose_hardware(precision, threads=1, matrix_products=False, gpu=gpu)
