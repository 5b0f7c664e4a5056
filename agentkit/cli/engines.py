"""Which engine a worker serves: the journal itself, or a dispatcher that a shop has."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from agentkit import workers
from agentkit.cli.project import place_of
from agentkit.errors import ConfigurationError
from agentkit.journal.base import Journal
from agentkit.workers import EmbeddedEngine, Engine, Pace

EXTRAS = {"dbos": "dbos", "sqlalchemy": "dbos", "temporalio": "temporal"}  # package: extra


def engine_of(options: argparse.Namespace, journal: Journal, agents: Sequence[str]) -> Engine:
    """Return the engine that `--engine` names.

    Raises:
        ConfigurationError: a package is not installed; or an option does not go with the engine.
    """
    if options.engine != "temporal" and (options.temporal or options.namespace):
        raise ConfigurationError(f"--temporal and --namespace go with --engine temporal, not with {options.engine}")
    if options.engine == "embedded":
        return EmbeddedEngine(journal, agents=agents, leaves=options.once)
    if options.once:
        raise ConfigurationError(
            f"--once goes with --engine embedded: {options.engine} cannot tell when nothing is left"
        )
    try:
        return _served(options, journal, agents)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        extra = f"pip install 'agentkit-reasoning[{EXTRAS[error.name]}]'"
        raise ConfigurationError(f"--engine {options.engine}: {error.name} is not installed: {extra}") from error


def _served(options: argparse.Namespace, journal: Journal, agents: Sequence[str]) -> Engine:
    pace = replace(Pace(), ttl=options.ttl)
    if options.engine == "dbos":
        return workers.DBOSEngine(journal, place_of(options), agents=agents, pace=pace)
    return workers.TemporalEngine(
        journal,
        options.temporal or "127.0.0.1:7233",
        namespace=options.namespace or "default",
        agents=agents,
        pace=pace,
    )
