"""mypy's verdict on `typed_tools.py`: an error it must give is marked there, so a lost one is an unused ignore."""

from pathlib import Path

from mypy import api


def test_types_of_tools() -> None:
    root = Path(__file__).parents[2]
    cases = Path(__file__).with_name("typed_tools.py")
    config = root / "pyproject.toml"
    # With the settings of `make lint`, whose cache it then finds.
    said, complaint, status = api.run(["--config-file", str(config), str(cases)])
    assert (said.splitlines()[:-1], complaint, status) == ([], "", 0)
