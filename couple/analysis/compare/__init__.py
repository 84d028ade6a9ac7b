"""Several experiments or results side by side: what differs by more than chance, and what each costs."""
