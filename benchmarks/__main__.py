"""Time parts of the pipeline against alternative implementations: `python -m benchmarks --help`."""

from stages import command


def main() -> None:
    """Set up the processor as the pipeline does, before torch is imported; then run the benchmarks."""
    settings = command.settings_of("params.yaml")

    from benchmarks import rows

    rows.measure(settings)


if __name__ == "__main__":
    command.run(main)
