"""`python -m anomark` is the command `anomark`."""

from anomark.cli.app import app

if __name__ == "__main__":
    app()
