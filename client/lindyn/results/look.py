"""Colours of pictures and cards. The explorer has the same ones (`style/base.css` and `js/colours.js`)."""

FIRST, SECOND = "#0b62a8", "#c2500f"
"""Colours of single lines, and of pairs such as input and output."""

ORDERED = "viridis"
"""Colour map of ordered lines and of maps."""

ORDERED_RANGE = (0.05, 0.8)
"""Part of that map which is visible as lines on white."""

DIVERGING = ("#0b3c6e", "#2f7fbd", "#7fb2de", "#faf9f6", "#f3b27a", "#d9722b", "#7a3208")
"""Colours of values from the most negative to the most positive one; the middle is zero."""
