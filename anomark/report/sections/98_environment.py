"""What the numbers were computed with, and the resolved configuration."""

from __future__ import annotations

from typing import Any

from anomark.report.results import Results
from anomark.report.section import Facts, Part, Section


def build(results: Results) -> Section:
    suite = results.suite
    parts: list[Part] = [Facts(provenance(results))]
    if config := flatten(suite.config):
        parts.append(Facts(config, summary=f"Resolved configuration, {len(config)} values"))
    made = "" if not suite.commit else f" from commit {suite.commit[:10]}" + ", modified" * bool(suite.modified)
    platform = suite.environment.get("platform", "an unknown platform")
    return Section("environment", "Environment", f"The numbers were computed on {platform}{made}.", parts)


def provenance(results: Results) -> list[tuple[str, str]]:
    suite = results.suite
    rows = [("suite", results.suite.suite), ("date", suite.date), ("commit", suite.commit)]
    rows += [("working tree", "modified")] if suite.modified else []
    rows += [("not available", how) for how in suite.absent.values()]
    rows += [("seeds", ", ".join(str(seed) for seed in suite.seeds)), *suite.environment.items()]
    return [(str(key), str(value)) for key, value in rows if value not in (None, "")]


def flatten(config: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """{"a": {"b": 1}} -> [("a.b", "1")]"""
    rows: list[tuple[str, str]] = []
    for key, value in config.items():
        if isinstance(value, dict) and value:
            rows += flatten(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", str(value)))
    return rows
