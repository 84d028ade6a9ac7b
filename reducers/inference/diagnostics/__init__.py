"""Whether a posterior can be believed, and what is in it. Imports density and what is below it."""
