"""Networks that a recipe can name."""

from tune_s11.models.build import build_model
from tune_s11.models.convolution import use_matrix_products
from tune_s11.models.resnet import S11ResNet

__all__ = ["S11ResNet", "build_model", "use_matrix_products"]
