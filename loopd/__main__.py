"""Makes ``python -m loopd`` the same as the ``loopd`` command; must not hold any logic."""

from loopd.cli import main

if __name__ == "__main__":
    main()
