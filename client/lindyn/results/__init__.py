"""Results as numpy arrays with their provenance, and their views: pictures, tables, notebook cards and files."""
