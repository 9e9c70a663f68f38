"""writer.py NAME COUNT: write COUNT numbered lines to stdout, each tenth also to stderr; the last has no newline."""

import sys

name, count = sys.argv[1], int(sys.argv[2])
for number in range(count):
    print(f"{name} {number} {'x' * (number % 90)}.")
    if number % 10 == 0:
        print(f"{name} error {number}.", file=sys.stderr)
sys.stdout.write(f"{name} last.")
