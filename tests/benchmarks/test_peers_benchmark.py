"""The benchmark beside the floors and the peers: its small form measures, and its tables say what was found."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import environments, lean, report
from benchmarks.sides import ALL, BARE, PEERS, SDK, SQLITE, Home
from benchmarks.verdicts import Bound, Results, best, bounds
from benchmarks.work import QUESTION, THINKING

PEER, OTHER = PEERS[0], PEERS[1]


WRITTEN = [Path(report.__file__).with_name(name) for name in ("RESULTS.md", "RESULTS.svg")]


def small(*options: str) -> dict[str, str]:
    """Run the small form; return its tables by their headings."""
    before = [path.read_bytes() if path.exists() else None for path in WRITTEN]
    program = [sys.executable, "-m", "benchmarks", "--small", *options]
    done = subprocess.run(program, capture_output=True, text=True, timeout=110, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    assert [path.read_bytes() if path.exists() else None for path in WRITTEN] == before
    return dict(re.findall(r"^## (.*)\n\n((?:\|.*\n)+)", done.stdout, re.MULTILINE))


def measures(rows: str) -> bool:
    """Whether agentkit has figures in a table, and nobody failed or was cut."""
    ours = [row for row in rows.splitlines() if "agentkit" in row and "SQLite" in row]
    assert len(ours) == 1, rows
    assert not re.search("failed|cut", rows), rows
    return bool(re.search(r"\| [\d,.]*[1-9][\d,.]* \|", ours[0]))


def test_nothing_is_lost_under_the_contract_and_billed_is_what_the_floor_is_billed() -> None:
    tables = small("--only", "conformance", "recording")
    judged, recorded = (tables[report.SECTIONS[measure][0]] for measure in ("conformance", "recording"))
    assert measures(recorded)
    rows = judged.splitlines()[2:]
    assert len(rows) == 4
    assert all("| yes | yes | yes |" in row and row.endswith("| 1.000 |") for row in rows), judged


@pytest.mark.full
def test_its_small_form_measures_everything_without_the_peers() -> None:
    tables = small()
    assert list(tables) == [heading for heading, _ in report.SECTIONS.values()]
    assert all(measures(rows) for rows in tables.values())


def test_every_driver_says_how_its_side_is_configured_and_has_one() -> None:
    for driver in {side.driver for side in ALL}:
        text = Path(report.__file__).with_name("peers").joinpath(f"{driver}.py").read_text("utf-8")
        tree = ast.parse(text)
        assert ast.get_docstring(tree), driver
        assert "SIDE" in {
            node.targets[0].id
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
    assert len({side.key for side in ALL}) == len(ALL)


@pytest.mark.full
def test_what_cannot_be_installed_fails_with_the_reason(tmp_path: Path) -> None:
    made = environments.made(Home("none", ("no requirement at all",)), tmp_path)
    assert "Invalid requirement" in made.failed
    assert not (tmp_path / "none/ready.json").exists()


def test_what_could_not_be_installed_is_told_with_the_reason() -> None:
    told = "\n".join(report.sides([PEER], {}, {}, {PEER.home.name: "there is no such thing"}))
    assert told == f"* {PEER.title}: **not installed**: there is no such thing"


def measured(ours: float, floor: float, peer: float) -> Results:
    return {
        "requests": {
            SQLITE.key: {"cpu 10": ours, "cpu 100": ours},
            SDK.key: {"cpu 10": floor, "cpu 100": floor},
            PEER.key: {"cpu 10": peer, "cpu 100": peer},
            OTHER.key: {"cpu 10": 2 * peer, "cut 100": 9.0, "ran 100": 7},
        }
    }


def verdict(results: Results, what: str, beside: str) -> Bound:
    return next(each for each in bounds(results) if each.what == what and each.beside.startswith(beside))


@pytest.mark.parametrize(("ours", "wanted"), [(1.0, "kept"), (1.6, "kept"), (1.61, "**missed**")])
def test_a_bound_is_kept_up_to_its_limit(ours: float, wanted: str) -> None:
    found = verdict(measured(ours, 1.0, 1_000.0), "CPU per request, 10 steps, httpx2", "SDK")
    assert found.verdict == wanted
    assert found.ratio == ours


def test_the_best_peer_is_the_best_of_those_that_got_there() -> None:
    results = measured(1.0, 1.0, 15.0)
    assert best(results, "requests", "cpu 100") == (15.0, PEER.title)
    assert verdict(results, "CPU per request, 100 steps, httpx2", "best peer").verdict == "kept"
    results["requests"][OTHER.key] = {"cpu 100": 14.9}
    assert verdict(results, "CPU per request, 100 steps, httpx2", "best peer").verdict == "**missed**"


def test_what_was_not_measured_is_neither_kept_nor_missed() -> None:
    assert {each.verdict for each in bounds({})} == {"not measured"}


def test_a_table_says_where_a_side_was_cut_or_failed() -> None:
    results = measured(0.001, 0.001, 0.015)
    results["requests"][BARE.key] = {"error 10": "it went wrong"}
    results["requests"][PEER.key]["contract"] = "generic"
    told = "\n".join(report.section(results, "requests"))
    assert f"| {PEER.title} | 15.00 | 15.00 |" in told
    assert re.search(rf"{PEER.title}.*\| off \|", told)
    assert "cut at 9 s, 7 tools had run" in told
    assert re.search(r"bare httpx2 loop.*\| failed \|", told)
    assert "10: it went wrong" in told


def test_the_conversation_is_as_long_as_what_is_said_in_it() -> None:
    two = lean.conversation(2, 1_000) - lean.conversation(1, 1_000)
    assert two == pytest.approx(1_000 + len(THINKING), rel=0.3)
    assert lean.conversation(1, 1_000) > len(QUESTION) + len(THINKING)
