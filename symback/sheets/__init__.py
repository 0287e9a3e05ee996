"""A derivation as a page: chapters, figures, and the forms in which they are rendered."""
