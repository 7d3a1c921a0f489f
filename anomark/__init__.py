"""Importing anomark makes the drop-in files importable; see `anomark.dropins`."""

from anomark import dropins as _dropins

_dropins.install()
