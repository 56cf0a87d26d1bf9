"""loopd as a command, with a guard in each server that it starts: ``python -m tests.guarded``."""

from loopd.cli import main
from tests.guard import GUARDS

if __name__ == "__main__":
    GUARDS.attend()
    main(prog_name="loopd")
