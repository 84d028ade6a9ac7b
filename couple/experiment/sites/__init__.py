"""[[site]]: places with chemistry, where many of them are, and what differs between them."""
