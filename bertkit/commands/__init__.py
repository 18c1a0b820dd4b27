"""One file per subcommand: options in, one library call, a result out."""
