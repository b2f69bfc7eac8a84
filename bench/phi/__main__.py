"""`python -m bench.phi`: how well and how fast the guard finds PHI, beside stock Presidio, in one run."""

import argparse

from bench.phi.program import add_options, measure


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.phi", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds, without Presidio; for a first look")
    add_options(parser)
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
