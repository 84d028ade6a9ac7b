"""What is asked: the file of an inference, its prior and what was observed. Imports couple."""
