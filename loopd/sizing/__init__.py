"""How long a run takes and what room it needs, before there is one."""
