"""What every benchmark shares: interleaved medians, the machine they ran on, a table and a JSON file.

A file in this directory measures one claim. Figures belong to one machine on one day; ratios of one run compare.
"""

import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table


def options(command: Callable[..., None]) -> Callable[..., None]:
    """The two options that every benchmark takes."""
    command = click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result there.")(
        command
    )
    return click.option("--quick", is_flag=True, help="Fewer rounds, for a first look.")(command)


def seconds_per_call(calls: Mapping[str, Callable[[], object]], *, rounds: int, repeat: int) -> dict[str, float]:
    """Median processor seconds of one call of each, measured in turns so that a noisy moment hits all alike."""
    for call in calls.values():
        call()
    seen: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.thread_time()
            for _ in range(repeat):
                call()
            seen[name].append((time.thread_time() - start) / repeat)
    return {name: statistics.median(values) for name, values in seen.items()}


def report(
    title: str,
    *,
    ratios: Mapping[str, float],
    targets: Mapping[str, float],
    figures: Mapping[str, Any],
    json_file: Path | None,
) -> None:
    """Show the figures, and each ratio beside its target; write all of it as JSON where asked."""
    console = Console()
    table = Table("", "here", "target", title=title)
    for name, ratio in ratios.items():
        target = targets.get(name)
        mark = "" if target is None else f"{target:.2f} {'reached' if ratio >= target else 'MISSED'}"
        table.add_row(f"ratio: {name}", f"{ratio:.2f}", mark)
    for name, figure in figures.items():
        table.add_row(name.replace("_", " "), f"{figure:,.1f}" if isinstance(figure, float) else str(figure), "")
    console.print(table)
    if json_file is not None:
        result = {
            "ratios": {name: round(ratio, 4) for name, ratio in ratios.items()},
            "targets": dict(targets),
            "figures": dict(figures),
            "machine": machine(),
        }
        json_file.write_text(json.dumps(result, indent=2) + "\n")


def machine() -> dict[str, Any]:
    """What the figures depend on: processor, cores, system, Python."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
