"""The kernel that counts text, compiled to machine code; conventions: `bertkit.kernels`."""
