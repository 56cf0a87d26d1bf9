"""What people and their tools look at while a run goes on, and after it."""
