"""`python -m supervisor` is `supinit`."""

from supervisor.cli.supinit import main

main()
