"""What runs a model: one small interface, and the choice among its implementations."""

from .base import Answer, Question, Runtime
from .choice import Itself, choose

__all__ = ["Answer", "Itself", "Question", "Runtime", "choose"]
