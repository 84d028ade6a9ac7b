"""What crosses: links with the electrical model, necks between sites, drives. Imports `sites` and `cells`."""
