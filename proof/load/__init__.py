"""Many rotations under a steady load: no refused row, no lost row. See docs/load.md."""
