"""What a run over many ranks leaves on the disk: a file of each rank, and one that makes them look like one."""
