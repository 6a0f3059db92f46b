"""The hardware that recordings use, which must not change while they are made."""

from tune_s11.hardware import Hardware, Precision, choose_hardware


def recording_hardware(precision: Precision = "auto", *, gpu: bool = False) -> Hardware:
    """Choose one thread and oneDNN's convolutions, as in the lines recorded before the program had others.

    Args:
        precision: See :func:`tune_s11.hardware.choose_hardware`.
        gpu: Whether a GPU may be used.
    """
    return choose_hardware(precision, threads=1, matrix_products=False, gpu=gpu)
