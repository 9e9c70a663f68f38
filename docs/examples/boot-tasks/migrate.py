"""Stands for the migration of a database. It has to succeed as a whole or change nothing, as any that may be killed."""

import os
import time

print(f"migrating to {os.environ['GIT_HASH']}", flush=True)
time.sleep(0.2)
print("migrated", flush=True)
