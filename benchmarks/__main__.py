"""Time the pipeline's parts beside other ways to do the same: `python -m benchmarks --help`."""

from stages import command


def main() -> None:
    """Set the processor up as the pipeline does, before torch is imported; then race."""
    settings = command.settings_of("params.yaml")

    from benchmarks import rows

    rows.measure(settings)


if __name__ == "__main__":
    command.run(main)
