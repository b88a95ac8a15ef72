"""`python -m perch.commands` is `perch`: how one process of Perch starts another."""

from perch.commands import main

if __name__ == "__main__":
    main()
