"""What is called MODULE:NAME, imported from where a person works, or from where their pyproject.toml is."""

import sys
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

from agentkit.errors import ConfigurationError


def found(name: str, here: Path, what: str, form: str) -> Any:
    """Return it. `what`, `form`: where it was named, and as what, for the error's text.

    Raises:
        ConfigurationError: it is named otherwise, is not there, or cannot be imported.
    """
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise ConfigurationError(f"{what} {name}: give {form}")
    if str(here) not in sys.path:
        sys.path.insert(0, str(here))
    try:
        return attrgetter(attribute)(import_module(module))
    except AttributeError as error:
        raise ConfigurationError(f"{what} {module}:{attribute}: {error}") from error
    except ImportError as error:
        raise ConfigurationError(
            f"{what} {module}:{attribute}: {error}. Modules are looked for in the current directory, too"
        ) from error
    except Exception as error:
        raise ConfigurationError(
            f"{what} {module}:{attribute}: importing {module} raised {type(error).__name__}: {error}. What a program "
            'runs belongs under `if __name__ == "__main__":`'
        ) from error
