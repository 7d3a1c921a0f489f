"""Importing anomark makes the drop-in files importable; see `anomark.suite.dropins`."""

from anomark.suite import dropins as _dropins

_dropins.install()
