"""The part of a benchmark run that measures the guard: its options, and what it prints and writes."""

import argparse
import subprocess
import sys
import time

from bench.phi import page, presidio
from bench.phi.run import QUICK, Extent, run
from bench.phi.systems import RECOGNIZERS


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ner", choices=RECOGNIZERS, default="rampart", help="the model to measure behind the rules")
    parser.add_argument("--no-presidio", action="store_true", help="do not measure stock Presidio beside the guard")


def measure(options: argparse.Namespace) -> None:
    """Prints the figures and, of a whole run, writes them into `docs/phi-guard.md`."""
    began = time.monotonic()
    extent = QUICK if options.quick else Extent(with_presidio=not options.no_presidio and _has_presidio())
    models = [options.ner] if options.ner != "none" else []
    figures = run(extent, models, lambda line: print(line, file=sys.stderr, flush=True))
    print("\n".join(page.body(figures)[2:]))
    print(f"\n{time.monotonic() - began:.0f} s for the guard.")
    if extent.with_presidio:
        page.write(figures)


def _has_presidio() -> bool:
    try:
        presidio.install()
    except (OSError, subprocess.CalledProcessError):
        print("Presidio could not be installed: measured without it.", file=sys.stderr, flush=True)
        return False
    return True
