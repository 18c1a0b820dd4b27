"""How a bertkit command is started on many devices: command lines, jobs and their checks."""
