"""The experiments of the thesis as jobs: each a file that says what is computed, tabulated and drawn."""
