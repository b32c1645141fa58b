"""`python -m undersigned`: the command line."""

from undersigned.cli import main

if __name__ == "__main__":
    main()
