"""What people see while a command runs and when it is done: tables and progress bars."""
