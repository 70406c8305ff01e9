"""`python -m d24fad_core` is the command line `d24fad`."""

from d24fad_core.cli import main

if __name__ == "__main__":
    main()
