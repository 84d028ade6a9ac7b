"""How a window is carried out where once, with inputs of the window before, is not exact enough."""
