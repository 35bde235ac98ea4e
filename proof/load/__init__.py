"""Load proof: many rotations under a steady load, no refused and no lost row. See docs/load.md."""
