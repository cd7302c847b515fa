class User:
    """A user."""

    name = "x"
