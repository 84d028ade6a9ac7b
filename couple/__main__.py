"""`python -m couple`: the command line."""

from couple.cli.main import main

main()
