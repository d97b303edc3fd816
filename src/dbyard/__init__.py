"""dbyard: a self-hosted database platform."""

__version__ = "0.1.0"
