"""What people look at: charts, report, terminal, sinks."""
