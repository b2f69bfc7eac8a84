"""`python -m cli`, which is how the supervisor starts its parts: no script on the PATH is needed."""

from cli.main import main

main()
