"""Commands of the command line that ``cli`` puts together."""
