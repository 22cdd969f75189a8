"""Result tables: what their cells are, what was measured, and how both are told."""
