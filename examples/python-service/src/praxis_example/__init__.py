"""A small JSON-RPC service over standard input and output."""

__version__ = "0.1.0"
